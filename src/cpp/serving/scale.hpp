// Stage 1, numbers: what a numeric column of the table is to the network. Tables and single rows
// are scaled here and nowhere else.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace dcn {

// A line through points (x, z), constant beyond the first and the last; x ascends. It rounds as
// numpy.interp does, which scaling.py learns with. No points: numbers stay as they are.
struct Knots {
  std::vector<double> x, z;

  double operator()(double number) const noexcept {
    if (std::isnan(number)) return number;
    if (number <= x.front()) return z.front();
    if (number >= x.back()) return z.back();
    // The last x that is not above: no branch depends on the number, which may be any.
    const double* below = x.data();
    for (std::size_t left = x.size(); left > 1;) {
      const std::size_t half = left / 2;
      below = below[half] <= number ? below + half : below;
      left -= half;
    }
    const auto j = static_cast<std::size_t>(below - x.data());
    if (number == x[j]) return z[j];
    return (z[j + 1] - z[j]) / (x[j + 1] - x[j]) * (number - x[j]) + z[j];
  }
};

// Interpolated, clipped to low and high, times factor, minus mean, over scale, cut at `farthest`,
// and bent so that no number is beyond `bend` where there is one; NaN becomes `missing`, and every
// number of a constant column 0.
struct ColumnScale {
  std::string name;
  Knots knots;
  double low, high;
  double factor, mean, scale;
  double missing;
  bool constant;

  double standardise(double number, double farthest, double bend) const noexcept {
    const double inside = number > high ? high : number < low ? low : number;
    double z = (inside * factor - mean) / scale;
    z = z > farthest ? farthest : z < -farthest ? -farthest : z;
    if (bend > 0) z /= std::sqrt(1 + (z / bend) * (z / bend));
    z = std::isnan(number) ? missing : z;
    return constant ? 0 : z;
  }
};

// All numeric columns (M), and those of them (I) that say as well whether a number is missing.
struct ColumnScales {
  std::vector<ColumnScale> columns;
  std::vector<std::size_t> indicators;
  double farthest;
  double bend;  // 0: numbers go straight up to `farthest`

  std::size_t width() const noexcept { return columns.size() + indicators.size(); }

  // x (n,M), number j of row i at i * row + j * column -> out (n,M+I)
  template <class T>
  void operator()(T* out, const double* x, std::size_t n, std::size_t row,
                  std::size_t column) const noexcept {
    const std::size_t stride = width();
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const ColumnScale& c = columns[j];
      const double* from = x + j * column;
      if (c.knots.x.empty())
        for (std::size_t i = 0; i < n; ++i)
          out[i * stride + j] = static_cast<T>(c.standardise(from[i * row], farthest, bend));
      else
        for (std::size_t i = 0; i < n; ++i)
          out[i * stride + j] =
              static_cast<T>(c.standardise(c.knots(from[i * row]), farthest, bend));
    }
    for (std::size_t k = 0; k < indicators.size(); ++k)
      for (std::size_t i = 0; i < n; ++i)
        out[i * stride + columns.size() + k] =
            std::isnan(x[i * row + indicators[k] * column]) ? T(1) : T(0);
  }
};

}  // namespace dcn
