// Mixture of low-rank experts (Wang et al. 2021, eqs. 3 and 4): with the gates G_e of E experts
// x_{l+1} = sum_e G_e(x_l) x0 * (U_e h_e + b_l) + x_l, where h_e = V_e x_l, or act(C_e act(V_e
// x_l)).
#pragma once

#include <algorithm>
#include <utility>

#include "network/cross/cross.hpp"

namespace dcn {

inline constexpr CrossKind kMixtureCross{
    "mixture",
    {{{"U", "LEDR"},
      {"V", "LERD"},
      {.name = "C", .letters = "LERR", .optional = true},
      {.name = "gate", .letters = "LED", .letters_shared = "ED", .optional = true}}}};

template <class T> class MixtureCross final : public Cross<T> {
 public:
  explicit MixtureCross(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), R_(config.cross_rank),
        E_(config.cross_experts), gating_(config.gating), shared_gate_(config.shared_gate),
        activation_(config.preactivation), bias_(config) {
    for (std::size_t l = 0; l < L_; ++l) {
      packed_U_.emplace_back(D_, columns());
      packed_V_.emplace_back(E_ * R_, D_);
      beside_.emplace_back(D_ * columns());
      for (std::size_t e = 0; e < E_ && has_inner(); ++e) packed_C_.emplace_back(R_, R_);
      if (has_gate() && (l == 0 || !shared_gate_)) packed_gate_.emplace_back(E_, D_);
    }
    for (const PackedMatrix<T>& C : packed_C_) C_of_experts_.push_back(C.view());
  }

  // cross_U (L,E,D,R), cross_V (L,E,R,D), with an activation cross_C (L,E,R,R), with gates to be
  // learned cross_gate (L,E,D), or (E,D) of all layers, and cross_b (L,D)
  void add(Layout& layout) override {
    U_ = layout.add("cross_U", {L_, E_, D_, R_}, Role::cross_weight);
    V_ = layout.add("cross_V", {L_, E_, R_, D_}, Role::cross_weight);
    if (has_inner()) C_ = layout.add("cross_C", {L_, E_, R_, R_}, Role::cross_weight);
    if (has_gate() && shared_gate_) gate_ = layout.add("cross_gate", {E_, D_}, Role::cross_weight);
    if (has_gate() && !shared_gate_)
      gate_ = layout.add("cross_gate", {L_, E_, D_}, Role::cross_weight);
    bias_.add(layout);
  }

  void pack(const KernelTable<T>&, Packings<T>& packings, const T* parameters) override {
    for (std::size_t l = 0; l < L_; ++l) {
      lay_side_by_side(beside_[l].data(), parameters, l);
      packings.push_back({&packed_U_[l], beside_[l].data(), columns(), nullptr});
      packings.push_back({&packed_V_[l], parameters + V_ + l * E_ * R_ * D_, D_, nullptr});
    }
    for (std::size_t i = 0; i < packed_C_.size(); ++i)
      packings.push_back({&packed_C_[i], parameters + C_ + i * R_ * R_, R_, nullptr});
    for (std::size_t i = 0; i < packed_gate_.size(); ++i)
      packings.push_back({&packed_gate_[i], parameters + gate_ + i * E_ * D_, D_, nullptr});
  }

  std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                      std::size_t rows) const override {
    auto tile = std::make_unique<Tile>();
    const std::size_t wide = rows * ld<T>(D_), gates = rows * ld<T>(E_);
    // a vector more: an expert's last vector may begin in the last one of the row
    const std::size_t inner = rows * ld<T>(E_ * R_) + kLanes<T>;
    const std::size_t outer = rows * ld<T>(columns()) + kLanes<T>;
    tile->x0 = x0;
    tile->db = bias_.carve(carver);
    for (std::size_t l = 0; l < L_; ++l) {
      tile->h.push_back(carver.take(inner));
      tile->h_pre.push_back(keeps_z(activation_) ? carver.take(inner) : nullptr);
      tile->last.push_back(has_inner() ? carver.take(inner) : tile->h[l]);
      tile->last_pre.push_back(keeps_z(activation_) ? carver.take(inner) : nullptr);
      tile->gates.push_back(carver.take(gates));
      tile->u.push_back(carver.take(outer));
      tile->z.push_back(carver.take(wide));
      tile->x.push_back(carver.take(wide));
    }
    tile->a = carver.take(gates);
    tile->du = carver.take(outer);
    tile->dh = carver.take(inner);
    tile->dz = carver.take(inner);
    tile->dx = carver.take(wide);
    tile->no_bias = carver.take(E_ * R_);
    tile->xL = tile->x.back();
    return tile;
  }

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T*,
               std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    for (std::size_t l = 0; l < L_; ++l) {
      const T* x = t.input(l);
      k.dense_forward(t.h[l], t.h_pre[l], x, V(t, l), rows, D_, E_ * R_, activation_);
      if (has_inner())
        k.mixture_inner_forward(t.last[l], t.last_pre[l], t.h[l], C(l), rows, R_, E_, activation_);
      if (has_gate()) k.dense_forward(t.a, nullptr, x, gate(l), rows, D_, E_, Activation::identity);
      k.mixture_gate_forward(t.u[l], t.gates[l], t.last[l], t.a, rows, R_, E_, gating_);
      k.mixture_output_forward(t.x[l], t.z[l], t.u[l], t.x0, x, packed_U_[l].view(), rows,
                               columns(), D_);
    }
  }

  // The gradient of x_l goes to and fro between dxL and the tile's dx; dx0 gathers the share of
  // every layer's product with x0, and at last that of x_0.
  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients, const T*,
                std::size_t rows) const override {
    auto& t = static_cast<Tile&>(tile);
    T* db = bias_.gradients(gradients, t.db);
    const std::size_t size = rows * ld<T>(D_);
    if (dx0 != nullptr) std::fill_n(dx0, size, T(0));
    T *dxn = dxL, *dx = t.dx;
    for (std::size_t l = L_; l-- > 0; std::swap(dx, dxn)) {
      T *dz = t.z[l], *dead = t.x[l];  // nobody reads it any more
      k.cross_gate_backward(dz, dx, dx0, dxn, t.z[l], t.x0, t.input(l), rows, D_, T(0));
      k.mixture_output_backward(t.du, gradients + U_ + l * E_ * D_ * R_, db + l * D_, dead, dz,
                                t.u[l], packed_U_[l].view(), rows, D_, R_, E_);
      k.mixture_gate_backward(t.dh, t.a, t.du, t.gates[l], t.last[l], rows, R_, E_, gating_);
      backward_inside(k, t, l > 0 || dx0 != nullptr ? dx : nullptr, gradients, l, rows);
    }
    if (dx0 != nullptr)
      for (std::size_t i = 0; i < size; ++i) dx0[i] += dxn[i];
  }

  FirstLayer<T> first_layer() const override { return {&packed_V_[0], V_, E_ * R_}; }
  std::size_t largest_weights() const override { return D_ * columns(); }

 private:
  struct Tile final : CrossTile<T> {
    std::vector<T*> h, last;          // L pointers to (T,E R): of V x, and what U multiplies
    std::vector<T*> h_pre, last_pre;  // before the activation, where it keeps that, else null
    std::vector<T*> gates, u, z, x;   // (T,E), (T,E R + 1), (T,D), x_{l+1} (T,D)
    T *a, *du, *dh, *dz, *dx;         // scratch (T,E), (T,E R + 1), twice (T,E R), (T,D)
    T *db, *no_bias;                  // (L,D) where there is no bias to learn; (E R)

    const T* input(std::size_t l) const { return l > 0 ? x[l - 1] : this->x0; }
  };

  bool has_gate() const { return gating_ != Gating::constant; }
  bool has_inner() const { return activation_ != Activation::identity; }
  // of u: the experts, and the sum of their gates
  std::size_t columns() const { return E_ * R_ + 1; }

  // U_1 .. U_E and b as the columns of one matrix (D, E R + 1)
  void lay_side_by_side(T* out, const T* parameters, std::size_t l) const {
    const T* b = bias_.values(parameters) + l * D_;
    for (std::size_t e = 0; e < E_; ++e) {
      const T* from = parameters + U_ + (l * E_ + e) * D_ * R_;
      for (std::size_t d = 0; d < D_; ++d)
        std::copy_n(from + d * R_, R_, out + d * columns() + e * R_);
    }
    for (std::size_t d = 0; d < D_; ++d) out[d * columns() + E_ * R_] = b[d];
  }

  // dh, and da in a -> the gradients of gates, C and V, and of x, added to dx (T,D) or null
  void backward_inside(const KernelTable<T>& k, const Tile& t, T* dx, T* gradients, std::size_t l,
                       std::size_t rows) const {
    const T *x = t.input(l), *dh = t.dh;
    if (has_gate())
      k.dense_backward(dx, gradients + gate_ + (shared_gate_ ? 0 : l * E_ * D_), t.no_bias, t.dz,
                       nullptr, t.a, t.a, nullptr, x, gate(l), rows, D_, E_, Activation::identity,
                       true);
    if (has_inner()) {
      k.mixture_inner_backward(t.du, gradients + C_ + l * E_ * R_ * R_, t.dz, dh, t.last[l],
                               t.last_pre[l], t.h[l], C(l), rows, R_, E_, activation_);
      dh = t.du;
    }
    const Packed<T> packed = V(t, l);
    k.dense_backward(dx, gradients + V_ + l * E_ * R_ * D_, t.no_bias, kept(packed, t.dz), nullptr,
                     dh, t.h[l], t.h_pre[l], x, packed, rows, D_, E_ * R_, activation_, true);
  }

  // V of a layer; the product with x0 may be shared
  Packed<T> V(const Tile& tile, std::size_t l) const {
    Packed<T> packed = packed_V_[l].view();
    if (l == 0) packed.shared = tile.shared;
    return packed;
  }
  Packed<T> gate(std::size_t l) const { return packed_gate_[shared_gate_ ? 0 : l].view(); }
  const Packed<T>* C(std::size_t l) const { return C_of_experts_.data() + l * E_; }

  std::size_t L_, D_, R_, E_, U_ = 0, V_ = 0, C_ = 0, gate_ = 0;
  Gating gating_;
  bool shared_gate_;
  Activation activation_;
  CrossBias<T> bias_;
  std::vector<PackedMatrix<T>> packed_U_, packed_V_, packed_C_, packed_gate_;
  std::vector<Packed<T>> C_of_experts_;
  std::vector<Buffer<T>> beside_;  // U and b of a layer as one matrix
};

}  // namespace dcn
