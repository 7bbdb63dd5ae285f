// From the values of a categorical column to the rows of its table: the counterpart of
// dcnfast/encode/vocabulary.py. Row 0 is for what training has not seen, row 1 for missing.
#pragma once

#include <deque>
#include <string_view>
#include <unordered_map>

#include "capi/values.hpp"

namespace dcn {

class Vocabulary {
 public:
  // With buckets above 0 a value has one of so many rows by its hash, else a row of its own.
  Vocabulary(State state, std::size_t buckets);

  std::int32_t row_of(const Value& value) const noexcept;
  // Whether training saw values of that type.
  bool takes(const Value& value) const noexcept {
    return value.is_number() ? takes_numbers_ : takes_texts_;
  }
  std::size_t size() const noexcept { return size_; }              // rows
  std::size_t first_size() const noexcept { return first_size_; }  // before any value came later
  const char* wanted() const noexcept { return takes_numbers_ ? "numbers" : "texts"; }

 private:
  void read_kinds(State& state);
  void add(const std::vector<Value>& values, std::size_t first_row, std::size_t step);
  void add_intervals(const std::vector<Value>& values, std::size_t first_row, std::size_t step);
  bool put(const Value& value, std::size_t row);

  std::size_t buckets_, size_ = 0, first_size_ = 0;
  bool takes_texts_ = true, takes_numbers_ = true;
  std::unordered_map<std::string_view, std::int32_t> texts_;
  // integers of 64 bits with signs, those beyond, and what is no integer
  std::unordered_map<std::uint64_t, std::int32_t> integers_, naturals_, reals_;
  std::deque<std::string> written_otherwise_;  // texts that are in no file
};

}  // namespace dcn
