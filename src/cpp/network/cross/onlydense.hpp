// The onlydense layer of DCN^2: x_{l+1} = scale x_l * act(W_l x_l + b_l), without a residual. Its
// factor is x_l and not x0, so that the degree of the products doubles with each layer.
#pragma once

#include "network/cross/cross.hpp"
#include "network/cross/preactivated.hpp"

namespace dcn {

inline constexpr CrossKind kOnlyDenseCross{"onlydense", {{{"W", "LDD"}}}};

template <class T> class OnlyDenseCross final : public Cross<T> {
 public:
  explicit OnlyDenseCross(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), scale_(static_cast<T>(config.cross_factor)),
        activation_(config.preactivation), product_(config), bias_(config) {}

  // cross_W (L,D,D) and cross_b (L,D)
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
    tile->dg = carver.take(wide);
    tile->xL = tile->x.back();
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T*,
               std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    for (std::size_t l = 0; l < L_; ++l) {
      product_.forward(k, t.g[l], t.pre[l], t.product, l, t.input(l), t.shared, rows, activation_);
      k.onlydense_forward(t.x[l], t.g[l], t.input(l), rows, D_, scale_);
    }
  }

  // The gradient of x_l takes the place of that of x_{l+1}; only that of x0 has a place of its own.
  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients, const T*,
                std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    T* db = bias_.gradients(gradients, t.db);
    for (std::size_t l = L_; l-- > 0;) {
      T* dx = l > 0 ? dxL : dx0;
      T* dead = t.x[l];  // nobody reads it any more
      k.onlydense_backward(t.dg, dx, dxL, t.g[l], t.input(l), rows, D_, scale_);
      product_.backward(k, dx, gradients, db + l * D_, t.product, dead, t.dg, t.g[l], t.pre[l], l,
                        t.input(l), t.shared, rows, activation_);
    }
  }

  FirstLayer<T> first_layer() const override { return product_.first_layer(); }
  std::size_t largest_weights() const override { return product_.largest_weights(); }

 private:
  struct Tile final : CrossTile<T> {
    std::vector<T*> g, x;  // L pointers to (T,D): act(W_l x_l + b_l), and x_{l+1}
    std::vector<T*> pre;   // L pointers to (T,D), W_l x_l + b_l for gelu, else null
    typename MatrixProduct<T>::Tile product;
    T* dg;  // scratch (T,D)
    T* db;  // (L,D) where there is no bias to learn

    const T* input(std::size_t l) const { return l > 0 ? x[l - 1] : this->x0; }
  };

  std::size_t L_, D_;
  T scale_;
  Activation activation_;
  MatrixProduct<T> product_;
  CrossBias<T> bias_;
};

}  // namespace dcn
