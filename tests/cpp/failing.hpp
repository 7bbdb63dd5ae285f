// Memory that ends: the n-th allocation from now on fails, by operator new or by dcn::Memory.
#pragma once

#include <cstddef>

namespace failing {

inline constexpr std::size_t kNever = ~std::size_t{0};

// Fails the n-th, counted from 0, and no other.
void after(std::size_t n) noexcept;
// Whether it has failed; from now on nothing does.
bool stop() noexcept;

}  // namespace failing
