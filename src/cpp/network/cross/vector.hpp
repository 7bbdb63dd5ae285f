// Vector form (2017, eq. 3): x_{l+1} = x0 (x_l . w_l) + b_l + x_l, all layers by the closed form.
#pragma once

#include "network/cross/cross.hpp"

namespace dcn {

inline constexpr CrossKind kVectorCross{"vector", {{{"w", "LD"}}}};

template <class T> class VectorCross final : public Cross<T> {
 public:
  explicit VectorCross(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), bias_(config), c_((L_ + 1) * padded<T>(D_)),
        q_(L_) {}

  // cross_w (L,D) and cross_b (L,D)
  void add(Layout& layout) override {
    w_ = layout.add("cross_w", {L_, D_}, Role::cross_weight);
    bias_.add(layout);
  }

  void pack(const KernelTable<T>& k, Packings<T>&, const T* parameters) override {
    k.cross_vector_prepare(c_.data(), q_.data(), parameters + w_, bias_.values(parameters), L_, D_);
  }

  std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                      std::size_t rows) const override {
    auto tile = std::make_unique<Tile>();
    const std::size_t wide = rows * ld<T>(D_);
    tile->x0 = x0;
    tile->db = bias_.carve(carver);
    tile->xL = carver.take(wide);
    tile->p = carver.take(L_ * rows);
    tile->a = carver.take((L_ + 1) * rows);
    tile->dp = carver.take(L_ * rows);
    tile->dq = carver.take(L_);
    tile->dc = carver.take(D_);
    tile->dx = carver.take(wide);
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T* parameters,
               std::size_t rows) const override {
    const auto& t = static_cast<const Tile&>(tile);
    k.cross_vector_forward(t.xL, t.p, t.a, t.x0, parameters + w_, c_.data(), q_.data(), rows, L_,
                           D_, ld<T>(D_), false);
  }

  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients,
                const T* parameters, std::size_t rows) const override {
    const auto& t = static_cast<const Tile&>(tile);
    T* db = bias_.gradients(gradients, t.db);
    k.cross_vector_backward(dx0 != nullptr ? dx0 : t.dx, gradients + w_, db, t.dp, t.dq, t.dc, dxL,
                            t.p, t.a, t.x0, parameters + w_, c_.data(), rows, L_, D_, ld<T>(D_));
  }

 private:
  struct Tile final : CrossTile<T> {
    T *p, *a;         // (L,T), (L+1,T)
    T *dp, *dq, *dc;  // scratch (L,T), (L), (D)
    T *dx, *db;       // scratch (T,D), and (L,D) where there is no bias to learn
  };

  std::size_t L_, D_, w_ = 0;
  CrossBias<T> bias_;
  Buffer<T> c_, q_;  // see cross_vector_prepare
};

}  // namespace dcn
