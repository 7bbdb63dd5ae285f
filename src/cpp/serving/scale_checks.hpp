// What scales of numbers must be before they are used, whoever has written them. The functions
// throw std::invalid_argument.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "serving/scale.hpp"

namespace dcn {

inline void check_scale(const ColumnScale& c) {
  const auto finite = [](double number) { return std::isfinite(number); };
  const auto& [x, z] = c.knots;
  if (x.size() != z.size() || !std::all_of(x.begin(), x.end(), finite) ||
      !std::all_of(z.begin(), z.end(), finite) ||
      std::adjacent_find(x.begin(), x.end(), std::greater_equal<>()) != x.end())
    throw std::invalid_argument("ColumnScales: the knots of '" + c.name +
                                "' are no pairs of finite numbers, the first of each ascending");
  if (finite(c.factor) && finite(c.mean) && finite(c.scale) && c.scale != 0 && finite(c.missing) &&
      c.low <= c.high)
    return;
  const auto text = [](double number) {
    std::string digits(32, ' ');
    digits.resize(
        static_cast<std::size_t>(std::snprintf(digits.data(), digits.size(), "%.6g", number)));
    return digits;
  };
  throw std::invalid_argument("ColumnScales: factor, mean, scale and missing of '" + c.name +
                              "' are " + text(c.factor) + ", " + text(c.mean) + ", " +
                              text(c.scale) + " and " + text(c.missing) + ", low is " +
                              text(c.low) + " and high " + text(c.high) +
                              ", want finite numbers, a scale other than 0, and low at most high");
}

// No edges: a column without bins.
inline Bins make_bins(const std::vector<double>& edges, double unit, double missing, bool goes_on) {
  Bins bins{{edges, std::vector<double>(edges.size())}, unit, missing, goes_on};
  for (std::size_t t = 0; t < edges.size(); ++t) bins.places.z[t] = static_cast<double>(t);
  return bins;
}

inline void check_bins(const std::string& name, const Bins& bins) {
  const std::vector<double>& edges = bins.places.x;
  bool ok =
      edges.size() != 1 && std::isfinite(bins.unit) && bins.unit > 0 && std::isfinite(bins.missing);
  for (std::size_t t = 0; t < edges.size(); ++t) {
    ok = ok && std::isfinite(edges[t]);
    const double step = t == 0 ? 1 : edges[t] - edges[t - 1];
    ok = ok && step > 0 && std::isfinite(step) && std::isfinite(1 / step);
  }
  if (!ok)
    throw std::invalid_argument(
        "ColumnScales: the bins of '" + name +
        "' are no two or more ascending edges, the differences of which and 1 "
        "over them are finite, a unit above 0, and a finite place of what is missing");
}

}  // namespace dcn
