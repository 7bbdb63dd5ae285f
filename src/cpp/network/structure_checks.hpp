// What a network is told of its parts, checked: heads, symmetry, pairs that stay 0, and whether the
// parts have losses of their own.
#pragma once

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "network/config.hpp"
#include "network/cross/matrix.hpp"

namespace dcn {

// pairs of columns whose W stays 0
inline void check_forbidden(const NetworkConfig& c) {
  const std::size_t n = c.column_widths().size();
  if (c.cross_forbidden.size() % 2 != 0)
    throw std::invalid_argument("cross_forbidden has an odd number of columns, want pairs of them");
  std::set<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < c.cross_forbidden.size(); i += 2) {
    const auto [a, b] = std::minmax(c.cross_forbidden[i], c.cross_forbidden[i + 1]);
    if (b >= n)
      throw std::invalid_argument("cross_forbidden has column " + std::to_string(b) +
                                  ", want less than " + std::to_string(n) +
                                  ", the number of columns");
    pairs.insert({a, b});
  }
  if (pairs.size() == n * (n + 1) / 2)
    throw std::invalid_argument("cross_forbidden has all pairs of columns, want one left at least");
}

inline void check_heads(const NetworkConfig& c, bool matrix) {
  if (c.cross_heads < 2 || c.cross_layers == 0) return;
  const std::string heads = "cross_heads is " + std::to_string(c.cross_heads);
  if (!matrix && !c.shared_heads)
    throw std::invalid_argument(heads + " and cross is '" + c.cross +
                                "', want 'matrix', or heads that share their weights");
  bool split = !c.numeric_bins.empty() && c.numeric_width % c.cross_heads == 0;
  for (const FieldConfig& field : c.fields) split = split || field.width % c.cross_heads == 0;
  if (!split)
    throw std::invalid_argument(heads + ", want a divisor of the width of an embedding at least");
}

// of W, which for the most part only the matrix form has
inline void check_structure(const NetworkConfig& c) {
  const bool matrix = c.cross == kMatrixCross.name;
  if (c.cross_symmetric && !matrix)
    throw std::invalid_argument("cross_symmetric is True and cross is '" + c.cross +
                                "', want 'matrix'");
  if (!c.cross_forbidden.empty() && !matrix)
    throw std::invalid_argument("cross_forbidden has pairs and cross is '" + c.cross +
                                "', want 'matrix'");
  check_heads(c, matrix);
  if (!c.cross_forbidden.empty()) check_forbidden(c);
}

// Both parts have a way of their own to the logits, and rows losses of their own.
inline void check_branch_loss(const NetworkConfig& c) {
  if (!c.branch_loss) return;
  if (c.structure != Structure::parallel || c.cross_layers == 0 || c.hidden.empty())
    throw std::invalid_argument(
        "branch_loss is True, want structure 'parallel' with cross layers and hidden layers");
  if (ranks(c.loss))
    throw std::invalid_argument("branch_loss is True and the loss ranks, want another");
}

}  // namespace dcn
