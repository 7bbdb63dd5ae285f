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
// numpy.interp does, which scaling.py learns with; but the slope may be infinite, between denormal
// numbers. No points: numbers stay as they are.
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
    const double rise = z[j + 1] - z[j], run = x[j + 1] - x[j], slope = rise / run;
    if (std::isinf(slope)) return (number - x[j]) / run * rise + z[j];
    return slope * (number - x[j]) + z[j];
  }
};

// Where a number lies among the edges of its column's bins: which bin, and the share of that bin
// below it. A number beyond the edges stays at the outer one, or goes on in the outer bin.
struct Bins {
  static constexpr double kFarthest = 1e4;  // bins beyond the outer edge

  Knots places;    // edges -> 0 to n; none: the column has no bins
  double unit;     // what numbers are multiplied by, so that differences of edges stay finite
  double missing;  // the place of NaN
  bool goes_on;

  std::size_t count() const noexcept { return places.x.empty() ? 0 : places.x.size() - 1; }

  double operator()(double number) const noexcept {
    if (std::isnan(number)) return missing;
    const double x = number * unit;
    const std::vector<double>& b = places.x;
    const std::size_t n = count();
    if (goes_on && x < b[0]) return std::max((x - b[0]) / (b[1] - b[0]), -kFarthest);
    if (goes_on && x > b[n])
      return places.z[n] + std::min((x - b[n]) / (b[n] - b[n - 1]), kFarthest);
    return places(x);
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
  Bins bins;

  bool has_bins() const noexcept { return bins.count() > 0; }

  double standardise(double number, double farthest, double bend) const noexcept {
    const double inside = number > high ? high : number < low ? low : number;
    double z = (inside * factor - mean) / scale;
    z = z > farthest ? farthest : z < -farthest ? -farthest : z;
    if (bend > 0) z /= std::sqrt(1 + (z / bend) * (z / bend));
    z = std::isnan(number) ? missing : z;
    return constant ? 0 : z;
  }
};

// All numeric columns: P plain ones, and J with bins. Some of them (I) also say whether a number is
// missing.
struct ColumnScales {
  std::vector<ColumnScale> columns;
  std::vector<std::size_t> indicators;
  double farthest;
  double bend;               // 0: numbers go straight up to `farthest`
  std::size_t n_binned = 0;  // J

  std::size_t width() const noexcept { return columns.size() + indicators.size() + n_binned; }

  // x (n,P+J), number j of row i at i * row + j * column -> out (n,P+I+2J): the plain columns, the
  // indicators, and of each column with bins the scaled number and its place
  template <class T>
  void operator()(T* out, const double* x, std::size_t n, std::size_t row,
                  std::size_t column) const noexcept {
    const std::size_t stride = width();
    std::size_t plain = 0, pair = columns.size() - n_binned + indicators.size();
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const ColumnScale& c = columns[j];
      const double* from = x + j * column;
      T* to = out + (c.has_bins() ? pair : plain);
      if (c.knots.x.empty())
        for (std::size_t i = 0; i < n; ++i)
          to[i * stride] = static_cast<T>(c.standardise(from[i * row], farthest, bend));
      else
        for (std::size_t i = 0; i < n; ++i)
          to[i * stride] = static_cast<T>(c.standardise(c.knots(from[i * row]), farthest, bend));
      if (c.has_bins())
        for (std::size_t i = 0; i < n; ++i)
          to[i * stride + 1] = static_cast<T>(c.bins(from[i * row]));
      plain += c.has_bins() ? 0 : 1;
      pair += c.has_bins() ? 2 : 0;
    }
    for (std::size_t k = 0; k < indicators.size(); ++k)
      for (std::size_t i = 0; i < n; ++i)
        out[i * stride + plain + k] = std::isnan(x[i * row + indicators[k] * column]) ? T(1) : T(0);
  }
};

}  // namespace dcn
