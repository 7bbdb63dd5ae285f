// Values of categorical columns: those of a model file, and those of a caller.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "capi/state.hpp"

namespace dcn {

// A value as categories are compared: a whole number is an integer whatever its type was, 1.0 and
// true are 1; NaN is missing.
struct Value {
  enum Kind { missing, text, integer, natural, real };  // natural: beyond int64
  Kind kind = missing;
  std::string_view characters = {};  // UTF-8, in memory of somebody else
  std::uint64_t bits = 0;            // of numbers; an integer's two's complement, a real's float64

  static Value of(std::string_view text) { return {Kind::text, text, 0}; }
  static Value of(std::int64_t number) {
    return {Kind::integer, {}, static_cast<std::uint64_t>(number)};
  }
  static Value of(std::uint64_t number);
  static Value of(double number);

  bool is_number() const noexcept { return kind >= integer; }
};

// What values_state of dcnfast/encode/saved_values.py has written; texts stay in the file. `labels`
// receives, if asked for, what Python's str() says of each.
std::vector<Value> read_values(State state, std::vector<std::string>* labels = nullptr);

// As Python's repr() writes a float.
std::string python_text(double number);

// Other ways to write a text if it is that of an interval of numbers: (0, 30] is (0.0, 30.0].
std::vector<std::string> texts_of_interval(std::string_view text);

}  // namespace dcn
