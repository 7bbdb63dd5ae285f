// A weight matrix in the two orders in which it is multiplied.
#pragma once

#include <algorithm>
#include <vector>

#include "base/buffer.hpp"
#include "dispatch/kernel_table.hpp"
#include "base/thread_pool.hpp"

namespace dcn {

template <class T> class PackedMatrix {
 public:
  PackedMatrix() = default;
  // W (O,I)
  PackedMatrix(std::size_t O, std::size_t I)
      : O_(O), I_(I), by_output_(packed_size<T>(I, O)), by_input_(packed_size<T>(O, I)),
        bias_(padded<T>(O)) {}

  // W (O,I) with row stride w_ld, b (O) or null
  void pack(const KernelTable<T>& k, const T* W, std::size_t w_ld, const T* b) {
    k.pack_weights(by_output_.data(), by_input_.data(), W, w_ld, O_, I_);
    if (b != nullptr) std::copy_n(b, O_, bias_.data());
  }
  Packed<T> view() const noexcept { return {by_output_.data(), by_input_.data(), bias_.data()}; }

 private:
  std::size_t O_ = 0, I_ = 0;
  Buffer<T> by_output_, by_input_, bias_;
};

// Where backward leaves the gradient of the product: what is shared of it is wanted later.
template <class T> T* kept(const Packed<T>& W, T* scratch) {
  return W.shared != nullptr ? W.shared->dz : scratch;
}

// A layer that multiplies x0.
template <class T> struct FirstLayer {
  const PackedMatrix<T>* packed = nullptr;  // null where there is none
  std::size_t offset = 0, O = 0;            // of W (O,D) in the flat parameters
};

// Matrices to be packed from the parameters: each part of the model adds its own, once a step, and
// threads share them.
template <class T> struct Packing {
  PackedMatrix<T>* matrix;
  const T* W;
  std::size_t w_ld;
  const T* b;
};
template <class T> using Packings = std::vector<Packing<T>>;

template <class T>
void pack_all(const KernelTable<T>& k, const Packings<T>& packings, std::size_t n_threads) {
  parallel_for(n_threads, packings.size(), [&](std::size_t i, std::size_t) {
    const Packing<T>& p = packings[i];
    p.matrix->pack(k, p.W, p.w_ld, p.b);
  });
}

}  // namespace dcn
