// Matrix and low-rank form with an activation before the product with x0:
// x_{l+1} = x0 * (act(W_l x_l + b_l) + diag x_l) + x_l. The dense kernels make g = act(W x + b).
#pragma once

#include <algorithm>
#include <utility>

#include "network/cross/cross.hpp"
#include "network/cross/structure.hpp"

namespace dcn {

// W x + b with a whole matrix.
template <class T> class MatrixProduct {
 public:
  struct Tile {
    T* dz;  // scratch (T,D)
  };

  explicit MatrixProduct(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), structure_(config) {
    for (std::size_t l = 0; l < L_; ++l) packed_.emplace_back(D_, D_);
  }
  void add(Layout& layout) { W_ = layout.add("cross_W", {L_, D_, D_}, Role::cross_weight); }
  void pack(Packings<T>& packings, const T* parameters, const T* b) {
    for (std::size_t l = 0; l < L_; ++l)
      packings.push_back({&packed_[l], parameters + W_ + l * D_ * D_, D_, b + l * D_});
  }
  Tile carve(Carver<T>& carver, std::size_t rows) const { return {carver.take(rows * ld<T>(D_))}; }

  // x (T,D) -> g (T,D); keeps pre (T,D) for gelu
  void forward(const KernelTable<T>& k, T* g, T* pre, const Tile&, std::size_t l, const T* x,
               const Shared<T>* shared, std::size_t rows, Activation activation) const {
    k.dense_forward(g, pre, x, weights(l, shared), rows, D_, D_, activation);
  }
  // dg (T,D) -> added to dx (T,D), or null; scratch (T,D)
  void backward(const KernelTable<T>& k, T* dx, T* gradients, T* db, const Tile& tile, T* scratch,
                const T* dg, const T* g, const T* pre, std::size_t l, const T* x,
                const Shared<T>* shared, std::size_t rows, Activation activation) const {
    const Packed<T> W = weights(l, shared);
    k.dense_backward(dx, gradients + W_ + l * D_ * D_, db, kept(W, tile.dz), scratch, dg, g, pre, x,
                     W, rows, D_, D_, activation, true);
  }

  bool projects() const { return structure_.any(); }
  void project(T* gradients) const noexcept { structure_.project(gradients + W_); }
  FirstLayer<T> first_layer() const { return {&packed_[0], W_, D_}; }
  std::size_t largest_weights() const { return D_ * D_; }

 private:
  Packed<T> weights(std::size_t l, const Shared<T>* shared) const {
    Packed<T> packed = packed_[l].view();
    if (l == 0) packed.shared = shared;
    return packed;
  }

  std::size_t L_, D_, W_ = 0;
  CrossStructure<T> structure_;
  std::vector<PackedMatrix<T>> packed_;
};

// U V x + b.
template <class T> class LowRankProduct {
 public:
  struct Tile {
    std::vector<T*> t;  // L pointers to (T,R): V_l x_l
    T *dz, *dt, *dtt;   // scratch (T,D), (T,R), (T,R)
    T* no_bias;         // scratch (R): V has none
  };

  explicit LowRankProduct(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), R_(config.cross_rank) {
    for (std::size_t l = 0; l < L_; ++l) {
      packed_U_.emplace_back(D_, R_);
      packed_V_.emplace_back(R_, D_);
    }
  }
  void add(Layout& layout) {
    U_ = layout.add("cross_U", {L_, D_, R_}, Role::cross_weight);
    V_ = layout.add("cross_V", {L_, R_, D_}, Role::cross_weight);
  }
  void pack(Packings<T>& packings, const T* parameters, const T* b) {
    for (std::size_t l = 0; l < L_; ++l) {
      packings.push_back({&packed_U_[l], parameters + U_ + l * D_ * R_, R_, b + l * D_});
      packings.push_back({&packed_V_[l], parameters + V_ + l * R_ * D_, D_, nullptr});
    }
  }
  Tile carve(Carver<T>& carver, std::size_t rows) const {
    Tile tile;
    for (std::size_t l = 0; l < L_; ++l) tile.t.push_back(carver.take(rows * ld<T>(R_)));
    tile.dz = carver.take(rows * ld<T>(D_));
    tile.dt = carver.take(rows * ld<T>(R_));
    tile.dtt = carver.take(rows * ld<T>(R_));
    tile.no_bias = carver.take(R_);
    return tile;
  }

  void forward(const KernelTable<T>& k, T* g, T* pre, const Tile& tile, std::size_t l, const T* x,
               const Shared<T>* shared, std::size_t rows, Activation activation) const {
    k.dense_forward(tile.t[l], nullptr, x, weights(l, shared), rows, D_, R_, Activation::identity);
    k.dense_forward(g, pre, tile.t[l], packed_U_[l].view(), rows, R_, D_, activation);
  }
  void backward(const KernelTable<T>& k, T* dx, T* gradients, T* db, const Tile& tile, T* scratch,
                const T* dg, const T* g, const T* pre, std::size_t l, const T* x,
                const Shared<T>* shared, std::size_t rows, Activation activation) const {
    const Packed<T> V = weights(l, shared);
    k.dense_backward(tile.dt, gradients + U_ + l * D_ * R_, db, tile.dz, scratch, dg, g, pre,
                     tile.t[l], packed_U_[l].view(), rows, R_, D_, activation, false);
    k.dense_backward(dx, gradients + V_ + l * R_ * D_, tile.no_bias, kept(V, tile.dtt),
                     R_ <= D_ ? scratch : nullptr, tile.dt, tile.t[l], nullptr, x, V, rows, D_, R_,
                     Activation::identity, true);
  }

  bool projects() const { return false; }
  void project(T*) const noexcept {}
  FirstLayer<T> first_layer() const { return {&packed_V_[0], V_, R_}; }
  std::size_t largest_weights() const { return D_ * R_; }

 private:
  Packed<T> weights(std::size_t l, const Shared<T>* shared) const {
    Packed<T> packed = packed_V_[l].view();
    if (l == 0) packed.shared = shared;
    return packed;
  }

  std::size_t L_, D_, R_, U_ = 0, V_ = 0;
  std::vector<PackedMatrix<T>> packed_U_, packed_V_;
};

template <class T, template <class> class Product> class PreactivatedCross final : public Cross<T> {
 public:
  explicit PreactivatedCross(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), diag_(static_cast<T>(config.diag_scale)),
        activation_(config.preactivation), product_(config), bias_(config) {}

  void add(Layout& layout) override {
    product_.add(layout);
    bias_.add(layout);
  }

  void pack(const KernelTable<T>&, Packings<T>& packings, const T* parameters) override {
    product_.pack(packings, parameters, bias_.values(parameters));
  }

  std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                      std::size_t rows) const override {
    auto tile = std::make_unique<Tile>();
    const std::size_t wide = rows * ld<T>(D_);
    tile->x0 = x0;
    tile->db = bias_.carve(carver);
    for (std::size_t l = 0; l < L_; ++l) {
      tile->g.push_back(carver.take(wide));
      tile->pre.push_back(keeps_z(activation_) ? carver.take(wide) : nullptr);
      tile->x.push_back(carver.take(wide));
    }
    tile->product = product_.carve(carver, rows);
    tile->dx = carver.take(wide);
    tile->dg = carver.take(wide);
    tile->xL = tile->x.back();
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T*,
               std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    for (std::size_t l = 0; l < L_; ++l) {
      product_.forward(k, t.g[l], t.pre[l], t.product, l, t.input(l), t.shared, rows, activation_);
      k.cross_gate_forward(t.x[l], t.g[l], t.x0, t.input(l), rows, D_, diag_);
    }
  }

