// Stage 4: the dense layers of one tile. h0 (T,I) -> hN (T,H), and back.
#pragma once

#include <string>
#include <vector>

#include "network/dropout.hpp"
#include "network/branches.hpp"
#include "network/config.hpp"
#include "network/packed.hpp"
#include "network/parameters.hpp"

namespace dcn {

template <class T> struct DeepTile {
  std::vector<T*> h;  // N+1 pointers to (T, width of the layer); h[0] is given
  std::vector<T*> a;  // N pointers, act(..) before dropout; h[i+1] itself without dropout
  std::vector<T*> z;  // N pointers, what gelu's slope and a parametric activation need, else null
  std::vector<T*> xhat;  // N pointers, normalised z; null without layer normalisation
  std::vector<T*> inv;   // N pointers to (T)
  T *dz = nullptr, *dh = nullptr, *dh_other = nullptr;  // scratch, (T, widest layer)
  const Shared<T>* shared = nullptr;                    // of the first product, set for a tile

  T* hN() const { return h.back(); }
};

template <class T> class DeepPart {
 public:
  // The part's dropout streams start at first_stream.
  DeepPart(const NetworkConfig& config, const Branch& branch, std::size_t first_stream);

  // NAME_W_i (O,I), NAME_b_i (O) and, with layer normalisation, NAME_scale_i and NAME_shift_i (O)
  // for every hidden layer, NAME_a_i (O) if activations are parametric, behind the name of the
  // branch
  void add(Layout& layout);
  void pack(Packings<T>& packings, const T* parameters);
  DeepTile<T> carve(Carver<T>& carver, T* h0, std::size_t rows) const;

  void forward(const KernelTable<T>& k, DeepTile<T>& tile, const T* parameters, std::size_t rows,
               const DropoutAt& at) const;
  // tile.dh holds dhN on entry. dh0 (T,I) becomes the gradient of h0, or has it added to; null
  // where nobody asks for it.
  void backward(const KernelTable<T>& k, DeepTile<T>& tile, T* dh0, bool add, T* gradients,
                const T* parameters, std::size_t rows, const DropoutAt& at) const;

  BranchInput input() const noexcept { return input_; }
  std::size_t layers() const noexcept { return packed_.size(); }
  // the product with x0, where there is one
  FirstLayer<T> first_layer() const {
    if (input_ != BranchInput::x0) return {};
    return {&packed_[0], w_[0], widths_[1]};
  }
  std::size_t largest_weights() const;                           // numbers of a matrix
  std::size_t width() const noexcept { return widths_.back(); }  // H

 private:
  // what a layer ends with, but for a parametric activation behind it
  Activation activation() const noexcept {
    return parametric_ ? Activation::identity : activation_;
  }
  // W of a layer; the first may be shared
  Packed<T> weights(const DeepTile<T>& tile, std::size_t i) const {
    Packed<T> packed = packed_[i].view();
    if (i == 0) packed.shared = tile.shared;
    return packed;
  }

  std::string name_;
  BranchInput input_;
  Activation activation_;
  bool layer_norm_, parametric_;
  Dropout dropout_;
  std::size_t first_stream_;
  std::vector<std::size_t> widths_;                         // N+1
  std::vector<std::size_t> w_, b_, scale_, shift_, share_;  // offsets
  std::vector<PackedMatrix<T>> packed_;
};

extern template class DeepPart<float>;
extern template class DeepPart<double>;

}  // namespace dcn
