// The kernels for people: whole arrays cut into tiles, each tile through the kernel table.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "arrays.hpp"
#include "cpu.hpp"
#include "cross.hpp"
#include "thread_pool.hpp"
#include "tiling.hpp"

namespace dcn {

Activation activation_of(const std::string& name);  // register_network.cpp

namespace {

// A stack of cross layers on arrays of the caller: the same part that a network has.
template <class T> class CrossOp {
 public:
  CrossOp(const NetworkConfig& config, std::initializer_list<const Array<T>*> parameters)
      : k_(table_of<T>(active_isa())), D_(config.width()), part_(config, layout_),
        parameters_(layout_.size()) {
    T* out = parameters_.data();
    for (const Array<T>* p : parameters) out = std::copy_n(p->data(), p->size(), out);
    part_.pack(k_, parameters_.data());
  }

  std::size_t n_parameters() const { return layout_.size(); }
  std::size_t offset(std::size_t i) const { return layout_.tensors()[i].offset; }

  // x0 (B,D) -> xL (B,D)
  void forward(T* xL, const T* x0, std::size_t B, std::size_t n_threads) {
    const Tiling tiling = cut(B, most_rows(bytes_per_row()), n_parameters());
    std::vector<Slot> slots = make_slots(tiling, n_threads);
    parallel_for(n_threads, tiling.tiles, [&](std::size_t tile, std::size_t slot) {
      Slot& s = slots[slot];
      const std::size_t first = tiling.first_row(tile), n = tiling.n_rows(tile);
      k_.stack_forward(s.tile.x[0], x0 + first * D_, nullptr, n, D_);
      part_.forward(k_, s.tile, parameters_.data(), n);
      k_.unstack(xL + first * D_, s.tile.xL(), n, D_);
    });
  }

  // dxL (B,D) -> dx0 (B,D) and the parameters' gradients, flat
  void backward(T* dx0, T* gradients, const T* dxL, const T* x0, std::size_t B,
                std::size_t n_threads) {
    const Tiling tiling = cut(B, most_rows(bytes_per_row()), n_parameters());
    const std::size_t stride = padded<T>(n_parameters());
    Buffer<T> lanes(tiling.lanes * stride);
    std::vector<Slot> slots = make_slots(tiling, n_threads);
    parallel_for(n_threads, tiling.lanes, [&](std::size_t lane, std::size_t slot) {
      Slot& s = slots[slot];
      for (std::size_t i = tiling.first_tile(lane); i < tiling.first_tile(lane + 1); ++i) {
        const std::size_t first = tiling.first_row(i), n = tiling.n_rows(i);
        k_.stack_forward(s.tile.x[0], x0 + first * D_, nullptr, n, D_);
        k_.stack_forward(s.dxL, dxL + first * D_, nullptr, n, D_);
        part_.forward(k_, s.tile, parameters_.data(), n);
        part_.backward(k_, s.tile, s.dx0, s.dxL, lanes.data() + lane * stride, parameters_.data(),
                       n);
        k_.unstack(dx0 + first * D_, s.dx0, n, D_);
      }
    });
    k_.reduce_lanes(gradients, lanes.data(), stride, tiling.lanes, n_parameters());
  }

 private:
  struct Slot {
    Buffer<T> memory;
    CrossTile<T> tile;
    T *dx0, *dxL;
  };

  void carve(Slot& slot, Carver<T>& carver, std::size_t rows) const {
    slot.tile = part_.carve(carver, carver.take(rows * ld<T>(D_)), rows);
    slot.dx0 = carver.take(rows * ld<T>(D_));
    slot.dxL = carver.take(rows * ld<T>(D_));
  }
  std::size_t bytes_per_row() const {
    Slot slot;
    Carver<T> count;
    carve(slot, count, kRowStep);
    return count.used() * sizeof(T) / kRowStep;
  }
  std::vector<Slot> make_slots(const Tiling& tiling, std::size_t n_threads) const {
    std::vector<Slot> slots(std::max<std::size_t>(1, std::min(n_threads, tiling.tiles)));
    for (Slot& slot : slots) {
      Carver<T> count;
      carve(slot, count, tiling.rows);
      slot.memory = Buffer<T>(count.used());
      Carver<T> carver(slot.memory.data());
      carve(slot, carver, tiling.rows);
    }
    return slots;
  }

  const KernelTable<T>& k_;
  std::size_t D_;
  Layout layout_;
  CrossPart<T> part_;
  Buffer<T> parameters_;
};

template <class T> Array<T> run_forward(CrossOp<T>& op, const Array<T>& x0, std::size_t n_threads) {
  Array<T> xL = empty<T>({x0.shape(0), x0.shape(1)});
  T* out = xL.mutable_data();
  const T* in = x0.data();
  const auto B = static_cast<std::size_t>(x0.shape(0));
  const py::gil_scoped_release nogil;
  op.forward(out, in, B, n_threads);
  return xL;
}

// (dx0, one gradient for each of the parameters, in their order)
template <class T>
py::tuple run_backward(CrossOp<T>& op, const char* function, const Array<T>& dxL,
                       const Array<T>& x0, std::initializer_list<const Array<T>*> parameters,
                       std::size_t n_threads) {
  check_shape(function, "dxL", dxL, {{"B", x0.shape(0)}, {"D", x0.shape(1)}});
  Array<T> dx0 = empty<T>({x0.shape(0), x0.shape(1)});
  Buffer<T> gradients(op.n_parameters());
  {
    T* out = dx0.mutable_data();
    const T *in = x0.data(), *dout = dxL.data();
    const auto B = static_cast<std::size_t>(x0.shape(0));
    const py::gil_scoped_release nogil;
    op.backward(out, gradients.data(), dout, in, B, n_threads);
  }
  py::tuple result(parameters.size() + 1);
  result[0] = dx0;
  const T* from = gradients.data();
  std::size_t i = 1;
  for (const Array<T>* p : parameters) {
    Array<T> g(std::vector<py::ssize_t>(p->shape(), p->shape() + p->ndim()));
    std::copy_n(from, p->size(), g.mutable_data());
    from += p->size();
    result[i++] = g;
  }
  return result;
}

template <class T>
NetworkConfig cross_config(const char* function, CrossKind kind, const Array<T>& x0,
                           const Array<T>& b, py::ssize_t rank, double diag_scale) {
  check_shape(function, "x0", x0, {{"B"}, {"D"}});
  const py::ssize_t D = x0.shape(1);
  check_shape(function, "b", b, {{"L"}, {"D", D}});
  NetworkConfig config;
  config.n_dense = static_cast<std::size_t>(D);
  config.cross = kind;
  config.cross_layers = static_cast<std::size_t>(b.shape(0));
  config.cross_rank = static_cast<std::size_t>(rank);
  config.diag_scale = diag_scale;
  return config;
}

template <class T>
CrossOp<T> vector_op(const char* function, const Array<T>& x0, const Array<T>& w,
                     const Array<T>& b) {
  const NetworkConfig config = cross_config(function, CrossKind::vector, x0, b, 0, 0);
  check_shape(function, "w", w, {{"L", b.shape(0)}, {"D", x0.shape(1)}});
  return CrossOp<T>(config, {&w, &b});
}

template <class T>
CrossOp<T> matrix_op(const char* function, const Array<T>& x0, const Array<T>& W, const Array<T>& b,
                     double diag_scale) {
  const NetworkConfig config = cross_config(function, CrossKind::matrix, x0, b, 0, diag_scale);
  check_shape(function, "W", W, {{"L", b.shape(0)}, {"D", x0.shape(1)}, {"D", x0.shape(1)}});
  return CrossOp<T>(config, {&W, &b});
}

template <class T>
CrossOp<T> lowrank_op(const char* function, const Array<T>& x0, const Array<T>& U,
                      const Array<T>& V, const Array<T>& b, double diag_scale) {
  const py::ssize_t R = U.ndim() == 3 ? U.shape(2) : 0;
  const NetworkConfig config = cross_config(function, CrossKind::lowrank, x0, b, R, diag_scale);
  check_shape(function, "U", U, {{"L", b.shape(0)}, {"D", x0.shape(1)}, {"R"}});
  check_shape(function, "V", V, {{"L", b.shape(0)}, {"R", R}, {"D", x0.shape(1)}});
  return CrossOp<T>(config, {&U, &V, &b});
}

template <class T> void register_cross(py::module_& m) {
  using A = const Array<T>&;
  m.def("cross_vector", [](A x0, A w, A b, std::size_t n_threads) {
    CrossOp<T> op = vector_op<T>("cross_vector", x0, w, b);
    return run_forward(op, x0, n_threads);
  });
  m.def("cross_vector_backward", [](A dxL, A x0, A w, A b, std::size_t n_threads) {
    CrossOp<T> op = vector_op<T>("cross_vector_backward", x0, w, b);
    return run_backward<T>(op, "cross_vector_backward", dxL, x0, {&w, &b}, n_threads);
  });
  m.def("cross_matrix", [](A x0, A W, A b, double diag_scale, std::size_t n_threads) {
    CrossOp<T> op = matrix_op<T>("cross_matrix", x0, W, b, diag_scale);
    return run_forward(op, x0, n_threads);
  });
  m.def("cross_matrix_backward",
        [](A dxL, A x0, A W, A b, double diag_scale, std::size_t n_threads) {
          CrossOp<T> op = matrix_op<T>("cross_matrix_backward", x0, W, b, diag_scale);
          return run_backward<T>(op, "cross_matrix_backward", dxL, x0, {&W, &b}, n_threads);
        });
  m.def("cross_lowrank", [](A x0, A U, A V, A b, double diag_scale, std::size_t n_threads) {
    CrossOp<T> op = lowrank_op<T>("cross_lowrank", x0, U, V, b, diag_scale);
    return run_forward(op, x0, n_threads);
  });
  m.def("cross_lowrank_backward",
        [](A dxL, A x0, A U, A V, A b, double diag_scale, std::size_t n_threads) {
          CrossOp<T> op = lowrank_op<T>("cross_lowrank_backward", x0, U, V, b, diag_scale);
          return run_backward<T>(op, "cross_lowrank_backward", dxL, x0, {&U, &V, &b}, n_threads);
        });
}

// One padded tile as large as the whole array: the kernels below are not worth cutting up.
template <class T> struct Padded {
  std::size_t rows, width;
  Buffer<T> memory;

  Padded(std::size_t rows_, std::size_t width_)
      : rows(rows_), width(width_), memory(rows_ * ld<T>(width_)) {}
  Padded(const KernelTable<T>& k, const Array<T>& a)
      : Padded(static_cast<std::size_t>(a.shape(0)), static_cast<std::size_t>(a.shape(1))) {
    k.stack_forward(memory.data(), a.data(), nullptr, rows, width);
  }
  Array<T> to_array(const KernelTable<T>& k) const {
    Array<T> out = empty<T>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(width)});
    k.unstack(out.mutable_data(), memory.data(), rows, width);
    return out;
  }
  T* data() { return memory.data(); }
};

