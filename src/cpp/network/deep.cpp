#include "network/deep.hpp"

#include <algorithm>

namespace dcn {

template <class T>
DeepPart<T>::DeepPart(const NetworkConfig& config, const Branch& branch, std::size_t first_stream)
    : name_(branch.name), input_(branch.input), activation_(config.activation),
      layer_norm_(config.layer_norm), parametric_(config.parametric_activation),
      dropout_(config.dropout), first_stream_(first_stream), widths_{config.width()} {
  for (const std::size_t O : branch.hidden) {
    packed_.emplace_back(O, widths_.back());
    widths_.push_back(O);
  }
}

template <class T> void DeepPart<T>::add(Layout& layout) {
  for (std::size_t i = 0; i < layers(); ++i) {
    const std::size_t I = widths_[i], O = widths_[i + 1];
    const std::string index = std::to_string(i);
    w_.push_back(layout.add(name_ + "_W_" + index, {O, I}, Role::weight));
    b_.push_back(layout.add(name_ + "_b_" + index, {O}, Role::bias));
    if (layer_norm_) {
      scale_.push_back(layout.add(name_ + "_scale_" + index, {O}, Role::scale));
      shift_.push_back(layout.add(name_ + "_shift_" + index, {O}, Role::shift));
    }
    if (parametric_) share_.push_back(layout.add(name_ + "_a_" + index, {O}, Role::activation));
  }
}

template <class T> std::size_t DeepPart<T>::largest_weights() const {
  std::size_t most = 0;
  for (std::size_t i = 0; i < layers(); ++i) most = std::max(most, widths_[i] * widths_[i + 1]);
  return most;
}

template <class T> void DeepPart<T>::pack(Packings<T>& packings, const T* parameters) {
  for (std::size_t i = 0; i < layers(); ++i)
    packings.push_back({&packed_[i], parameters + w_[i], widths_[i], parameters + b_[i]});
}

template <class T>
DeepTile<T> DeepPart<T>::carve(Carver<T>& carver, T* h0, std::size_t rows) const {
  DeepTile<T> tile;
  tile.h.push_back(h0);
  for (std::size_t i = 0; i < layers(); ++i) {
    const std::size_t size = rows * ld<T>(widths_[i + 1]);
    tile.a.push_back(carver.take(size));
    tile.h.push_back(dropout_.possible() ? carver.take(size) : tile.a[i]);
    tile.z.push_back(keeps_z(activation_) || parametric_ ? carver.take(size) : nullptr);
    tile.xhat.push_back(layer_norm_ ? carver.take(size) : nullptr);
    tile.inv.push_back(layer_norm_ ? carver.take(rows) : nullptr);
  }
  const std::size_t widest = rows * ld<T>(*std::max_element(widths_.begin() + 1, widths_.end()));
  tile.dz = carver.take(widest);
  tile.dh = carver.take(widest);
  tile.dh_other = carver.take(widest);
  return tile;
}

template <class T>
void DeepPart<T>::forward(const KernelTable<T>& k, DeepTile<T>& tile, const T* parameters,
                          std::size_t rows, const DropoutAt& at) const {
  for (std::size_t i = 0; i < layers(); ++i) {
    const std::size_t I = widths_[i], O = widths_[i + 1];
    const bool drops = dropout_.drops(at);
    T* a = drops ? tile.a[i] : tile.h[i + 1];
    T* bent = parametric_ ? tile.z[i] : a;  // if only by activation()
    if (layer_norm_) {
      k.dense_forward(tile.xhat[i], nullptr, tile.h[i], weights(tile, i), rows, I, O,
                      Activation::identity);
      k.layer_norm_forward(bent, tile.z[i], tile.xhat[i], tile.inv[i], tile.xhat[i],
                           parameters + scale_[i], parameters + shift_[i], rows, O, activation());
    } else {
      k.dense_forward(bent, tile.z[i], tile.h[i], weights(tile, i), rows, I, O, activation());
    }
    if (parametric_)
      k.parametric_forward(a, tile.z[i], parameters + share_[i], rows, O, activation_);
    if (drops) dropout_.apply(k, tile.h[i + 1], a, first_stream_ + i, at, rows, O);
  }
}

template <class T>
void DeepPart<T>::backward(const KernelTable<T>& k, DeepTile<T>& tile, T* dh0, bool add,
                           T* gradients, const T* parameters, std::size_t rows,
                           const DropoutAt& at) const {
  T *dhn = tile.dh, *dh = tile.dh_other;
  for (std::size_t i = layers(); i-- > 0; std::swap(dh, dhn)) {
    const std::size_t I = widths_[i], O = widths_[i + 1];
    const bool drops = dropout_.drops(at);
    if (drops) dropout_.apply(k, dhn, dhn, first_stream_ + i, at, rows, O);
    T* a = drops ? tile.a[i] : tile.h[i + 1];
    if (parametric_)
      k.parametric_backward(dhn, gradients + share_[i], dhn, tile.z[i], parameters + share_[i],
                            rows, O, activation_);
    Activation last = activation();
    if (layer_norm_) {
      k.layer_norm_backward(dhn, gradients + scale_[i], gradients + shift_[i], dhn, a, tile.z[i],
                            tile.xhat[i], tile.inv[i], parameters + scale_[i], rows, O, last);
      last = Activation::identity;  // dhn is the gradient of the product now
    }
    const Packed<T> W = weights(tile, i);
    k.dense_backward(i > 0 ? dh : dh0, gradients + w_[i], gradients + b_[i], kept(W, tile.dz), a,
                     dhn, a, tile.z[i], tile.h[i], W, rows, I, O, last, i == 0 && add);
  }
}

template class DeepPart<float>;
template class DeepPart<double>;

}  // namespace dcn
