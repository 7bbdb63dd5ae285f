#include "capi/vocabulary.hpp"

#include <algorithm>
#include <limits>

#include "capi/blake2b.hpp"

namespace dcn {
namespace {

constexpr std::size_t kUnknown = 0, kMissing = 1, kFirst = 2;
constexpr std::size_t kMostRows = std::numeric_limits<std::int32_t>::max();

std::uint64_t mixed(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::uint64_t hash_of(const Value& value) noexcept {
  if (value.is_number()) return mixed(value.bits);
  Blake2b digest(8);
  digest.update(value.characters.data(), value.characters.size());
  return digest.finish()[0];
}

}  // namespace

Vocabulary::Vocabulary(State state, std::size_t buckets) : buckets_(buckets) {
  read_kinds(state);
  state.skip({"counts"});
  if (buckets_ > 0) {
    state.skip({"fractions"});
    state.done();
    if (buckets_ > kMostRows - kFirst) state.refuse("fewer than 2^31 buckets");
    size_ = first_size_ = kFirst + buckets_;
    return;
  }
  const std::vector<Value> values = read_values(state.part("values"));
  std::vector<Value> rare, later;
  if (state.has("infrequent")) rare = read_values(state.part("infrequent"));
  if (state.names("later")) later = read_values(state.part("later"));
  const bool recycles = state.names("uses");  // what is rare may have a row of its own since
  state.skip({"infrequent", "uses"});
  state.done();
  const std::size_t of_rare = kFirst + values.size();
  first_size_ = of_rare + (rare.empty() ? 0 : 1);
  size_ = first_size_ + later.size();
  if (size_ > kMostRows) state.refuse("fewer than 2^31 rows");
  texts_.reserve(values.size() + rare.size() + later.size());
  const auto differ = [&](std::size_t wanted) {
    if (texts_.size() + integers_.size() + naturals_.size() + reals_.size() != wanted)
      state.refuse("values that differ");
  };
  add(values, kFirst, 1);
  add(later, first_size_, 1);
  differ(values.size() + later.size());
  add(rare, of_rare, 0);
  if (!recycles) differ(values.size() + later.size() + rare.size());
  add_intervals(values, kFirst, 1);
  add_intervals(later, first_size_, 1);
  add_intervals(rare, of_rare, 0);
}

void Vocabulary::read_kinds(State& state) {
  const std::vector<std::string> kinds = state.texts("kinds");
  if (kinds.empty()) return;  // nothing is known of it
  takes_texts_ = std::find(kinds.begin(), kinds.end(), "strings") != kinds.end();
  takes_numbers_ = std::find(kinds.begin(), kinds.end(), "numbers") != kinds.end();
  if (!takes_texts_ && !takes_numbers_) state.refuse("kinds 'numbers' or 'strings'");
}

bool Vocabulary::put(const Value& value, std::size_t row) {
  const auto number = static_cast<std::int32_t>(row);
  if (value.kind == Value::text) return texts_.try_emplace(value.characters, number).second;
  auto& to = value.kind == Value::integer   ? integers_
             : value.kind == Value::natural ? naturals_
                                            : reals_;
  return to.try_emplace(value.bits, number).second;
}

void Vocabulary::add(const std::vector<Value>& values, std::size_t first_row, std::size_t step) {
  for (std::size_t i = 0; i < values.size(); ++i) put(values[i], first_row + i * step);
}

// Where a text is a value already, that one counts.
void Vocabulary::add_intervals(const std::vector<Value>& values, std::size_t first_row,
                               std::size_t step) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].kind != Value::text) continue;
    for (std::string& text : texts_of_interval(values[i].characters)) {
      written_otherwise_.push_back(std::move(text));
      if (!put(Value::of(std::string_view(written_otherwise_.back())), first_row + i * step))
        written_otherwise_.pop_back();
    }
  }
}

std::int32_t Vocabulary::row_of(const Value& value) const noexcept {
  if (value.kind == Value::missing) return kMissing;
  if (buckets_ > 0) return static_cast<std::int32_t>(kFirst + hash_of(value) % buckets_);
  if (value.kind == Value::text) {
    const auto found = texts_.find(value.characters);
    return found == texts_.end() ? kUnknown : found->second;
  }
  const auto& in = value.kind == Value::integer   ? integers_
                   : value.kind == Value::natural ? naturals_
                                                  : reals_;
  const auto found = in.find(value.bits);
  return found == in.end() ? kUnknown : found->second;
}

}  // namespace dcn
