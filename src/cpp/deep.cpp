#include "deep.hpp"

namespace dcn {

template <class T>
DeepPart<T>::DeepPart(const NetworkConfig& config, Layout& layout)
    : activation_(config.activation), widths_{config.width()} {
  for (const std::size_t O : config.hidden) {
    const std::size_t I = widths_.back();
    const std::string index = std::to_string(packed_.size());
    w_.push_back(layout.add("deep_W_" + index, {O, I}, config.alpha));
    b_.push_back(layout.add("deep_b_" + index, {O}, 0));
    packed_.emplace_back(O, I);
    widths_.push_back(O);
  }
}

template <class T> void DeepPart<T>::pack(const KernelTable<T>& k, const T* parameters) {
  for (std::size_t i = 0; i < layers(); ++i)
    packed_[i].pack(k, parameters + w_[i], widths_[i], parameters + b_[i]);
}

template <class T>
DeepTile<T> DeepPart<T>::carve(Carver<T>& carver, T* h0, std::size_t rows) const {
  DeepTile<T> tile;
  tile.h.push_back(h0);
  if (layers() == 0) return tile;
  for (std::size_t i = 0; i < layers(); ++i) {
    const std::size_t size = rows * ld<T>(widths_[i + 1]);
    tile.h.push_back(carver.take(size));
    tile.z.push_back(activation_ == Activation::gelu ? carver.take(size) : nullptr);
  }
  const std::size_t widest = rows * ld<T>(*std::max_element(widths_.begin() + 1, widths_.end()));
  tile.dz = carver.take(widest);
  tile.dh = carver.take(widest);
  tile.dh_other = carver.take(widest);
  return tile;
}

template <class T>
void DeepPart<T>::forward(const KernelTable<T>& k, DeepTile<T>& tile, std::size_t rows) const {
  for (std::size_t i = 0; i < layers(); ++i)
    k.dense_forward(tile.h[i + 1], tile.z[i], tile.h[i], packed_[i].view(), rows, widths_[i],
                    widths_[i + 1], activation_);
}

template <class T>
void DeepPart<T>::backward(const KernelTable<T>& k, DeepTile<T>& tile, T* dh0, bool add,
                           T* gradients, std::size_t rows) const {
  T *dhn = tile.dh, *dh = tile.dh_other;
  for (std::size_t i = layers(); i-- > 0; std::swap(dh, dhn))
    k.dense_backward(i > 0 ? dh : dh0, gradients + w_[i], gradients + b_[i], tile.dz, dhn,
                     tile.h[i + 1], tile.z[i], tile.h[i], packed_[i].view(), rows, widths_[i],
                     widths_[i + 1], activation_, i == 0 && add);
}

template class DeepPart<float>;
template class DeepPart<double>;

}  // namespace dcn
