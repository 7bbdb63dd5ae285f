#include "network/cross/cross.hpp"

namespace dcn {

template <class T>
CrossPart<T>::CrossPart(const NetworkConfig& config, Layout& layout)
    : kind_(config.cross), L_(config.cross_layers), D_(config.width()), R_(config.cross_rank),
      diag_(static_cast<T>(config.diag_scale)), bias_(config.cross_bias),
      gate_(config.preactivation) {
  if (L_ == 0) return;
  switch (kind_) {
    case CrossKind::vector:
      w_ = layout.add("cross_w", {L_, D_}, config.alpha_cross);
      c_ = Buffer<T>((L_ + 1) * padded<T>(D_));
      q_ = Buffer<T>(L_);
      break;
    case CrossKind::matrix:
      w_ = layout.add("cross_W", {L_, D_, D_}, config.alpha_cross);
      for (std::size_t l = 0; l < L_; ++l) packed_w_.emplace_back(D_, D_);
      break;
    case CrossKind::lowrank:
      u_ = layout.add("cross_U", {L_, D_, R_}, config.alpha_cross);
      v_ = layout.add("cross_V", {L_, R_, D_}, config.alpha_cross);
      for (std::size_t l = 0; l < L_; ++l) {
        packed_w_.emplace_back(D_, R_);
        packed_v_.emplace_back(R_, D_);
      }
      break;
  }
  if (bias_)
    b_ = layout.add("cross_b", {L_, D_}, 0);
  else
    no_bias_ = Buffer<T>(L_ * D_);
}

template <class T>
void CrossPart<T>::pack(const KernelTable<T>& k, Packings<T>& packings, const T* parameters) {
  if (L_ == 0) return;
  const T* biases = bias_ ? parameters + b_ : no_bias_.data();
  if (kind_ == CrossKind::vector)
    return k.cross_vector_prepare(c_.data(), q_.data(), parameters + w_, biases, L_, D_);
  for (std::size_t l = 0; l < L_; ++l) {
    const T* b = biases + l * D_;
    if (kind_ == CrossKind::matrix) {
      packings.push_back({&packed_w_[l], parameters + w_ + l * D_ * D_, D_, b});
    } else {
      packings.push_back({&packed_w_[l], parameters + u_ + l * D_ * R_, R_, b});
      packings.push_back({&packed_v_[l], parameters + v_ + l * R_ * D_, D_, nullptr});
    }
  }
}

template <class T>
CrossTile<T> CrossPart<T>::carve(Carver<T>& carver, T* x0, std::size_t rows) const {
  CrossTile<T> tile;
  tile.x.push_back(x0);
  if (L_ == 0) return tile;
  const std::size_t wide = rows * ld<T>(D_), narrow = rows * ld<T>(R_);
  const bool lowrank = kind_ == CrossKind::lowrank;
  if (!bias_) tile.db = carver.take(L_ * D_);
  if (kind_ == CrossKind::vector) {
    tile.x.push_back(carver.take(wide));
    tile.p = carver.take(L_ * rows);
    tile.a = carver.take((L_ + 1) * rows);
    tile.dp = carver.take(L_ * rows);
    tile.dq = carver.take(L_);
    tile.dc = carver.take(D_);
    tile.dx = carver.take(wide);
    return tile;
  }
  for (std::size_t l = 0; l < L_; ++l) {
    tile.z.push_back(carver.take(wide));
    tile.pre.push_back(keeps_z(gate_) ? carver.take(wide) : nullptr);
    tile.t.push_back(lowrank ? carver.take(narrow) : nullptr);
    tile.x.push_back(carver.take(wide));
  }
  tile.dt = lowrank ? carver.take(narrow) : nullptr;
  if (!gated()) return tile;
  tile.dz = carver.take(wide);
  tile.dx = carver.take(wide);
  tile.dg = carver.take(wide);
  tile.dtt = lowrank ? carver.take(narrow) : nullptr;
  tile.dc = lowrank ? carver.take(R_) : nullptr;
  return tile;
}

template <class T>
void CrossPart<T>::forward(const KernelTable<T>& k, CrossTile<T>& tile, const T* parameters,
                           std::size_t rows) const {
  const T* x0 = tile.x[0];
  if (L_ > 0 && kind_ == CrossKind::vector)
    return k.cross_vector_forward(tile.xL(), tile.p, tile.a, x0, parameters + w_, c_.data(),
                                  q_.data(), rows, L_, D_, ld<T>(D_), false);
  for (std::size_t l = 0; l < L_; ++l)
    if (gated())
      forward_gate(k, tile, l, rows);
    else if (kind_ == CrossKind::matrix)
      k.cross_matrix_forward(tile.x[l + 1], tile.z[l], x0, tile.x[l], inner(tile, l), rows, D_,
                             diag_);
    else
      k.cross_lowrank_forward(tile.x[l + 1], tile.z[l], tile.t[l], x0, tile.x[l],
                              packed_w_[l].view(), inner(tile, l), rows, D_, R_, diag_);
}

template <class T>
void CrossPart<T>::forward_gate(const KernelTable<T>& k, CrossTile<T>& tile, std::size_t l,
                                std::size_t rows) const {
  const T* x = tile.x[l];
  if (kind_ == CrossKind::lowrank) {
    k.dense_forward(tile.t[l], nullptr, x, inner(tile, l), rows, D_, R_, Activation::identity);
    k.dense_forward(tile.z[l], tile.pre[l], tile.t[l], packed_w_[l].view(), rows, R_, D_, gate_);
  } else {
    k.dense_forward(tile.z[l], tile.pre[l], x, inner(tile, l), rows, D_, D_, gate_);
  }
  k.cross_gate_forward(tile.x[l + 1], tile.z[l], tile.x[0], x, rows, D_, diag_);
}

template <class T>
void CrossPart<T>::backward_gate(const KernelTable<T>& k, CrossTile<T>& tile, std::size_t l, T* dx,
                                 T* dx0, const T* dxn, T* db, T* gradients,
                                 std::size_t rows) const {
  const T* x = tile.x[l];
  T* dead = tile.x[l + 1];
  T* to = dx != nullptr && dx != dx0 ? dx : tile.dx;  // dx0 holds the share of the layers above
  T* product = dx != nullptr ? to : nullptr;
  const Packed<T> W = inner(tile, l);
  k.cross_gate_backward(tile.dg, to, dx0, dxn, tile.z[l], tile.x[0], x, rows, D_, diag_);
  if (kind_ == CrossKind::lowrank) {
    k.dense_backward(tile.dt, gradients + u_ + l * D_ * R_, db, tile.dz, dead, tile.dg, tile.z[l],
                     tile.pre[l], tile.t[l], packed_w_[l].view(), rows, R_, D_, gate_, false);
    T* no_bias = tile.dc;  // V has none
    k.dense_backward(product, gradients + v_ + l * R_ * D_, no_bias, kept(W, tile.dtt),
                     R_ <= D_ ? dead : nullptr, tile.dt, tile.t[l], nullptr, x, W, rows, D_, R_,
                     Activation::identity, true);
  } else {
    k.dense_backward(product, gradients + w_ + l * D_ * D_, db, kept(W, tile.dz), dead, tile.dg,
                     tile.z[l], tile.pre[l], x, W, rows, D_, D_, gate_, true);
  }
  if (dx != nullptr && dx == dx0)
    for (std::size_t i = 0; i < rows * ld<T>(D_); ++i) dx0[i] += to[i];
}

template <class T> T* CrossPart<T>::gradient_of_z(const CrossTile<T>& tile, std::size_t l) const {
  return kind_ == CrossKind::matrix ? kept(inner(tile, l), tile.z[l]) : tile.z[l];
}

template <class T>
void CrossPart<T>::backward_products(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL,
                                     T* db, T* gradients, std::size_t rows) const {
  const T* x0 = tile.x[0];
  k.cross_start_backward(gradient_of_z(tile, L_ - 1), dx0, dxL, tile.z[L_ - 1], x0, rows, D_);
  for (std::size_t l = L_; l-- > 0;) {
    const Packed<T> W = inner(tile, l);
    const T* dz = gradient_of_z(tile, l);
    CrossBelow<T> below;
    if (l > 0) below = {tile.z[l - 1], x0, gradient_of_z(tile, l - 1), dx0};
    T *dx = l > 0 ? dxL : dx0, *layer_db = db + l * D_, *dead = tile.x[l + 1];
    if (kind_ == CrossKind::matrix)
      k.cross_matrix_backward(dx, gradients + w_ + l * D_ * D_, layer_db, dead, dz, dxL, tile.x[l],
                              W, below, rows, D_, diag_);
    else
      k.cross_lowrank_backward(dx, gradients + u_ + l * D_ * R_, gradients + v_ + l * R_ * D_,
                               layer_db, kept(W, tile.dt), dead, dz, dxL, tile.t[l], tile.x[l],
                               packed_w_[l].view(), W, below, rows, D_, R_, diag_);
  }
}

template <class T>
void CrossPart<T>::backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL,
                            T* gradients, const T* parameters, std::size_t rows) const {
  T* db = bias_ ? gradients + b_ : tile.db;
  if (L_ > 0 && kind_ == CrossKind::vector)
    return k.cross_vector_backward(dx0 != nullptr ? dx0 : tile.dx, gradients + w_, db, tile.dp,
                                   tile.dq, tile.dc, dxL, tile.p, tile.a, tile.x[0],
                                   parameters + w_, c_.data(), rows, L_, D_, ld<T>(D_));
  if (L_ > 0 && !gated()) return backward_products(k, tile, dx0, dxL, db, gradients, rows);
  if (dx0 != nullptr) std::fill_n(dx0, rows * ld<T>(D_), T(0));
  T *dxn = dxL, *dx = tile.dx;
  for (std::size_t l = L_; l-- > 0; std::swap(dx, dxn))
    backward_gate(k, tile, l, l > 0 ? dx : dx0, dx0, dxn, db + l * D_, gradients, rows);
  if (L_ == 0 && dx0 != nullptr) std::copy_n(dxL, rows * ld<T>(D_), dx0);
}

template class CrossPart<float>;
template class CrossPart<double>;

}  // namespace dcn
