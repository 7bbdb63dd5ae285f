#include "training/coalesced_ids.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "base/thread_pool.hpp"

namespace dcn {

namespace {

constexpr std::size_t kWorthThreads = 1 << 14;  // keys
constexpr int kFewestBits = 4, kMostBits = 11;  // of a digit: its counters stay in L1

// Sorts n keys by their upper halves, which are below `limit`, and keeps the order of equal ones.
// The result is where it says: in keys or in scratch.
const std::uint64_t* radix_sort(std::uint64_t* keys, std::uint64_t* scratch, std::size_t n,
                                std::size_t limit) {
  const int wanted = std::clamp(static_cast<int>(std::bit_width(n)), kFewestBits, kMostBits);
  const int width = static_cast<int>(std::bit_width(limit - 1));
  const int passes = (width + wanted - 1) / wanted;
  const int bits = passes > 0 ? (width + passes - 1) / passes : 0;
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  for (int pass = 0; pass < passes; ++pass) {
    const int shift = 32 + pass * bits;
    std::array<std::uint32_t, (1 << kMostBits) + 1> starts;
    std::fill_n(starts.begin(), mask + 2, 0);
    for (std::size_t i = 0; i < n; ++i) ++starts[((keys[i] >> shift) & mask) + 1];
    for (std::size_t d = 1; d <= mask; ++d) starts[d] += starts[d - 1];
    for (std::size_t i = 0; i < n; ++i) scratch[starts[(keys[i] >> shift) & mask]++] = keys[i];
    std::swap(keys, scratch);
  }
  return keys;
}

std::uint32_t upper(std::uint64_t key) { return static_cast<std::uint32_t>(key >> 32); }

}  // namespace

void TouchedRows::sort(const std::vector<FieldOfTable>& fields, const std::int32_t* ids,
                       std::size_t F, const std::int64_t* numbers, std::size_t n,
                       std::size_t n_threads, const BatchItems* groups) {
  const std::size_t n_fields = fields.size();
  begins_.assign(n_fields + 1, 0);
  for (std::size_t j = 0; j < n_fields; ++j) {
    const std::size_t number = fields[j].number;
    begins_[j + 1] = begins_[j] + (number < F ? n : groups[number - F].ids.size());
  }
  const std::size_t n_keys = begins_.back();
  keys_.resize(n_keys);
  scratch_.resize(n_keys);
  occurrences.resize(n_keys);
  sorted_.resize(n_fields);
  first.assign(n_fields + 1, 0);
  const std::size_t threads = n_keys >= kWorthThreads ? n_threads : 1;
  parallel_for(threads, n_fields, [&](std::size_t j, std::size_t) {
    const std::size_t begin = begins_[j], number = fields[j].number, m = begins_[j + 1] - begin;
    std::uint64_t* keys = keys_.data() + begin;
    if (number < F) {
      const std::int32_t* id = ids + number;
      for (std::size_t i = 0; i < m; ++i) {
        const std::size_t row = numbers != nullptr ? static_cast<std::size_t>(numbers[i]) : i;
        keys[i] = static_cast<std::uint64_t>(id[row * F]) << 32 | (i * n_fields + j);
      }
    } else {
      const std::int32_t* id = groups[number - F].ids.data();
      for (std::size_t i = 0; i < m; ++i) keys[i] = static_cast<std::uint64_t>(id[i]) << 32 | i;
    }
    const std::uint64_t* sorted = radix_sort(keys, scratch_.data() + begin, m, fields[j].rows);
    std::size_t runs = 0;
    for (std::size_t i = 0; i < m; ++i) {
      occurrences[begin + i] = static_cast<std::uint32_t>(sorted[i]);
      runs += i == 0 || upper(sorted[i]) != upper(sorted[i - 1]);
    }
    sorted_[j] = sorted;
    first[j + 1] = runs;
  });
  for (std::size_t j = 0; j < n_fields; ++j) first[j + 1] += first[j];
  rows.resize(first.back());
  starts.resize(first.back() + 1);
  counts.resize(first.back());
  starts.back() = static_cast<std::uint32_t>(n_keys);
  parallel_for(threads, n_fields, [&](std::size_t j, std::size_t) {
    std::size_t u = first[j];
    for (std::size_t i = 0; i < begins_[j + 1] - begins_[j]; ++i) {
      if (i > 0 && upper(sorted_[j][i]) == upper(sorted_[j][i - 1])) continue;
      rows[u] = static_cast<std::uint32_t>(fields[j].first_row + upper(sorted_[j][i]));
      starts[u++] = static_cast<std::uint32_t>(begins_[j] + i);
    }
  });
  for (std::size_t u = 0; u < rows.size(); ++u) counts[u] = starts[u + 1] - starts[u];
}

}  // namespace dcn
