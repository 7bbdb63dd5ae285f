// Gated form (GDCN; Wang, F. et al. 2023, eq. 2): x_{l+1} = x0 * (W_l x_l + b_l) * sigmoid(V_l x_l)
// + x_l. The dense kernels make z = W x + b and s = sigmoid(V x), the elementwise kernels of the
// other forms the rest.
#pragma once

#include <algorithm>
#include <utility>

#include "dispatch/kinds.hpp"
#include "network/cross/cross.hpp"

namespace dcn {

inline constexpr CrossKind kGatedCross{"gated", {{{"W", "LDD"}, {"V", "LDD"}}}};

template <class T> class GatedCross final : public Cross<T> {
 public:
  explicit GatedCross(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), sigmoid_(activation_named("sigmoid")),
        bias_(config) {
    for (std::size_t l = 0; l < L_; ++l) {
      packed_W_.emplace_back(D_, D_);
      packed_V_.emplace_back(D_, D_);
    }
  }

  // cross_W, cross_V (L,D,D) and cross_b (L,D)
  void add(Layout& layout) override {
    W_ = layout.add("cross_W", {L_, D_, D_}, Role::cross_weight);
    V_ = layout.add("cross_V", {L_, D_, D_}, Role::cross_weight);
    bias_.add(layout);
  }

  void pack(const KernelTable<T>&, Packings<T>& packings, const T* parameters) override {
    const T* b = bias_.values(parameters);
    for (std::size_t l = 0; l < L_; ++l) {
      packings.push_back({&packed_W_[l], parameters + W_ + l * D_ * D_, D_, b + l * D_});
      packings.push_back({&packed_V_[l], parameters + V_ + l * D_ * D_, D_, nullptr});
    }
  }

  std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                      std::size_t rows) const override {
    auto tile = std::make_unique<Tile>();
    const std::size_t wide = rows * ld<T>(D_);
    tile->x0 = x0;
    tile->db = bias_.carve(carver);
    tile->no_bias = carver.take(D_);
    for (std::size_t l = 0; l < L_; ++l) {
      tile->z.push_back(carver.take(wide));
      tile->s.push_back(carver.take(wide));
      tile->x.push_back(carver.take(wide));
    }
    for (T** scratch : {&tile->g, &tile->dg, &tile->ds, &tile->dx, &tile->product})
      *scratch = carver.take(wide);
    tile->xL = tile->x.back();
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T*,
               std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    for (std::size_t l = 0; l < L_; ++l) {
      k.dense_forward(t.z[l], nullptr, t.input(l), packed_W_[l].view(), rows, D_, D_,
                      Activation::identity);
      k.dense_forward(t.s[l], nullptr, t.input(l), packed_V_[l].view(), rows, D_, D_, sigmoid_);
      multiply(k, t.g, t.z[l], t.s[l], rows);
      k.cross_gate_forward(t.x[l], t.g, t.x0, t.input(l), rows, D_, T(0));
    }
  }

  // With g = z * s: dg = dxn * x0 and dx0 += dxn * g; then dz = dg * s and ds = dg * z go through
  // their products. The gradient of x_l goes to and fro between dxL and the tile's dx.
  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients, const T*,
                std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    T* db = bias_.gradients(gradients, t.db);
    const std::size_t size = rows * ld<T>(D_);
    if (dx0 != nullptr) std::fill_n(dx0, size, T(0));
    T *dxn = dxL, *dx = t.dx;
    for (std::size_t l = L_; l-- > 0; std::swap(dx, dxn)) {
      T* dead = t.x[l];  // nobody reads it any more
      multiply(k, t.g, t.z[l], t.s[l], rows);
      k.cross_gate_backward(t.dg, dx, dx0, dxn, t.g, t.x0, t.input(l), rows, D_, T(0));
      T* dz = t.g;
      k.cross_start_backward(dz, t.ds, t.dg, t.z[l], t.s[l], rows, D_);
      T* wanted = l > 0 || dx0 != nullptr ? dx : nullptr;
      const std::size_t at = l * D_ * D_;
      k.dense_backward(wanted, gradients + W_ + at, db + l * D_, t.product, dead, dz, t.z[l],
                       nullptr, t.input(l), packed_W_[l].view(), rows, D_, D_, Activation::identity,
                       true);
      k.dense_backward(wanted, gradients + V_ + at, t.no_bias, t.product, dead, t.ds, t.s[l],
                       nullptr, t.input(l), packed_V_[l].view(), rows, D_, D_, sigmoid_, true);
    }
    if (dx0 != nullptr)
      for (std::size_t i = 0; i < size; ++i) dx0[i] += dxn[i];
  }

  std::size_t largest_weights() const override { return D_ * D_; }

 private:
  struct Tile final : CrossTile<T> {
    std::vector<T*> z, s, x;        // L pointers to (T,D), x that of x_{l+1}
    T *g, *dg, *ds, *dx, *product;  // scratch (T,D)
    T *db, *no_bias;                // (L,D) where there is no bias to learn; (D), as V has none

    const T* input(std::size_t l) const { return l > 0 ? x[l - 1] : this->x0; }
  };
  // out (T,D) = a * b
  void multiply(const KernelTable<T>& k, T* out, const T* a, const T* b, std::size_t rows) const {
    k.cross_start_backward(out, nullptr, a, a, b, rows, D_);
  }

  std::size_t L_, D_, W_ = 0, V_ = 0;
  Activation sigmoid_;
  CrossBias<T> bias_;
  std::vector<PackedMatrix<T>> packed_W_, packed_V_;
};

}  // namespace dcn
