// The matrix form with W_l = U_l V_l of rank R (2020, eq. 2).
#pragma once

#include "network/cross/cross.hpp"

namespace dcn {

inline constexpr CrossKind kLowRankCross{"lowrank", {{{"U", "LDR"}, {"V", "LRD"}}}};

template <class T> class LowRankCross final : public Cross<T> {
 public:
  explicit LowRankCross(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), R_(config.cross_rank),
        diag_(static_cast<T>(config.diag_scale)), bias_(config) {
    for (std::size_t l = 0; l < L_; ++l) {
      packed_U_.emplace_back(D_, R_);
      packed_V_.emplace_back(R_, D_);
    }
  }

  // cross_U (L,D,R), cross_V (L,R,D) and cross_b (L,D)
  void add(Layout& layout) override {
    U_ = layout.add("cross_U", {L_, D_, R_}, Role::cross_weight);
    V_ = layout.add("cross_V", {L_, R_, D_}, Role::cross_weight);
    bias_.add(layout);
  }

  void pack(const KernelTable<T>&, Packings<T>& packings, const T* parameters) override {
    const T* b = bias_.values(parameters);
    for (std::size_t l = 0; l < L_; ++l) {
      packings.push_back({&packed_U_[l], parameters + U_ + l * D_ * R_, R_, b + l * D_});
      packings.push_back({&packed_V_[l], parameters + V_ + l * R_ * D_, D_, nullptr});
    }
  }

  std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                      std::size_t rows) const override {
    auto tile = std::make_unique<Tile>();
    tile->x0 = x0;
    tile->db = bias_.carve(carver);
    for (std::size_t l = 0; l < L_; ++l) {
      tile->z.push_back(carver.take(rows * ld<T>(D_)));
      tile->t.push_back(carver.take(rows * ld<T>(R_)));
      tile->x.push_back(carver.take(rows * ld<T>(D_)));
    }
    tile->dt = carver.take(rows * ld<T>(R_));
    tile->xL = tile->x.back();
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T*,
               std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    for (std::size_t l = 0; l < L_; ++l)
      k.cross_lowrank_forward(t.x[l], t.z[l], t.t[l], t.x0, t.input(l), packed_U_[l].view(),
                              weights(t, l), rows, D_, R_, diag_);
  }

  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients, const T*,
                std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    T* db = bias_.gradients(gradients, t.db);
    k.cross_start_backward(t.z[L_ - 1], dx0, dxL, t.z[L_ - 1], t.x0, rows, D_);
    for (std::size_t l = L_; l-- > 0;) {
      const Packed<T> V = weights(t, l);
      CrossBelow<T> below;
      if (l > 0) below = {t.z[l - 1], t.x0, t.z[l - 1], dx0};
      T* dead = t.x[l];  // nobody reads it any more
      k.cross_lowrank_backward(l > 0 ? dxL : dx0, gradients + U_ + l * D_ * R_,
                               gradients + V_ + l * R_ * D_, db + l * D_, kept(V, t.dt), dead,
                               t.z[l], dxL, t.t[l], t.input(l), packed_U_[l].view(), V, below, rows,
                               D_, R_, diag_);
    }
  }

  FirstLayer<T> first_layer() const override { return {&packed_V_[0], V_, R_}; }
  std::size_t largest_weights() const override { return D_ * R_; }

 private:
  struct Tile final : CrossTile<T> {
    std::vector<T*> z, x;  // L pointers to (T,D): z_l, which becomes dz_l, and x_{l+1}
    std::vector<T*> t;     // L pointers to (T,R): V_l x_l
    T* dt;                 // scratch (T,R)
    T* db;                 // (L,D) where there is no bias to learn

    const T* input(std::size_t l) const { return l > 0 ? x[l - 1] : this->x0; }
  };
  // V of a layer; the product with x0 may be shared
  Packed<T> weights(const Tile& tile, std::size_t l) const {
    Packed<T> packed = packed_V_[l].view();
    if (l == 0) packed.shared = tile.shared;
    return packed;
  }

  std::size_t L_, D_, R_, U_ = 0, V_ = 0;
  T diag_;
  CrossBias<T> bias_;
  std::vector<PackedMatrix<T>> packed_U_, packed_V_;
};

}  // namespace dcn