template <class T> Array<T> zeros_like(const Array<T>& a) {
  Array<T> out(std::vector<py::ssize_t>(a.shape(), a.shape() + a.ndim()));
  std::fill_n(out.mutable_data(), out.size(), T(0));
  return out;
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
    op.k.dense_backward(dh.data(), dW.mutable_data(), db.mutable_data(), dz.data(), dout.data(),
                        op.hn.data(), op.z.data(), op.h.data(), op.packed.view(), op.h.rows,
                        op.h.width, op.hn.width, op.activation, false);
    return py::make_tuple(dh.to_array(op.k), dW, db);
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
  const T* x_or_null() { return x.width > 0 ? x.data() : nullptr; }
  const T* h_or_null() { return h.width > 0 ? h.data() : nullptr; }
};

template <class T> void register_combine(py::module_& m) {
  using A = const Array<T>&;
  m.def("combine", [](A x, A h, A W, A b) {
    CombineOp<T> op("combine", x, h, W, b);
    Padded<T> logits(op.x.rows, op.C);
    op.k.combine_forward(logits.data(), op.x_or_null(), op.h_or_null(), op.packed_x.view(),
                         op.packed_h.view(), op.x.rows, op.x.width, op.h.width, op.C);
    return logits.to_array(op.k);
  });
  m.def("combine_backward", [](A dlogits, A x, A h, A W, A b) {
    CombineOp<T> op("combine_backward", x, h, W, b);
    check_shape("combine_backward", "dlogits", dlogits, {{"B", x.shape(0)}, {"C", W.shape(0)}});
    Padded<T> dl(op.k, dlogits), dx(op.x.rows, op.x.width), dh(op.x.rows, op.h.width);
    Array<T> dW = zeros_like(W), db = zeros_like(b);
    op.k.combine_backward(dx.data(), dh.data(), dW.mutable_data(), db.mutable_data(), dl.data(),
                          op.x_or_null(), op.h_or_null(), op.packed_x.view(), op.packed_h.view(),
                          op.x.rows, op.x.width, op.h.width, op.C);
    return py::make_tuple(dx.to_array(op.k), dh.to_array(op.k), dW, db);
  });
}

