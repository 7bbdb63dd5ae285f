// Stages 2, 4 and 5 for people: NumPy arrays through one kernel each.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "cpu.hpp"
#include "packed.hpp"
#include "padded.hpp"
#include "touched_rows.hpp"

namespace dcn {

Activation activation_of(const std::string& name);  // register_network.cpp

namespace {

// Tables of the caller, one a field, read where they are.
template <class T> struct EmbeddingOp {
  const KernelTable<T>& k = table_of<T>(active_isa());
  std::vector<Field<T>> fields;
  std::size_t D = 0, B, F;

  EmbeddingOp(const char* function, const Array<std::int32_t>& ids,
              const std::vector<Array<T>>& tables)
      : B(0), F(tables.size()) {
    std::vector<FieldRows> rows;
    for (std::size_t f = 0; f < F; ++f) {
      const std::string name = "tables[" + std::to_string(f) + "]";
      check_shape(function, name.c_str(), tables[f], {{"V"}, {"K"}});
      const auto K = static_cast<std::size_t>(tables[f].shape(1));
      fields.push_back({tables[f].data(), K, D});
      rows.push_back({name, static_cast<std::size_t>(tables[f].shape(0))});
      D += K;
    }
    check_ids(function, ids, rows);
    B = static_cast<std::size_t>(ids.shape(0));
    check_batch(function, B, F);
  }
};

template <class T> void register_embedding(py::module_& m) {
  using Ids = const Array<std::int32_t>&;
  m.def("embedding", [](Ids ids, const std::vector<Array<T>>& tables) {
    EmbeddingOp<T> op("embedding", ids, tables);
    Padded<T> x0(op.B, op.D);
    op.k.embedding_forward(x0.data(), op.fields.data(), ids.data(), nullptr, op.B, op.F, op.D);
    return x0.to_array(op.k);
  });
  m.def("embedding_backward",
        [](const Array<T>& dx0, Ids ids, const std::vector<Array<T>>& tables) {
          EmbeddingOp<T> op("embedding_backward", ids, tables);
          check_shape("embedding_backward", "dx0", dx0,
                      {{"B", ids.shape(0)}, {"D", static_cast<py::ssize_t>(op.D)}});
          py::list out;
          TouchedRows touched;
          for (std::size_t f = 0; f < op.F; ++f) {
            const std::size_t K = op.fields[f].K;
            Array<T> dE = zeros_like(tables[f]);
            touched.sort({{f, 0, static_cast<std::size_t>(dE.shape(0))}}, ids.data(), op.F, nullptr,
                         op.B, 1);
            std::vector<T> sums(touched.rows.size() * K);
            op.k.embedding_backward(sums.data(), dx0.data(), op.D, &op.fields[f].column,
                                    touched.occurrences.data(), touched.starts.data(),
                                    touched.rows.size(), 1, K);
            for (std::size_t u = 0; u < touched.rows.size(); ++u)
              std::copy_n(sums.data() + u * K, K, dE.mutable_data() + touched.rows[u] * K);
            out.append(dE);
          }
          return out;
        });
}

template <class T> struct DenseOp {
  const KernelTable<T>& k = table_of<T>(active_isa());
  Activation activation;
  PackedMatrix<T> packed;
  Padded<T> h, hn, z;

  DenseOp(const char* function, const Array<T>& h_, const Array<T>& W, const Array<T>& b,
          const std::string& name)
      : activation(activation_of(name)), packed(checked(function, h_, W, b)), h(k, h_),
        hn(h.rows, static_cast<std::size_t>(W.shape(0))), z(h.rows, hn.width) {
    packed.pack(k, W.data(), h.width, b.data());
    k.dense_forward(hn.data(), z.data(), h.data(), packed.view(), h.rows, h.width, hn.width,
                    activation);
  }
  static PackedMatrix<T> checked(const char* function, const Array<T>& h, const Array<T>& W,
                                 const Array<T>& b) {
    check_shape(function, "h", h, {{"B"}, {"I"}});
    check_shape(function, "W", W, {{"O"}, {"I", h.shape(1)}});
    check_shape(function, "b", b, {{"O", W.shape(0)}});
    return {static_cast<std::size_t>(W.shape(0)), static_cast<std::size_t>(W.shape(1))};
  }
};

template <class T> void register_dense(py::module_& m) {
  using A = const Array<T>&;
  m.def("dense", [](A h, A W, A b, const std::string& activation) {
    DenseOp<T> op("dense", h, W, b, activation);
    return op.hn.to_array(op.k);
  });
  m.def("dense_backward", [](A dhn, A h, A W, A b, const std::string& activation) {
    DenseOp<T> op("dense_backward", h, W, b, activation);
    check_shape("dense_backward", "dhn", dhn, {{"B", h.shape(0)}, {"O", W.shape(0)}});
    Padded<T> dh(op.h.rows, op.h.width), dz(op.hn.rows, op.hn.width), dout(op.k, dhn);
    Array<T> dW = zeros_like(W), db = zeros_like(b);
    op.k.dense_backward(dh.data(), dW.mutable_data(), db.mutable_data(), dz.data(), op.hn.data(),
                        dout.data(), op.hn.data(), op.z.data(), op.h.data(), op.packed.view(),
                        op.h.rows, op.h.width, op.hn.width, op.activation, false);
    return py::make_tuple(dh.to_array(op.k), dW, db);
  });
}

template <class T> struct LayerNormOp {
  const KernelTable<T>& k = table_of<T>(active_isa());
  Padded<T> xhat, h, y;
  std::vector<T> inv;

  LayerNormOp(const char* function, const Array<T>& z, const Array<T>& scale, const Array<T>& shift)
      : xhat((check(function, z, scale, shift), k), z), h(xhat.rows, xhat.width),
        y(xhat.rows, xhat.width), inv(xhat.rows) {
    k.layer_norm_forward(h.data(), y.data(), xhat.data(), inv.data(), xhat.data(), scale.data(),
                         shift.data(), xhat.rows, xhat.width, Activation::identity);
  }
  static void check(const char* function, const Array<T>& z, const Array<T>& scale,
                    const Array<T>& shift) {
    check_shape(function, "z", z, {{"B"}, {"O"}});
    check_shape(function, "scale", scale, {{"O", z.shape(1)}});
    check_shape(function, "shift", shift, {{"O", z.shape(1)}});
  }
};

template <class T> void register_layer_norm(py::module_& m) {
  using A = const Array<T>&;
  m.def("layer_norm", [](A z, A scale, A shift) {
    LayerNormOp<T> op("layer_norm", z, scale, shift);
    return op.h.to_array(op.k);
  });
  m.def("layer_norm_backward", [](A dy, A z, A scale, A shift) {
    LayerNormOp<T> op("layer_norm_backward", z, scale, shift);
    check_shape("layer_norm_backward", "dy", dy, {{"B", z.shape(0)}, {"O", z.shape(1)}});
    Padded<T> dz(op.k, dy);
    Array<T> dscale = zeros_like(scale), dshift = zeros_like(shift);
    op.k.layer_norm_backward(dz.data(), dscale.mutable_data(), dshift.mutable_data(), dz.data(),
                             op.h.data(), op.y.data(), op.xhat.data(), op.inv.data(), scale.data(),
                             op.h.rows, op.h.width, Activation::identity);
    return py::make_tuple(dz.to_array(op.k), dscale, dshift);
  });
}

template <class T> struct CombineOp {
  const KernelTable<T>& k = table_of<T>(active_isa());
  Padded<T> x, h;
  PackedMatrix<T> packed_x, packed_h;
  std::size_t C;

  CombineOp(const char* function, const Array<T>& x_, const Array<T>& h_, const Array<T>& W,
            const Array<T>& b)
      : x((check(function, x_, h_, W, b), k), x_), h(k, h_),
        packed_x(static_cast<std::size_t>(W.shape(0)), x.width),
        packed_h(static_cast<std::size_t>(W.shape(0)), h.width),
        C(static_cast<std::size_t>(W.shape(0))) {
    packed_x.pack(k, W.data(), x.width + h.width, b.data());
    packed_h.pack(k, W.data() + x.width, x.width + h.width, b.data());
  }
  static void check(const char* function, const Array<T>& x, const Array<T>& h, const Array<T>& W,
                    const Array<T>& b) {
    check_shape(function, "x", x, {{"B"}, {"D"}});
    check_shape(function, "h", h, {{"B", x.shape(0)}, {"H"}});
    check_shape(function, "W", W, {{"C"}, {"D + H", x.shape(1) + h.shape(1)}});
    check_shape(function, "b", b, {{"C", W.shape(0)}});
    if (x.shape(1) + h.shape(1) == 0)
      throw py::value_error(std::string(function) + ": x and h have no columns, want at least one");
  }
  // both halves, of which one may be empty; the bias comes with the first
  void forward(T* logits) {
    if (x.width > 0)
      k.combine_forward(logits, x.data(), ld<T>(x.width), packed_x.view(), x.rows, x.width, C,
                        false);
    if (h.width > 0)
      k.combine_forward(logits, h.data(), ld<T>(h.width), packed_h.view(), h.rows, h.width, C,
                        x.width > 0);
  }
  void backward(T* dx, T* dh, T* dW, T* db, const T* dlogits) {
    const std::size_t width = x.width + h.width;
    k.combine_backward(dx, dW, width, db, dlogits, x.data(), ld<T>(x.width), packed_x.view(),
                       x.rows, x.width, C);
    k.combine_backward(dh, dW + x.width, width, nullptr, dlogits, h.data(), ld<T>(h.width),
                       packed_h.view(), h.rows, h.width, C);
  }
};

template <class T> void register_combine(py::module_& m) {
  using A = const Array<T>&;
  m.def("combine", [](A x, A h, A W, A b) {
    CombineOp<T> op("combine", x, h, W, b);
    Padded<T> logits(op.x.rows, op.C);
    op.forward(logits.data());
    return logits.to_array(op.k);
  });
  m.def("combine_backward", [](A dlogits, A x, A h, A W, A b) {
    CombineOp<T> op("combine_backward", x, h, W, b);
    check_shape("combine_backward", "dlogits", dlogits, {{"B", x.shape(0)}, {"C", W.shape(0)}});
    Padded<T> dl(op.k, dlogits), dx(op.x.rows, op.x.width), dh(op.x.rows, op.h.width);
    Array<T> dW = zeros_like(W), db = zeros_like(b);
    op.backward(dx.data(), dh.data(), dW.mutable_data(), db.mutable_data(), dl.data());
    return py::make_tuple(dx.to_array(op.k), dh.to_array(op.k), dW, db);
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
