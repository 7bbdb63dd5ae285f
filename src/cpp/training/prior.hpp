// A penalty that holds parameters where an earlier training left them:
// strength * sum_i F_i (w_i - anchor_i)^2, F the diagonal of its Fisher information.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "network/parameters.hpp"

namespace dcn {

template <class T> struct Prior {
  explicit Prior(std::size_t size) : anchor(size), fisher(size) {}

  Buffer<T> anchor, fisher;  // as the flat parameters
};

// Rows of the tables that a prior does not hold, although it has numbers for them: they belong to
// other categories now. One byte a row of each table, or none where all are held.
using FreeRows = std::vector<std::vector<std::uint8_t>>;

// Adds the gradient of the penalty of n parameters to g; returns the penalty.
template <class T>
double pull(T* g, const T* p, const T* anchor, const T* fisher, std::size_t n, T strength) {
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const T away = p[i] - anchor[i], force = strength * fisher[i] * away;
    g[i] += T(2) * force;
    total += static_cast<double>(force * away);
  }
  return total;
}

// Adds factor times the squares of g (n).
template <class T> void add_squares(T* sums, const T* g, std::size_t n, T factor) {
  for (std::size_t i = 0; i < n; ++i) sums[i] += factor * g[i] * g[i];
}

}  // namespace dcn