template <class T> using LossForward = decltype(KernelTable<T>::squared_forward);
template <class T> using LossBackward = decltype(KernelTable<T>::squared_backward);

// (sum of the rows' losses, dlogits)
template <class T>
void register_loss(py::module_& m, const char* name, LossForward<T> KernelTable<T>::* forward,
                   LossBackward<T> KernelTable<T>::* backward, bool classes) {
  m.def(name, [=](const Array<T>& logits, const Array<T>& target,
                  const std::optional<Array<T>>& weight) {
    check_shape(name, "logits", logits, {{"B"}, {"C"}});
    check_shape(name, "target", target,
                {{"B", logits.shape(0)}, {classes ? "1" : "C", classes ? 1 : logits.shape(1)}});
    const auto B = static_cast<std::size_t>(logits.shape(0));
    const auto C = static_cast<std::size_t>(logits.shape(1));
    if (C == 0)
      throw py::value_error(std::string(name) + ": logits have no columns, want at least one");
    for (std::size_t i = 0; classes && i < B; ++i)
      if (!is_class(target.data()[i], C))
        throw py::index_error(std::string(name) + ": target[" + std::to_string(i) + "] is class " +
                              std::to_string(target.data()[i]) + ", want 0 to " +
                              std::to_string(C - 1));
    if (weight.has_value()) check_shape(name, "weight", *weight, {{"B", logits.shape(0)}});
    const KernelTable<T>& k = table_of<T>(active_isa());
    const T* w = weight.has_value() ? weight->data() : nullptr;
    Padded<T> z(k, logits), dz(B, C);
    const double loss = (k.*forward)(z.data(), target.data(), w, nullptr, B, C);
    (k.*backward)(dz.data(), z.data(), target.data(), w, nullptr, B, C, T(1));
    return py::make_tuple(loss, dz.to_array(k));
  });
}

