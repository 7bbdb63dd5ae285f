// Stage 4: the dense layers of one tile. h0 (T,I) -> hN (T,H), and back.
#pragma once

#include <vector>

#include "config.hpp"
#include "packed.hpp"
#include "parameters.hpp"

namespace dcn {

template <class T> struct DeepTile {
  std::vector<T*> h;  // N+1 pointers to (T, width of the layer); h[0] is given
  std::vector<T*> z;  // N pointers, (T,O) for gelu, else null
  T *dz = nullptr, *dh = nullptr, *dh_other = nullptr;  // scratch, (T, widest layer)

  T* hN() const { return h.back(); }
};

template <class T> class DeepPart {
 public:
  DeepPart() = default;
  // Adds deep_W_i (O,I) and deep_b_i (O) for every hidden layer.
  DeepPart(const NetworkConfig& config, Layout& layout);

  void pack(const KernelTable<T>& k, const T* parameters);
  DeepTile<T> carve(Carver<T>& carver, T* h0, std::size_t rows) const;

  void forward(const KernelTable<T>& k, DeepTile<T>& tile, std::size_t rows) const;
  // tile.dh holds dhN on entry. dh0 (T,I) becomes the gradient of h0; null where nobody asks for
  // it.
  void backward(const KernelTable<T>& k, DeepTile<T>& tile, T* dh0, bool add, T* gradients,
                std::size_t rows) const;

  std::size_t layers() const noexcept { return packed_.size(); }
  std::size_t width() const noexcept { return widths_.back(); }  // H

 private:
  Activation activation_ = Activation::relu;
  std::vector<std::size_t> widths_;  // N+1
  std::vector<std::size_t> w_, b_;   // offsets
  std::vector<PackedMatrix<T>> packed_;
};

extern template class DeepPart<float>;
extern template class DeepPart<double>;

}  // namespace dcn
