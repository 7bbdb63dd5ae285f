// Stage 3 for people: whole arrays cut into tiles, each tile through the kernel table.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>

#include "dispatch/cpu.hpp"
#include "dispatch/kinds.hpp"
#include "network/cross/cross.hpp"
#include "network/cross/vector.hpp"
#include "bindings/cross_arguments.hpp"
#include "bindings/padded.hpp"
#include "base/each_tile.hpp"

namespace dcn {

namespace {

// Where parameters lie, and how many numbers each has.
template <class T> struct Numbers {
  const T* data;
  std::size_t size;

  explicit Numbers(const Array<T>& a) : data(a.data()), size(static_cast<std::size_t>(a.size())) {}
};

// A stack of cross layers on arrays of the caller: the same part that a network has, which needs no
// parameters once they are packed.
template <class T> class CrossOp {
 public:
  CrossOp(const NetworkConfig& config, const std::vector<Numbers<T>>& parameters)
      : k_(table_of<T>(active_isa())), D_(config.width()), part_(make_cross<T>(config)) {
    if (part_ == nullptr) return;
    part_->add(layout_);
    Buffer<T> flat(layout_.size());
    T* out = flat.data();
    for (const Numbers<T>& p : parameters) out = std::copy_n(p.data, p.size, out);
    Packings<T> packings;
    part_->pack(k_, packings, flat.data());
    pack_all(k_, packings, 1);
  }

  std::size_t n_parameters() const { return layout_.size(); }

  // x0 (B,D) -> xL (B,D)
  void forward(T* xL, const T* x0, std::size_t B, std::size_t n_threads) {
    if (part_ == nullptr) {
      std::copy_n(x0, B * D_, xL);
      return;
    }
    const Tiling tiling = cut(B, most_rows(), n_parameters()).by_tile();
    std::vector<Slot> slots = make_slots(tiling, n_threads);
    each_tile(tiling, n_threads, slots, [&](const Tile& tile, Slot& s) {
      const std::size_t first = tile.first, n = tile.rows;
      k_.stack_forward(s.x0, x0 + first * D_, D_, nullptr, n, D_, 0, D_);
      part_->forward(k_, *s.tile, nullptr, n);
      k_.unstack(xL + first * D_, s.tile->xL, ld<T>(D_), n, D_);
    });
  }

  // dxL (B,D) -> dx0 (B,D) and the parameters' gradients, flat
  void backward(T* dx0, T* gradients, const T* dxL, const T* x0, std::size_t B,
                std::size_t n_threads) {
    if (part_ == nullptr) {
      std::copy_n(dxL, B * D_, dx0);
      return;
    }
    const Tiling tiling = cut(B, most_rows(), n_parameters());
    const std::size_t stride = padded<T>(n_parameters());
    Buffer<T> shards(tiling.shards * stride);
    std::vector<Slot> slots = make_slots(tiling, n_threads);
    each_tile(tiling, n_threads, slots, [&](const Tile& tile, Slot& s) {
      const std::size_t first = tile.first, n = tile.rows;
      k_.stack_forward(s.x0, x0 + first * D_, D_, nullptr, n, D_, 0, D_);
      k_.stack_forward(s.dxL, dxL + first * D_, D_, nullptr, n, D_, 0, D_);
      part_->forward(k_, *s.tile, nullptr, n);
      part_->backward(k_, *s.tile, s.dx0, s.dxL, shards.data() + tile.shard * stride, nullptr, n);
      k_.unstack(dx0 + first * D_, s.dx0, ld<T>(D_), n, D_);
    });
    k_.reduce_shards(gradients, shards.data(), stride, tiling.shards, n_parameters());
  }

 private:
  struct Slot {
    Buffer<T> memory;
    std::unique_ptr<CrossTile<T>> tile;
    T *x0, *dx0, *dxL;
  };

  void carve(Slot& slot, Carver<T>& carver, std::size_t rows) const {
    slot.x0 = carver.take(rows * ld<T>(D_));
    slot.tile = part_->carve(carver, slot.x0, rows);
    slot.dx0 = carver.take(rows * ld<T>(D_));
    slot.dxL = carver.take(rows * ld<T>(D_));
  }
  std::size_t bytes_per_row() const {
    Slot slot;
    Carver<T> count;
    carve(slot, count, kRowStep);
    return count.used() * sizeof(T) / kRowStep;
  }
  std::size_t most_rows() const {
    return dcn::most_rows(bytes_per_row(), part_->largest_weights() * sizeof(T));
  }
  std::vector<Slot> make_slots(const Tiling& tiling, std::size_t n_threads) const {
    return make_workspaces(tiling, n_threads, [&] {
      Slot slot;
      Carver<T> count;
      carve(slot, count, tiling.rows);
      slot.memory = Buffer<T>(count.used());
      Carver<T> carver(slot.memory.data());
      carve(slot, carver, tiling.rows);
      return slot;
    });
  }

  const KernelTable<T>& k_;
  std::size_t D_;
  Layout layout_;
  std::unique_ptr<Cross<T>> part_;  // null without layers
};

// The vector form needs neither copies nor padding: it works on the caller's rows where they are.
template <class T> class VectorOp {
 public:
  VectorOp(const Matrix<T>& w, const T* b)
      : k_(table_of<T>(active_isa())), L_(w.rows), D_(w.width), w_(w.data),
        c_((L_ + 1) * padded<T>(D_)), q_(L_) {
    k_.cross_vector_prepare(c_.data(), q_.data(), w_, b, L_, D_);
  }

  std::size_t n_parameters() const { return 2 * L_ * D_; }

  void forward(T* xL, const T* x0, std::size_t B, std::size_t n_threads) {
    const Tiling tiling = cut(B, kMostRows, n_parameters()).by_tile();
    const bool streaming = streams_results(xL, B);
    std::vector<Slot> slots = make_slots(tiling, n_threads);
    each_tile(tiling, n_threads, slots, [&](const Tile& tile, const Slot& s) {
      const std::size_t at = tile.first * D_;
      k_.cross_vector_forward(xL + at, s.p, s.a, x0 + at, w_, c_.data(), q_.data(), tile.rows, L_,
                              D_, D_, streaming);
    });
  }

  void backward(T* dx0, T* gradients, const T* dxL, const T* x0, std::size_t B,
                std::size_t n_threads) {
    const Tiling tiling = cut(B, kMostRows, n_parameters());
    const bool streaming = streams_results(dx0, B);
    const std::size_t stride = padded<T>(n_parameters());
    Buffer<T> shards(tiling.shards * stride);
    std::vector<Slot> slots = make_slots(tiling, n_threads);
    each_tile(tiling, n_threads, slots, [&](const Tile& tile, const Slot& s) {
      T *dw = shards.data() + tile.shard * stride, *db = dw + L_ * D_;
      const std::size_t at = tile.first * D_;
      k_.cross_vector_gradients(dx0 + at, dw, db, s.p, s.a, s.dp, s.dq, s.dc, dxL + at, x0 + at, w_,
                                c_.data(), q_.data(), tile.rows, L_, D_, D_, streaming);
    });
    k_.reduce_shards(gradients, shards.data(), stride, tiling.shards, n_parameters());
  }

 private:
  struct Slot {
    Buffer<T> memory;
    T *p, *a, *dp, *dq, *dc;
  };

  // whether results leave the caches before anyone reads them, and lie on whole cache lines
  bool streams_results(const T* out, std::size_t B) const {
    constexpr std::size_t kStreaming = std::size_t{8} << 20, kLine = kLanes<T> * sizeof(T);
    const bool whole_lines =
        D_ % kLanes<T> == 0 && reinterpret_cast<std::uintptr_t>(out) % kLine == 0;
    return whole_lines && B * D_ * sizeof(T) >= kStreaming;
  }
  std::vector<Slot> make_slots(const Tiling& tiling, std::size_t n_threads) const {
    const auto carve = [&](Slot& s, T* base) {
      Carver<T> carver(base);
      s.p = carver.take(L_ * tiling.rows);
      s.a = carver.take((L_ + 1) * tiling.rows);
      s.dp = carver.take(L_ * tiling.rows);
      s.dq = carver.take(L_);
      s.dc = carver.take(D_);
      return carver.used();
    };
    return make_workspaces(tiling, n_threads, [&] {
      Slot slot;
      slot.memory = Buffer<T>(carve(slot, nullptr));
      carve(slot, slot.memory.data());
      return slot;
    });
  }

  const KernelTable<T>& k_;
  std::size_t L_, D_;
  const T* w_;
  Buffer<T> c_, q_;
};

// f(op), with the op that works on these layers. Packing the parameters takes a while: without the
// GIL, as all that follows.
template <class T, class F> void with_op(const Layers<T>& layers, F&& f) {
  std::vector<Numbers<T>> numbers;
  for (const Array<T>* p : layers.parameters) numbers.emplace_back(*p);
  if (layers.vector()) {
    const Matrix<T> w(*layers.parameters[0]);
    without_gil([&] { f(VectorOp<T>(w, numbers[1].data)); });
  } else {
    without_gil([&] { f(CrossOp<T>(layers.config, numbers)); });
  }
}

template <class T>
Array<T> forward_of(const std::string& kind, const Array<T>& x0, const Weights<T>& weights,
                    const Array<T>& b, double diag_scale, const std::string& preactivation,
                    std::size_t n_threads, const std::string& gating, bool linear, double scale) {
  const std::string name = "cross_" + kind;
  const Layers<T> layers = layers_of(name, kind_named(kind), x0, weights, b,
                                     {diag_scale, preactivation, gating, linear, scale});
  n_threads = check_threads(name.c_str(), n_threads);
  Array<T> xL = empty_like(x0);
  T* out = xL.mutable_data();
  const T* in = x0.data();
  const auto B = static_cast<std::size_t>(x0.shape(0));
  with_op(layers, [&](auto op) { op.forward(out, in, B, n_threads); });
  return xL;
}

// (dx0, one gradient for each of the parameters, in their order)
template <class T>
py::tuple backward_of(const std::string& kind, const Array<T>& dxL, const Array<T>& x0,
                      const Weights<T>& weights, const Array<T>& b, double diag_scale,
                      const std::string& preactivation, std::size_t n_threads,
                      const std::string& gating, bool linear, double scale) {
  const std::string name = "cross_" + kind + "_backward";
  const Layers<T> layers = layers_of(name, kind_named(kind), x0, weights, b,
                                     {diag_scale, preactivation, gating, linear, scale});
  n_threads = check_threads(name.c_str(), n_threads);
  check_shape(name.c_str(), "dxL", dxL, {{"B", x0.shape(0)}, {"D", x0.shape(1)}});
  py::ssize_t size = 0;
  for (const Array<T>* p : layers.parameters) size += p->size();
  Array<T> dx0 = empty_like(x0), gradients = empty<T>({size});
  T *out = dx0.mutable_data(), *from = gradients.mutable_data();
  const T *in = x0.data(), *dout = dxL.data();
  const auto B = static_cast<std::size_t>(x0.shape(0));
  with_op(layers, [&](auto op) { op.backward(out, from, dout, in, B, n_threads); });
  py::tuple result(layers.parameters.size() + 1);
  result[0] = dx0;
  std::size_t i = 1;
  for (const Array<T>* p : layers.parameters) {  // parts of the same array
    result[i++] = Array<T>({p->shape(), p->shape() + p->ndim()}, from, gradients);
    from += p->size();
  }
  return result;
}

template <class T> void register_cross_of(py::module_& m) {
  // what is behind the threads, only some kinds have
  m.def("cross", &forward_of<T>, py::arg("kind"), py::arg("x0"), py::arg("weights"), py::arg("b"),
        py::arg("diag_scale"), py::arg("preactivation"), py::arg("n_threads"),
        py::arg("gating") = "softmax", py::arg("linear") = false, py::arg("scale") = 1.0,
        py::pos_only());
  m.def("cross_backward", &backward_of<T>, py::arg("kind"), py::arg("dxL"), py::arg("x0"),
        py::arg("weights"), py::arg("b"), py::arg("diag_scale"), py::arg("preactivation"),
        py::arg("n_threads"), py::arg("gating") = "softmax", py::arg("linear") = false,
        py::arg("scale") = 1.0, py::pos_only());
}

}  // namespace

void register_cross(py::module_& f32, py::module_& f64) {
  register_cross_of<float>(f32);
  register_cross_of<double>(f64);
}

}  // namespace dcn