template <class T> void register_optimizer(py::module_& m) {
  m.def("adam_update",
        [](Array<T>& parameters, Array<T>& mean, Array<T>& square, const Array<T>& g,
           double step_size, double beta_1, double beta_2, double epsilon, double l2) {
          check_shape("adam_update", "parameters", parameters, {{"n"}});
          check_shape("adam_update", "m", mean, {{"n", parameters.shape(0)}});
          check_shape("adam_update", "v", square, {{"n", parameters.shape(0)}});
          check_shape("adam_update", "g", g, {{"n", parameters.shape(0)}});
          return table_of<T>(active_isa())
              .adam_update(parameters.mutable_data(), mean.mutable_data(), square.mutable_data(),
                           g.data(), static_cast<std::size_t>(parameters.shape(0)),
                           {static_cast<T>(step_size), static_cast<T>(beta_1),
                            static_cast<T>(beta_2), static_cast<T>(epsilon), static_cast<T>(l2)});
        });
}

template <class T> void register_ops_of(py::module_& m) {
  register_cross<T>(m);
  register_dense<T>(m);
  register_combine<T>(m);
  using Table = KernelTable<T>;
  register_loss<T>(m, "squared_error", &Table::squared_forward, &Table::squared_backward, false);
  register_loss<T>(m, "log_loss", &Table::bce_forward, &Table::bce_backward, false);
  register_loss<T>(m, "softmax_loss", &Table::softmax_forward, &Table::softmax_backward, true);
  register_optimizer<T>(m);
}

}  // namespace

void register_ops(py::module_& m) {
  py::module_ ops32 = m.def_submodule("ops_f32"), ops64 = m.def_submodule("ops_f64");
  register_ops_of<float>(ops32);
  register_ops_of<double>(ops64);
}

}  // namespace dcn
