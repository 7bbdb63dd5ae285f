// Exponential cross (DCNv3; Li et al. 2024): H_l = W_l x_l with half as many columns,
// x_{l+1} = x_l * ([H_l, H_l * relu(norm(H_l))] + b_l) + x_l, whose degree doubles each layer; the
// linear one multiplies by x0 in the place of x_l. Of an odd width the first half is the larger.
#pragma once

#include <algorithm>
#include <utility>

#include "dispatch/kinds.hpp"
#include "network/cross/cross.hpp"

namespace dcn {

inline constexpr CrossKind kExponentialCross{"exponential",
                                             {{{"W", "LHD"}, {"scale", "LH"}, {"shift", "LH"}}}};

template <class T> class ExponentialCross final : public Cross<T> {
 public:
  explicit ExponentialCross(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), H_((config.width() + 1) / 2),
        linear_(config.cross_linear), relu_(activation_named("relu")), bias_(config),
        norms_(2 * L_ * H_), b_(L_ * D_) {
    for (std::size_t l = 0; l < L_; ++l) packed_.emplace_back(H_, D_);
  }

  // cross_W (L,H,D), cross_scale and cross_shift (L,H), cross_b (L,D)
  void add(Layout& layout) override {
    W_ = layout.add("cross_W", {L_, H_, D_}, Role::cross_weight);
    scale_ = layout.add("cross_scale", {L_, H_}, Role::scale);
    shift_ = layout.add("cross_shift", {L_, H_}, Role::shift);
    bias_.add(layout);
  }

  void pack(const KernelTable<T>&, Packings<T>& packings, const T* parameters) override {
    for (std::size_t l = 0; l < L_; ++l)
      packings.push_back({&packed_[l], parameters + W_ + l * H_ * D_, D_, nullptr});
    std::copy_n(parameters + scale_, L_ * H_, norms_.data());
    std::copy_n(parameters + shift_, L_ * H_, norms_.data() + L_ * H_);
    std::copy_n(bias_.values(parameters), L_ * D_, b_.data());
  }

  std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                      std::size_t rows) const override {
    auto tile = std::make_unique<Tile>();
    const std::size_t wide = rows * ld<T>(D_), half = rows * ld<T>(H_);
    tile->x0 = x0;
    tile->db = bias_.carve(carver);
    tile->no_bias = carver.take(H_);
    for (std::size_t l = 0; l < L_; ++l) {
      for (std::vector<T*>* kept : {&tile->h, &tile->xhat, &tile->m})
        kept->push_back(carver.take(half));
      tile->inv.push_back(carver.take(rows));
      tile->g.push_back(carver.take(wide));
      tile->x.push_back(carver.take(wide));
    }
    for (T** scratch : {&tile->dg, &tile->dx}) *scratch = carver.take(wide);
    for (T** scratch : {&tile->dh, &tile->dm, &tile->dz}) *scratch = carver.take(half);
    tile->xL = tile->x.back();
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T*,
               std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    for (std::size_t l = 0; l < L_; ++l) {
      const T* x = t.input(l);
      k.dense_forward(t.h[l], nullptr, x, weights(t, l), rows, D_, H_, Activation::identity);
      k.layer_norm_forward(t.m[l], nullptr, t.xhat[l], t.inv[l], t.h[l], scale(l), shift(l), rows,
                           H_, relu_);
      k.halves_forward(t.g[l], t.h[l], t.m[l], b_.data() + l * D_, rows, H_, D_);
      k.cross_gate_forward(t.x[l], t.g[l], linear_ ? t.x0 : x, x, rows, D_, T(0));
    }
  }

  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients, const T*,
                std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    T* db = bias_.gradients(gradients, t.db);
    const std::size_t size = rows * ld<T>(D_);
    if (dx0 != nullptr) std::fill_n(dx0, size, T(0));
    T *dxn = dxL, *dx = t.dx;
    for (std::size_t l = L_; l-- > 0; std::swap(dx, dxn)) {
      const T* x = t.input(l);
      if (linear_) {
        k.cross_gate_backward(t.dg, dx, dx0, dxn, t.g[l], t.x0, x, rows, D_, T(0));
      } else {
        k.cross_start_backward(t.dg, dx, dxn, t.g[l], x, rows, D_);
        for (std::size_t i = 0; i < size; ++i) dx[i] += dxn[i];
      }
      k.halves_backward(t.dh, t.dm, db + l * D_, t.dg, t.h[l], t.m[l], rows, H_, D_);
      k.layer_norm_backward(t.dz, gradients + scale_ + l * H_, gradients + shift_ + l * H_, t.dm,
                            t.m[l], nullptr, t.xhat[l], t.inv[l], scale(l), rows, H_, relu_);
      for (std::size_t i = 0; i < rows * ld<T>(H_); ++i) t.dh[i] += t.dz[i];
      const Packed<T> W = weights(t, l);
      k.dense_backward(l > 0 || dx0 != nullptr ? dx : nullptr, gradients + W_ + l * H_ * D_,
                       t.no_bias, kept(W, t.dm), t.dg, t.dh, t.dh, nullptr, x, W, rows, D_, H_,
                       Activation::identity, true);
    }
    if (dx0 != nullptr)
      for (std::size_t i = 0; i < size; ++i) dx0[i] += dxn[i];
  }

  FirstLayer<T> first_layer() const override { return {&packed_[0], W_, H_}; }
  std::size_t largest_weights() const override { return D_ * H_; }

 private:
  struct Tile final : CrossTile<T> {
    std::vector<T*> h, xhat, m;  // L pointers to (T,H): W x, normalised, the mask
    std::vector<T*> inv;         // (T)
    std::vector<T*> g, x;        // (T,D): both halves and the bias; x_{l+1}
    T *dg, *dx, *dh, *dm, *dz;   // scratch, two of (T,D) and three of (T,H)
    T *db, *no_bias;             // (L,D) where there is no bias to learn; (H), as W has none

    const T* input(std::size_t l) const { return l > 0 ? x[l - 1] : this->x0; }
  };
  // W of a layer; the product with x0 may be shared
  Packed<T> weights(const Tile& tile, std::size_t l) const {
    Packed<T> packed = packed_[l].view();
    if (l == 0) packed.shared = tile.shared;
    return packed;
  }
  const T* scale(std::size_t l) const { return norms_.data() + l * H_; }
  const T* shift(std::size_t l) const { return norms_.data() + (L_ + l) * H_; }

  std::size_t L_, D_, H_, W_ = 0, scale_ = 0, shift_ = 0;
  bool linear_;
  Activation relu_;
  CrossBias<T> bias_;
  Buffer<T> norms_, b_;  // scales and shifts (2,L,H), biases (L,D), of the parameters in use
  std::vector<PackedMatrix<T>> packed_;
};

}  // namespace dcn