  // dx0 gathers the share of every layer's product with x0; the gradient of x_l goes to and fro
  // between dxL and the tile's dx, and at last, as that of x_0, to dx0 as well.
  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients, const T*,
                std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    T* db = bias_.gradients(gradients, t.db);
    const std::size_t size = rows * ld<T>(D_);
    if (dx0 != nullptr) std::fill_n(dx0, size, T(0));
    T *dxn = dxL, *dx = t.dx;
    for (std::size_t l = L_; l-- > 0; std::swap(dx, dxn)) {
      T* dead = t.x[l];  // nobody reads it any more
      k.cross_gate_backward(t.dg, dx, dx0, dxn, t.g[l], t.x0, t.input(l), rows, D_, diag_);
      product_.backward(k, l > 0 || dx0 != nullptr ? dx : nullptr, gradients, db + l * D_,
                        t.product, dead, t.dg, t.g[l], t.pre[l], l, t.input(l), t.shared, rows,
                        activation_);
    }
    if (dx0 != nullptr)
      for (std::size_t i = 0; i < size; ++i) dx0[i] += dxn[i];
  }

  bool projects() const override { return product_.projects(); }
  void project(T* gradients) const noexcept override { product_.project(gradients); }
  FirstLayer<T> first_layer() const override { return product_.first_layer(); }
  std::size_t largest_weights() const override { return product_.largest_weights(); }

 private:
  struct Tile final : CrossTile<T> {
    std::vector<T*> g, x;  // L pointers to (T,D): act(W_l x_l + b_l), and x_{l+1}
    std::vector<T*> pre;   // L pointers to (T,D), W_l x_l + b_l for gelu, else null
    typename Product<T>::Tile product;
    T *dx, *dg;  // scratch (T,D)
    T* db;       // (L,D) where there is no bias to learn

    const T* input(std::size_t l) const { return l > 0 ? x[l - 1] : this->x0; }
  };

  std::size_t L_, D_;
  T diag_;
  Activation activation_;
  Product<T> product_;
  CrossBias<T> bias_;
};

}  // namespace dcn
