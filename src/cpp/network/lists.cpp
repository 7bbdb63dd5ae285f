#include "network/lists.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/shapes.hpp"

namespace dcn {
namespace {

// Bit by bit, in products that every CPU rounds alike: the library's logarithm may not.
double log2_of(double x) {
  double whole = 0, part = 0;
  for (; x >= 2; x /= 2) ++whole;
  for (double bit = 0.5; bit > 1e-17; bit /= 2) {
    x *= x;
    if (x < 2) continue;
    x /= 2;
    part += bit;
  }
  return whole + part;
}

// of the ranks 0, 1, ...
const std::array<double, kLongestList>& discounts() {
  static const std::array<double, kLongestList> table = [] {
    std::array<double, kLongestList> made{};
    for (std::size_t rank = 0; rank < made.size(); ++rank)
      made[rank] = 1 / log2_of(static_cast<double>(rank + 2));
    return made;
  }();
  return table;
}

// 2^y - 1, y at least 0, by the series of exp for what is behind the point
double exponential_gain(double y) {
  if (!std::isfinite(y)) return y;
  const double whole = std::floor(y), x = (y - whole) * 0.69314718055994530942;
  double term = x, rest = 0;
  for (int i = 2; term > 0 && i < 24; ++i) {
    rest += term;
    term *= x / i;
  }
  const double power = std::ldexp(1.0, static_cast<int>(std::clamp(whole, -1023.0, 1023.0)));
  return (power - 1) + power * rest;
}

}  // namespace

template <class T>
void Lists<T>::find(const std::int64_t* group, const std::int64_t* rows, std::size_t n,
                    std::size_t n_threads) {
  (void)discounts();  // made before any thread asks
  pieces_.clear();
  for (std::size_t first = 0; first < n;) {
    std::size_t end = first + 1;
    while (end < n && group[number(rows, end)] == group[number(rows, first)]) ++end;
    const std::size_t size = end - first, parts = (size + kLongestList - 1) / kLongestList;
    for (std::size_t part = 0; part < parts; ++part)
      pieces_.push_back({first + part, parts, (size - part + parts - 1) / parts});
    first = end;
  }
  sums_.assign(pieces_.size(), 0.0);
  constexpr std::size_t most = padded<T>(kLongestList);
  while (scratch_.size() < most_slots(n_threads, tasks()))
    scratch_.push_back({Buffer<T>(most), Buffer<T>(most), Buffer<T>(most), Buffer<T>(most),
                        std::vector<double>(most), std::vector<std::uint32_t>(most)});
}

template <class T>
double Lists<T>::weight_of(const Piece& piece, const T* weight, const std::int64_t* rows) noexcept {
  if (weight == nullptr) return 1;
  double sum = 0;
  for (std::size_t i = 0; i < piece.n; ++i)
    sum += static_cast<double>(weight[number(rows, piece.row(i))]);
  return sum / static_cast<double>(piece.n);
}

// In a unit of the largest, of kinds to which the unit makes no difference: none overflows.
template <class T>
void Lists<T>::fill_gains(Scratch& scratch, const Piece& piece, const Ranking<T>& ranking,
                          const std::int64_t* rows) noexcept {
  double most = 0;
  for (std::size_t i = 0; i < piece.n; ++i) {
    const auto y = static_cast<double>(ranking.target[number(rows, piece.row(i))]);
    scratch.worth[i] = ranking.rule.exponential ? exponential_gain(y) : y;
    most = std::max(most, scratch.worth[i]);
  }
  const double unit = ranking.rule.relative && most > 0 ? most : 1;
  for (std::size_t i = 0; i < piece.n; ++i)
    scratch.gains.data()[i] = static_cast<T>(scratch.worth[i] / unit);
}

template <class T>
void Lists<T>::fill_discounts(Scratch& scratch, std::size_t n, std::size_t k) noexcept {
  const T* scores = scratch.scores.data();
  const auto begin = scratch.order.begin(), end = begin + static_cast<std::ptrdiff_t>(n);
  for (std::size_t i = 0; i < n; ++i) scratch.order[i] = static_cast<std::uint32_t>(i);
  std::sort(begin, end, [scores](std::uint32_t a, std::uint32_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
  });
  for (std::size_t rank = 0; rank < n; ++rank)
    scratch.discounts.data()[scratch.order[rank]] =
        k == 0 || rank < k ? static_cast<T>(discounts()[rank]) : T(0);
}

template <class T> bool Lists<T>::all_finite(const T* numbers, std::size_t n) noexcept {
  return std::all_of(numbers, numbers + n, [](T x) { return std::isfinite(x); });
}

template class Lists<float>;
template class Lists<double>;

}  // namespace dcn
