// A weight matrix in the two orders in which it is multiplied.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "dispatch/kernel_table.hpp"
#include "base/thread_pool.hpp"

namespace dcn {

// Writes n numbers as bfloat16; returns whether all of them are that.
template <class T> bool to_bfloat16(Bfloat16* out, const T* numbers, std::size_t n) noexcept {
  bool exact = true;
  for (std::size_t i = 0; i < n; ++i) {
    const auto number = static_cast<float>(numbers[i]);
    const auto bits = std::bit_cast<std::uint32_t>(number);
    out[i] = static_cast<Bfloat16>(bits >> 16);
    exact = exact && (bits & 0xffff) == 0 && static_cast<T>(number) == numbers[i];
  }
  return exact;
}

template <class T> class PackedMatrix {
 public:
  PackedMatrix() = default;
  // W (O,I)
  PackedMatrix(std::size_t O, std::size_t I)
      : O_(O), I_(I), by_output_(packed_size<T>(I, O)), by_input_(packed_size<T>(O, I)),
        bias_(padded<T>(O)) {}

  // Backward is never asked for: what it reads is not packed, and costs no memory.
  void only_forward() noexcept { backward_ = false; }
  // One row alone reads the weights in bfloat16 from now on, where that is exact.
  void keep_halves() { halves_ = Buffer<Bfloat16>(by_output_.size()); }
  std::size_t size() const noexcept { return by_output_.size(); }

  // W (O,I) with row stride w_ld, b (O) or null
  void pack(const KernelTable<T>& k, const T* W, std::size_t w_ld, const T* b) {
    k.pack_weights(by_output_.data(), backward_ ? by_input_.data() : nullptr, W, w_ld, O_, I_);
    if (b != nullptr) std::copy_n(b, O_, bias_.data());
    if (halves_.size() > 0)
      exact_ = to_bfloat16(halves_.data(), by_output_.data(), by_output_.size());
  }
  Packed<T> view() const noexcept {
    return {by_output_.data(), by_input_.data(), bias_.data(), nullptr,
            exact_ ? halves_.data() : nullptr};
  }

 private:
  std::size_t O_ = 0, I_ = 0;
  Buffer<T> by_output_, by_input_, bias_;
  Buffer<Bfloat16> halves_;
  bool backward_ = true, exact_ = false;
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
