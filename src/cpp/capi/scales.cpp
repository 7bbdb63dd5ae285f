#include "capi/scales.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "serving/scale_checks.hpp"

namespace dcn {
namespace {

constexpr double kFarthest = 1e4, kBend = 3;  // as standardizer.py and robust.py have them
constexpr double kMissingPlace = -1e9;        // among bins, as in bins.py
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Standardizer {
  std::vector<double> mean, scale, factor, lowest, highest;
  std::vector<bool> constant;

  Standardizer(State state, std::size_t M)
      : mean(state.vector<double>("mean", M)), scale(state.vector<double>("scale", M)),
        factor(state.vector<double>("factor", M)), lowest(state.vector<double>("lowest", M)),
        highest(state.vector<double>("highest", M)), constant(state.vector<bool>("constant", M)) {
    state.skip({"low", "high"});
    state.done();
    const auto above_0 = [](double number) { return number > 0; };
    if (!std::all_of(scale.begin(), scale.end(), above_0) ||
        !std::all_of(factor.begin(), factor.end(), above_0))
      state.refuse("scales and factors above 0");
  }
};

// ascending numbers of columns
std::vector<std::size_t> read_columns(State& state, const std::string& name, std::size_t M) {
  std::vector<std::size_t> columns;
  for (const std::int64_t column : state.vector<std::int64_t>(name)) {
    if (column < 0 || static_cast<std::size_t>(column) >= M ||
        (!columns.empty() && static_cast<std::size_t>(column) <= columns.back()))
      state.refuse("ascending columns as its " + name);
    columns.push_back(static_cast<std::size_t>(column));
  }
  return columns;
}

std::vector<std::vector<double>> read_pieces(State state, std::size_t n) {
  const std::vector<std::int64_t> lengths = state.vector<std::int64_t>("lengths", n);
  const std::vector<double> numbers = state.vector<double>("numbers");
  state.done();
  std::vector<std::vector<double>> pieces;
  std::size_t at = 0;
  for (const std::int64_t length : lengths) {
    if (length < 1 || static_cast<std::size_t>(length) > numbers.size() - at)
      state.refuse("lengths whose sum is that of the numbers");
    const auto first = numbers.begin() + static_cast<std::ptrdiff_t>(at);
    pieces.emplace_back(first, first + length);
    at += static_cast<std::size_t>(length);
  }
  if (at != numbers.size()) state.refuse("lengths whose sum is that of the numbers");
  return pieces;
}

using ByColumn = std::map<std::size_t, Knots>;

ByColumn read_ranks(State& state, std::size_t M) {
  ByColumn ranks;
  if (!state.has("ranks")) {
    state.skip({"ranks"});
    return ranks;
  }
  State part = state.part("ranks");
  const std::vector<std::size_t> columns = read_columns(part, "columns", M);
  auto x = read_pieces(part.part("knots"), columns.size());
  auto z = read_pieces(part.part("normal"), columns.size());
  part.done();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (x[i].size() != z[i].size() || !std::is_sorted(z[i].begin(), z[i].end()))
      part.refuse("as many normal numbers as knots");
    ranks[columns[i]] = {std::move(x[i]), std::move(z[i])};
  }
  return ranks;
}

struct BinsOfColumn {
  std::vector<double> edges;
  double unit;
  bool has_gaps;
};

std::map<std::size_t, BinsOfColumn> read_bins(State& state, std::size_t M) {
  std::map<std::size_t, BinsOfColumn> bins;
  if (!state.has("bins")) {
    state.skip({"bins"});
    return bins;
  }
  State part = state.part("bins");
  const std::vector<std::size_t> columns = read_columns(part, "columns", M);
  const std::size_t n = columns.size();
  auto edges = read_pieces(part.part("edges"), n);
  const std::vector<double> units = part.vector<double>("units", n);
  const std::vector<bool> gaps = part.vector<bool>("has_gaps", n);
  part.skip({"effective"});
  part.done();
  for (std::size_t i = 0; i < n; ++i) {
    if (edges[i].size() < 2) part.refuse("two edges or more");
    bins[columns[i]] = {std::move(edges[i]), units[i], gaps[i]};
  }
  return bins;
}

double clamped(double number, double largest) { return std::clamp(number, -largest, largest); }

}  // namespace

Scales Scales::read(State state, std::size_t M, const std::string& scaling, bool clips,
                    double largest) {
  const Standardizer z(state.part("standardizer"), M);
  ByColumn ranks = read_ranks(state, M);
  const std::map<std::size_t, BinsOfColumn> bins = read_bins(state, M);
  const bool as_they_are = scaling.empty();
  Scales scales{{{}, {}, as_they_are ? largest : kFarthest, scaling == "robust_smooth" ? kBend : 0},
                scaling == "log",
                {},
                {}};
  for (std::size_t j = 0; j < M; ++j) {
    ColumnScale c{"number " + std::to_string(j),
                  {},
                  clips ? z.lowest[j] : -kInfinity,
                  clips ? z.highest[j] : kInfinity,
                  z.factor[j],
                  z.mean[j],
                  z.scale[j],
                  0,
                  z.constant[j],
                  {}};
    double usual = z.mean[j] / z.factor[j];
    const auto found = bins.find(j);
    if (as_they_are) {
      const bool gaps = found != bins.end() && found->second.has_gaps;
      c.missing = gaps ? 0 : clamped(usual, largest);
      c.factor = c.scale = 1;
      c.mean = 0;
      c.constant = false;
    }
    if (const auto knots = ranks.find(j); knots != ranks.end()) {
      c.knots = std::move(knots->second);
      usual = Knots{c.knots.z, c.knots.x}(usual);
    }
    check_scale(c);
    if (found != bins.end()) {
      const auto& [edges, unit, has_gaps] = found->second;
      c.bins = make_bins(edges, unit, kMissingPlace, !clips);
      check_bins(c.name, c.bins);
      if (!has_gaps) c.bins.missing = c.bins.places(usual * unit);
      check_bins(c.name, c.bins);
      ++scales.columns.n_binned;
    }
    scales.columns.columns.push_back(std::move(c));
  }
  scales.columns.indicators = read_columns(state, "indicators", M);
  for (const std::size_t j : scales.columns.indicators)
    if (bins.contains(j)) state.refuse("indicators of columns without bins");
  scales.lowest = state.vector<double>("low", scales.columns.width());
  scales.highest = state.vector<double>("high", scales.columns.width());
  state.done();
  for (double& number : scales.lowest) number = clamped(number, largest);
  for (double& number : scales.highest) number = clamped(number, largest);
  return scales;
}

template <class T> void Scales::clip(T* row) const noexcept {
  const std::size_t first = lowest.size() - 2 * columns.n_binned;
  for (std::size_t j = 0; j < lowest.size(); ++j) {
    if (j >= first && row[first + ((j - first) | 1)] == static_cast<T>(kMissingPlace)) {
      if ((j - first) % 2 == 0) row[j] = 0;
      continue;
    }
    const auto number = static_cast<double>(row[j]);
    row[j] = static_cast<T>(number > highest[j]  ? highest[j]
                            : number < lowest[j] ? lowest[j]
                                                 : number);
  }
}

template void Scales::clip(float*) const noexcept;
template void Scales::clip(double*) const noexcept;

}  // namespace dcn
