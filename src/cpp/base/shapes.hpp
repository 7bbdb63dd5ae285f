// The letters of the whole project, and the row strides that follow from them.
//
//   B rows of a batch   T rows of a tile (a slice of B that stays in cache)
//   M dense columns     J numbers that are embedded
//   D width of the stacked input x0
//   L cross layers      R rank of a low-rank cross layer
//   I, O inputs and outputs of a dense layer; H width of the last one
//   C outputs (logits)  Y columns of the target   E members
//   ld(W) row stride of a tile buffer whose rows hold W numbers
#pragma once

#include <cstddef>

// Forced, so that no out-of-line copy with one instruction set's flags can reach the others.
#if defined(_MSC_VER)
#define DCN_INLINE __forceinline
#else
#define DCN_INLINE inline __attribute__((always_inline))
#endif

// Loops over a register tile must vanish, or the tile is kept in memory. NOINLINE is a function of
// its own; OPAQUE makes the compiler forget how a pointer was computed.
#if defined(_MSC_VER)
#define DCN_UNROLL
#define DCN_NOINLINE __declspec(noinline)
#define DCN_OPAQUE(p)
#else
#define DCN_UNROLL _Pragma("GCC unroll 32")
#define DCN_NOINLINE __attribute__((noinline))
#define DCN_OPAQUE(p) asm("" : "+r"(p))
#endif

namespace dcn {

// One vector is one cache line everywhere; narrower instruction sets use several registers for it,
// so that sums over lanes have one shape on every machine.
template <class T> inline constexpr std::size_t kLanes = 64 / sizeof(T);

template <class T> DCN_INLINE constexpr std::size_t vectors(std::size_t width) {
  return (width + kLanes<T> - 1) / kLanes<T>;
}

template <class T> DCN_INLINE constexpr std::size_t padded(std::size_t width) {
  return vectors<T>(width) * kLanes<T>;
}

// An odd number of cache lines: rows of a tile then spread over all cache sets, for any width.
template <class T> DCN_INLINE constexpr std::size_t ld(std::size_t width) {
  return (vectors<T>(width) | 1) * kLanes<T>;
}

// Rows of a tile are a multiple of it, and it of every instruction set's register tile.
inline constexpr std::size_t kRowStep = 12;

// Elements of a packed matrix of K rows and N columns: (vectors(N), K, lanes), zero-padded.
template <class T> DCN_INLINE constexpr std::size_t packed_size(std::size_t K, std::size_t N) {
  return padded<T>(N) * K;
}

}  // namespace dcn
