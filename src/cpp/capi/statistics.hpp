// Means of the target and counts of rows, by category and by pair of categories: the counterpart of
// `Statistics.columns` in dcnfast/encode/target_statistics.py.
#pragma once

#include <cstdint>
#include <vector>

#include "capi/state.hpp"

namespace dcn {

class Statistics {
 public:
  Statistics() = default;
  // of fields with so many rows in the first fit
  Statistics(State state, const std::vector<std::size_t>& sizes);

  // how many numbers a row has
  std::size_t width() const noexcept { return groups_.size() * columns_; }
  // ids (F) of a row -> numbers (width)
  void operator()(double* out, const std::int32_t* ids) const noexcept;

 private:
  struct Group {
    std::size_t first, second;  // fields
    std::int64_t times, is_pair, start;
  };

  std::vector<std::size_t> sizes_;
  std::vector<Group> groups_;
  std::size_t columns_ = 0;  // of each group
  std::vector<std::int64_t> keys_;
  std::vector<float> table_;  // (keys + 1, columns), what is known of no key last
};

}  // namespace dcn
