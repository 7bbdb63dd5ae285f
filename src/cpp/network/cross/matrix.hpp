// Matrix form (2020, eq. 1): x_{l+1} = x0 * (W_l x_l + b_l + diag x_l) + x_l.
#pragma once

#include "network/cross/cross.hpp"
#include "network/cross/structure.hpp"

namespace dcn {

inline constexpr CrossKind kMatrixCross{"matrix", {{{"W", "LDD"}}}};

template <class T> class MatrixCross final : public Cross<T> {
 public:
  explicit MatrixCross(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), diag_(static_cast<T>(config.diag_scale)),
        structure_(config), bias_(config) {
    for (std::size_t l = 0; l < L_; ++l) packed_.emplace_back(D_, D_);
  }

  // cross_W (L,D,D) and cross_b (L,D)
  void add(Layout& layout) override {
    W_ = layout.add("cross_W", {L_, D_, D_}, Role::cross_weight);
    bias_.add(layout);
  }

  void pack(const KernelTable<T>&, Packings<T>& packings, const T* parameters) override {
    const T* b = bias_.values(parameters);
    for (std::size_t l = 0; l < L_; ++l)
      packings.push_back({&packed_[l], parameters + W_ + l * D_ * D_, D_, b + l * D_});
  }

  std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                      std::size_t rows) const override {
    auto tile = std::make_unique<Tile>();
    tile->x0 = x0;
    tile->db = bias_.carve(carver);
    for (std::size_t l = 0; l < L_; ++l) {
      tile->z.push_back(carver.take(rows * ld<T>(D_)));
      tile->x.push_back(carver.take(rows * ld<T>(D_)));
    }
    tile->xL = tile->x.back();
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T*,
               std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    for (std::size_t l = 0; l < L_; ++l)
      k.cross_matrix_forward(t.x[l], t.z[l], t.x0, t.input(l), weights(t, l), rows, D_, diag_);
  }

  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients, const T*,
                std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    T* db = bias_.gradients(gradients, t.db);
    k.cross_start_backward(dz(t, L_ - 1), dx0, dxL, t.z[L_ - 1], t.x0, rows, D_);
    for (std::size_t l = L_; l-- > 0;) {
      CrossBelow<T> below;
      if (l > 0) below = {t.z[l - 1], t.x0, dz(t, l - 1), dx0};
      T* dead = t.x[l];  // nobody reads it any more
      k.cross_matrix_backward(l > 0 ? dxL : dx0, gradients + W_ + l * D_ * D_, db + l * D_, dead,
                              dz(t, l), dxL, t.input(l), weights(t, l), below, rows, D_, diag_);
    }
  }

  bool projects() const override { return structure_.any(); }
  void project(T* gradients) const noexcept override { structure_.project(gradients + W_); }
  FirstLayer<T> first_layer() const override { return {&packed_[0], W_, D_}; }
  std::size_t largest_weights() const override { return D_ * D_; }

 private:
  struct Tile final : CrossTile<T> {
    std::vector<T*> z, x;  // L pointers to (T,D): z_l, and x_{l+1}
    T* db;                 // (L,D) where there is no bias to learn

    const T* input(std::size_t l) const { return l > 0 ? x[l - 1] : this->x0; }
  };
  // W of a layer; the product with x0 may be shared
  Packed<T> weights(const Tile& tile, std::size_t l) const {
    Packed<T> packed = packed_[l].view();
    if (l == 0) packed.shared = tile.shared;
    return packed;
  }
  // where backward leaves dz: over z, which it needs no longer, unless it is shared
  T* dz(const Tile& tile, std::size_t l) const { return kept(weights(tile, l), tile.z[l]); }

  std::size_t L_, D_, W_ = 0;
  T diag_;
  CrossStructure<T> structure_;
  CrossBias<T> bias_;
  std::vector<PackedMatrix<T>> packed_;
};

}  // namespace dcn
