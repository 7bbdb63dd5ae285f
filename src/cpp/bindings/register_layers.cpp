// Stages 2, 4 and 5 for people: NumPy arrays through one kernel each.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "dispatch/cpu.hpp"
#include "dispatch/kinds.hpp"
#include "network/packed.hpp"
#include "bindings/padded.hpp"
#include "training/coalesced_ids.hpp"

namespace dcn {

namespace {

// Tables of the caller, one a field, read where they are.
template <class T> struct EmbeddingOp {
  const KernelTable<T>& k = table_of<T>(active_isa());
  std::vector<Field<T>> fields;
  std::vector<std::size_t> rows;  // of each table
  const std::int32_t* ids;
  std::size_t D = 0, B, F;

  EmbeddingOp(const char* function, const Array<std::int32_t>& ids_,
              const std::vector<Array<T>>& tables)
      : ids(ids_.data()), B(0), F(tables.size()) {
    std::vector<FieldRows> names;
    for (std::size_t f = 0; f < F; ++f) {
      const std::string name = "tables[" + std::to_string(f) + "]";
      check_shape(function, name.c_str(), tables[f], {{"V"}, {"K"}});
      const auto K = static_cast<std::size_t>(tables[f].shape(1));
      fields.push_back({tables[f].data(), K, D});
      rows.push_back(static_cast<std::size_t>(tables[f].shape(0)));
      names.push_back({name, rows.back()});
      D += K;
    }
    check_ids(function, ids_, names);
    B = static_cast<std::size_t>(ids_.shape(0));
    check_batch(function, B, F);
  }

  void forward(T* out) const {
    Padded<T> x0(B, D);
    k.embedding_forward(x0.data(), fields.data(), ids, nullptr, B, F, D);
    x0.copy_to(k, out);
  }
  // dE (V,K) of each field
  void backward(const std::vector<T*>& dE, const T* dx0) const {
    TouchedRows touched;
    for (std::size_t f = 0; f < F; ++f) {
      const std::size_t K = fields[f].K;
      std::fill_n(dE[f], rows[f] * K, T(0));
      touched.sort({{f, 0, rows[f]}}, ids, F, nullptr, B, 1);
      std::vector<T> sums(touched.rows.size() * K);
      k.embedding_backward(sums.data(), dx0, D, &fields[f].column, touched.occurrences.data(),
                           touched.starts.data(), touched.rows.size(), 1, K);
      for (std::size_t u = 0; u < touched.rows.size(); ++u)
        std::copy_n(sums.data() + u * K, K, dE[f] + touched.rows[u] * K);
    }
  }
};

template <class T> void register_embedding(py::module_& m) {
  using Ids = const Array<std::int32_t>&;
  m.def("embedding", [](Ids ids, const std::vector<Array<T>>& tables) {
    const EmbeddingOp<T> op("embedding", ids, tables);
    Array<T> x0 = empty_matrix<T>(op.B, op.D);
    T* out = x0.mutable_data();
    without_gil([&] { op.forward(out); });
    return x0;
  });
  m.def("embedding_backward",
        [](const Array<T>& dx0, Ids ids, const std::vector<Array<T>>& tables) {
          const EmbeddingOp<T> op("embedding_backward", ids, tables);
          check_shape("embedding_backward", "dx0", dx0,
                      {{"B", ids.shape(0)}, {"D", static_cast<py::ssize_t>(op.D)}});
          py::list gradients;
          std::vector<T*> dE;
          for (const Array<T>& table : tables) {
            Array<T> gradient = empty_like(table);
            dE.push_back(gradient.mutable_data());
            gradients.append(gradient);
          }
          const T* dout = dx0.data();
          without_gil([&] { op.backward(dE, dout); });
          return gradients;
        });
}

template <class T> struct DenseOp {
  const KernelTable<T>& k = table_of<T>(active_isa());
  Activation activation;
  PackedMatrix<T> packed;
  Padded<T> h, hn, z;

  DenseOp(const Matrix<T>& h_, const Matrix<T>& W, const T* b, Activation activation_)
      : activation(activation_), packed(W.rows, W.width), h(k, h_), hn(h.rows, W.rows),
        z(h.rows, W.rows) {
    packed.pack(k, W.data, h.width, b);
    k.dense_forward(hn.data(), z.data(), h.data(), packed.view(), h.rows, h.width, hn.width,
                    activation);
  }
  void backward(T* dh, T* dW, T* db, const Matrix<T>& dhn) {
    Padded<T> dx(h.rows, h.width), dz(hn.rows, hn.width), dout(k, dhn);
    std::fill_n(dW, hn.width * h.width, T(0));
    std::fill_n(db, hn.width, T(0));
    k.dense_backward(dx.data(), dW, db, dz.data(), hn.data(), dout.data(), hn.data(), z.data(),
                     h.data(), packed.view(), h.rows, h.width, hn.width, activation, false);
    dx.copy_to(k, dh);
  }
};

template <class T>
void check_dense(const char* function, const Array<T>& h, const Array<T>& W, const Array<T>& b) {
  check_shape(function, "h", h, {{"B"}, {"I"}});
  check_shape(function, "W", W, {{"O"}, {"I", h.shape(1)}});
  check_shape(function, "b", b, {{"O", W.shape(0)}});
}

template <class T> void register_dense(py::module_& m) {
  using A = const Array<T>&;
  m.def("dense", [](A h, A W, A b, const std::string& name) {
    const Activation activation = activation_named(name);
    check_dense("dense", h, W, b);
    const Matrix<T> in(h), weights(W);
    const T* bias = b.data();
    Array<T> hn = empty_matrix<T>(in.rows, weights.rows);
    T* out = hn.mutable_data();
    without_gil([&] {
      const DenseOp<T> op(in, weights, bias, activation);
      op.hn.copy_to(op.k, out);
    });
    return hn;
  });
  m.def("dense_backward", [](A dhn, A h, A W, A b, const std::string& name) {
    const Activation activation = activation_named(name);
    check_dense("dense_backward", h, W, b);
    check_shape("dense_backward", "dhn", dhn, {{"B", h.shape(0)}, {"O", W.shape(0)}});
    const Matrix<T> in(h), weights(W), dout(dhn);
    const T* bias = b.data();
    Array<T> dh = empty_like(h), dW = empty_like(W), db = empty_like(b);
    T *to_h = dh.mutable_data(), *to_W = dW.mutable_data(), *to_b = db.mutable_data();
    without_gil(
        [&] { DenseOp<T>(in, weights, bias, activation).backward(to_h, to_W, to_b, dout); });
    return py::make_tuple(dh, dW, db);
  });
}

template <class T> struct LayerNormOp {
  const KernelTable<T>& k = table_of<T>(active_isa());
  const T* scale;
  Padded<T> xhat, h, y;
  std::vector<T> inv;

  LayerNormOp(const Matrix<T>& z, const T* scale_, const T* shift)
      : scale(scale_), xhat(k, z), h(z.rows, z.width), y(z.rows, z.width), inv(z.rows) {
    k.layer_norm_forward(h.data(), y.data(), xhat.data(), inv.data(), xhat.data(), scale, shift,
                         xhat.rows, xhat.width, Activation::identity);
  }
  void backward(T* to_z, T* dscale, T* dshift, const Matrix<T>& dy) {
    Padded<T> dz(k, dy);
    std::fill_n(dscale, h.width, T(0));
    std::fill_n(dshift, h.width, T(0));
    k.layer_norm_backward(dz.data(), dscale, dshift, dz.data(), h.data(), y.data(), xhat.data(),
                          inv.data(), scale, h.rows, h.width, Activation::identity);
    dz.copy_to(k, to_z);
  }
};

template <class T>
void check_layer_norm(const char* function, const Array<T>& z, const Array<T>& scale,
                      const Array<T>& shift) {
  check_shape(function, "z", z, {{"B"}, {"O"}});
  check_shape(function, "scale", scale, {{"O", z.shape(1)}});
  check_shape(function, "shift", shift, {{"O", z.shape(1)}});
}

template <class T> void register_layer_norm(py::module_& m) {
  using A = const Array<T>&;
  m.def("layer_norm", [](A z, A scale, A shift) {
    check_layer_norm("layer_norm", z, scale, shift);
    const Matrix<T> in(z);
    const T *s = scale.data(), *t = shift.data();
    Array<T> y = empty_like(z);
    T* out = y.mutable_data();
    without_gil([&] {
      const LayerNormOp<T> op(in, s, t);
      op.h.copy_to(op.k, out);
    });
    return y;
  });
  m.def("layer_norm_backward", [](A dy, A z, A scale, A shift) {
    check_layer_norm("layer_norm_backward", z, scale, shift);
    check_shape("layer_norm_backward", "dy", dy, {{"B", z.shape(0)}, {"O", z.shape(1)}});
    const Matrix<T> in(z), dout(dy);
    const T *s = scale.data(), *t = shift.data();
    Array<T> dz = empty_like(z), dscale = empty_like(scale), dshift = empty_like(shift);
    T *to_z = dz.mutable_data(), *to_s = dscale.mutable_data(), *to_t = dshift.mutable_data();
    without_gil([&] { LayerNormOp<T>(in, s, t).backward(to_z, to_s, to_t, dout); });
    return py::make_tuple(dz, dscale, dshift);
  });
}

template <class T> struct CombineOp {
  const KernelTable<T>& k = table_of<T>(active_isa());
  Padded<T> x, h;
  PackedMatrix<T> packed_x, packed_h;
  std::size_t C;

  CombineOp(const Matrix<T>& x_, const Matrix<T>& h_, const Matrix<T>& W, const T* b)
      : x(k, x_), h(k, h_), packed_x(W.rows, x.width), packed_h(W.rows, h.width), C(W.rows) {
    packed_x.pack(k, W.data, W.width, b);
    packed_h.pack(k, W.data + x.width, W.width, b);
  }
  // both halves, of which one may be empty; the bias comes with the first
  void forward(T* out) {
    Padded<T> logits(x.rows, C);
    if (x.width > 0)
      k.combine_forward(logits.data(), x.data(), ld<T>(x.width), packed_x.view(), x.rows, x.width,
                        C, false);
    if (h.width > 0)
      k.combine_forward(logits.data(), h.data(), ld<T>(h.width), packed_h.view(), h.rows, h.width,
                        C, x.width > 0);
    logits.copy_to(k, out);
  }
  void backward(T* to_x, T* to_h, T* dW, T* db, const Matrix<T>& dlogits) {
    const std::size_t width = x.width + h.width;
    Padded<T> dl(k, dlogits), dx(x.rows, x.width), dh(x.rows, h.width);
    std::fill_n(dW, C * width, T(0));
    std::fill_n(db, C, T(0));
    k.combine_backward(dx.data(), dW, width, db, dl.data(), x.data(), ld<T>(x.width),
                       packed_x.view(), x.rows, x.width, C);
    k.combine_backward(dh.data(), dW + x.width, width, nullptr, dl.data(), h.data(), ld<T>(h.width),
                       packed_h.view(), h.rows, h.width, C);
    dx.copy_to(k, to_x);
    dh.copy_to(k, to_h);
  }
};

template <class T>
void check_combine(const char* function, const Array<T>& x, const Array<T>& h, const Array<T>& W,
                   const Array<T>& b) {
  check_shape(function, "x", x, {{"B"}, {"D"}});
  check_shape(function, "h", h, {{"B", x.shape(0)}, {"H"}});
  check_shape(function, "W", W, {{"C"}, {"D + H", x.shape(1) + h.shape(1)}});
  check_shape(function, "b", b, {{"C", W.shape(0)}});
  if (x.shape(1) + h.shape(1) == 0)
    throw py::value_error(std::string(function) + ": x and h have no columns, want at least one");
}

template <class T> void register_combine(py::module_& m) {
  using A = const Array<T>&;
  m.def("combine", [](A x, A h, A W, A b) {
    check_combine("combine", x, h, W, b);
    const Matrix<T> in_x(x), in_h(h), weights(W);
    const T* bias = b.data();
    Array<T> logits = empty_matrix<T>(in_x.rows, weights.rows);
    T* out = logits.mutable_data();
    without_gil([&] { CombineOp<T>(in_x, in_h, weights, bias).forward(out); });
    return logits;
  });
  m.def("combine_backward", [](A dlogits, A x, A h, A W, A b) {
    check_combine("combine_backward", x, h, W, b);
    check_shape("combine_backward", "dlogits", dlogits, {{"B", x.shape(0)}, {"C", W.shape(0)}});
    const Matrix<T> in_x(x), in_h(h), weights(W), dout(dlogits);
    const T* bias = b.data();
    Array<T> dx = empty_like(x), dh = empty_like(h), dW = empty_like(W), db = empty_like(b);
    T *to_x = dx.mutable_data(), *to_h = dh.mutable_data();
    T *to_W = dW.mutable_data(), *to_b = db.mutable_data();
    without_gil(
        [&] { CombineOp<T>(in_x, in_h, weights, bias).backward(to_x, to_h, to_W, to_b, dout); });
    return py::make_tuple(dx, dh, dW, db);
  });
}

}  // namespace

template <class T> static void register_layers_of(py::module_& m) {
  register_embedding<T>(m);
  register_dense<T>(m);
  register_layer_norm<T>(m);
  register_combine<T>(m);
}

void register_layers(py::module_& f32, py::module_& f64) {
  register_layers_of<float>(f32);
  register_layers_of<double>(f64);
}

}  // namespace dcn
