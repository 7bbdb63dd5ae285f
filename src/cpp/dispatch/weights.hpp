// Weights of a product, and what of it is done elsewhere, as kernels read them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dcn {

inline constexpr int kSharedVectors = 4;
inline constexpr std::size_t kSharedUnits = 144;  // sums by id that are kept before they are used

struct Span {
  std::size_t begin, end;
};

// What a product with x0 has not to do: some columns were multiplied once for every distinct row of
// their tables (shared_products.hpp).
template <class T> struct Shared {
  const Span* left;  // columns of x0 that are left to multiply, ascending
  std::size_t n_left;
  const T* keep;  // (padded(D)) 1 for these columns, 0 for the others
  const T* sums;  // (T,O) the share of the others, and the bias
  T* dz;          // (T,O) where backward leaves the gradient of the product, for the others
  std::size_t repeats = 1;  // rows of the tile, one after the other, that have a row of sums
};

using Bfloat16 = std::uint16_t;  // the upper half of a float

// W (O,I) in the two orders in which it is multiplied, and its bias padded; made by pack_weights.
template <class T> struct Packed {
  const T* by_output;                 // (vectors(O), I, lanes): x (T,I) -> x W^T (T,O)
  const T* by_input;                  // (vectors(I), O, lanes): dz (T,O) -> dz W (T,I)
  const T* bias;                      // (padded(O))
  const Shared<T>* shared = nullptr;  // null where the whole product is to do
  const Bfloat16* halves = nullptr;   // by_output in fewer bytes, for one row alone, or null
};

// A field whose rows are shared: its distinct rows in a batch, and where they occur.
template <class T> struct SharedField {
  const T* rows;                // (U,ld(K)), a copy
  std::size_t K, column;        // of x0
  std::size_t first, U;         // its units among those of all shared fields
  const std::uint32_t* starts;  // (U+1) of the runs, from starts[0] on
  const std::uint32_t* places;  // (n) rows of the batch, run after run
};

}  // namespace dcn
