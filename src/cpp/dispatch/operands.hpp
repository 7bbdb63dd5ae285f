// What kernels are given beside plain arrays and weights: where things are, how they are laid out.
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
