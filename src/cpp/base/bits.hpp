// Hashed bits: the same on every machine, drawn in any order.
#pragma once

#include <bit>
#include <cstdint>

#include "base/shapes.hpp"

namespace dcn {

inline constexpr bool kLowestFirst = std::endian::native == std::endian::little;  // of bytes

inline constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15u;

// The finalizer of splitmix64 (Steele, Lea, Flood 2014); fed with multiples of kGolden.
DCN_INLINE std::uint64_t mix_bits(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace dcn
