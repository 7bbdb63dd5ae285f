#include "capi/statistics.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace dcn {

Statistics::Statistics(State state, const std::vector<std::size_t>& sizes) : sizes_(sizes) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  columns_ = state.integers("outputs", std::int64_t{1} << 31).size() + 1;
  std::int64_t start = 0;
  for (const Json& json : state.list("groups")) {
    const JsonList* fields = json.list();
    if (fields == nullptr || fields->empty() || fields->size() > 2)
      state.refuse("groups of one field or two");
    std::vector<std::size_t> group;
    for (const Json& number : *fields) {
      const auto* found = number.as<std::int64_t>();
      if (found == nullptr || *found < 0 || static_cast<std::size_t>(*found) >= sizes.size())
        state.refuse("groups of fields that there are");
      group.push_back(static_cast<std::size_t>(*found));
    }
    const bool pair = group.size() == 2;
    const auto times = pair ? static_cast<std::int64_t>(sizes[group.back()]) : std::int64_t{1};
    const auto rows = static_cast<std::int64_t>(sizes[group[0]]);
    groups_.push_back({group[0], group.back(), times, pair ? 1 : 0, start});
    if (rows > kMost / times || rows * times > kMost - start)
      state.refuse("groups whose keys have 64 bits");
    start += rows * times;
  }
  if (groups_.empty()) state.refuse("groups");
  keys_ = state.vector<std::int64_t>("keys");
  if (std::adjacent_find(keys_.begin(), keys_.end(), std::greater_equal<>()) != keys_.end())
    state.refuse("keys that ascend");
  table_ = state.matrix<float>("table", columns_);
  if (table_.size() != (keys_.size() + 1) * columns_) state.refuse("a row for each of its keys");
  state.skip({"scaler", "prior", "forgotten"});
  state.done();
}

void Statistics::operator()(double* out, const std::int32_t* ids) const noexcept {
  const auto known = [&](std::size_t field) {  // what came later is unknown
    const auto id = static_cast<std::size_t>(ids[field]);
    return static_cast<std::int64_t>(id < sizes_[field] ? id : 0);
  };
  for (const Group& group : groups_) {
    const std::int64_t key =
        known(group.first) * group.times + known(group.second) * group.is_pair + group.start;
    const auto found = std::lower_bound(keys_.begin(), keys_.end(), key);
    const bool is_there = found != keys_.end() && *found == key;
    const std::size_t row =
        is_there ? static_cast<std::size_t>(found - keys_.begin()) : keys_.size();
    for (std::size_t k = 0; k < columns_; ++k)
      *out++ = static_cast<double>(table_[row * columns_ + k]);
  }
}

}  // namespace dcn
