// What kernels are given beside plain arrays: where things are, and how they are laid out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dcn {

// One categorical field: where its rows are, and where they go in x0.
template <class T> struct Field {
  const T* rows;               // (V_f,K)
  std::size_t K;               // width of a row
  std::size_t column;          // of x0 (or of the logits)
  const T* factors = nullptr;  // (V_f) what the rows are multiplied by, or null
};

// How a row of a table is stored that nobody trains: K numbers of bfloat16, or a float,
// little-endian, and K bytes that it is multiplied by.
enum class RowCode : int { bfloat16, int8 };
inline constexpr std::size_t kScaleBytes = 4;
inline constexpr std::size_t row_bytes(RowCode code, std::size_t K) {
  return code == RowCode::bfloat16 ? 2 * K : kScaleBytes + K;
}

// As Field, of such rows.
struct StoredField {
  const unsigned char* rows;  // (V_f,stride)
  std::size_t stride, K, column;
  RowCode code;
};

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

// W (O,I) in the two orders in which it is multiplied, and its bias padded; made by pack_weights.
template <class T> struct Packed {
  const T* by_output;                 // (vectors(O), I, lanes): x (T,I) -> x W^T (T,O)
  const T* by_input;                  // (vectors(I), O, lanes): dz (T,O) -> dz W (T,I)
  const T* bias;                      // (padded(O))
  const Shared<T>* shared = nullptr;  // null where the whole product is to do
};

// A field whose rows are shared: its distinct rows in a batch, and where they occur.
template <class T> struct SharedField {
  const T* rows;                // (U,ld(K)), a copy
  std::size_t K, column;        // of x0
  std::size_t first, U;         // its units among those of all shared fields
  const std::uint32_t* starts;  // (U+1) of the runs, from starts[0] on
  const std::uint32_t* places;  // (n) rows of the batch, run after run
};

// What the backward of a cross layer does for the layer below it, once that one's dxn is known:
// dz = dxn * x0, which may be z itself; dx0 += dxn * z, or null.
template <class T> struct CrossBelow {
  const T *z = nullptr, *x0 = nullptr;  // null where there is no layer below
  T *dz = nullptr, *dx0 = nullptr;
};

// Periodic embeddings of J numbers: F frequencies, K columns of x0 each; O of them are learned.
struct WaveSizes {
  std::size_t J, F, K, M, D;
};
template <class T> struct Waves {
  T *w, *phase;  // (J,F), of angles; phase may be null
  T* W;          // (J, F or 2 F, O)
  T* b;          // (J,O)
  T* missing;    // (J,K)
};

}  // namespace dcn
