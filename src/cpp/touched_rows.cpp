#include "touched_rows.hpp"

#include <array>

namespace dcn {

namespace {

// Sorts by the upper half of each key, which is below `limit`, and keeps the order of equal ones.
void radix_sort(std::vector<std::uint64_t>& keys, std::vector<std::uint64_t>& scratch,
                std::size_t limit) {
  constexpr int kBits = 11;
  constexpr std::uint64_t kMask = (1u << kBits) - 1;
  scratch.resize(keys.size());
  for (int shift = 32; shift < 64 && ((limit - 1) >> (shift - 32)) > 0; shift += kBits) {
    std::array<std::size_t, kMask + 2> starts{};
    for (const std::uint64_t key : keys) ++starts[((key >> shift) & kMask) + 1];
    for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
    for (const std::uint64_t key : keys) scratch[starts[(key >> shift) & kMask]++] = key;
    keys.swap(scratch);
  }
}

}  // namespace

void TouchedRows::sort(const std::vector<FieldOfTable>& fields, std::size_t V,
                       const std::int32_t* ids, std::size_t F, const std::int64_t* numbers,
                       std::size_t n) {
  const std::size_t fields_here = fields.size();
  keys_.resize(n * fields_here);
  std::uint64_t* key = keys_.data();
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t* id =
        ids + (numbers != nullptr ? static_cast<std::size_t>(numbers[i]) : i) * F;
    for (std::size_t j = 0; j < fields_here; ++j) {
      const std::uint64_t row =
          fields[j].first_row + static_cast<std::uint64_t>(id[fields[j].number]);
      *key++ = row << 32 | (i * fields_here + j);
    }
  }
  radix_sort(keys_, scratch_, V);
  rows.clear();
  starts.clear();
  occurrences.resize(keys_.size());
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const auto row = static_cast<std::uint32_t>(keys_[i] >> 32);
    if (rows.empty() || rows.back() != row) {
      rows.push_back(row);
      starts.push_back(static_cast<std::uint32_t>(i));
    }
    occurrences[i] = static_cast<std::uint32_t>(keys_[i]);
  }
  starts.push_back(static_cast<std::uint32_t>(keys_.size()));
  counts.resize(rows.size());
  for (std::size_t u = 0; u < rows.size(); ++u) counts[u] = starts[u + 1] - starts[u];
}

}  // namespace dcn
