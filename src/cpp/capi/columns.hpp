// Columns as a caller gives them: one value at a time, whatever arrays it is in.
#pragma once

#include <cmath>
#include <limits>

#include <dcnfast.h>
#include "capi/values.hpp"

namespace dcn {

inline bool is_masked(const dcnfast_column& c, std::size_t i) noexcept {
  return c.missing != nullptr && c.missing[i] != 0;
}

inline const char* text_at(const dcnfast_column& c, std::size_t i) noexcept {
  return c.texts == nullptr || is_masked(c, i) ? nullptr : c.texts[i];
}

// NaN where there is none.
inline double number_at(const dcnfast_column& c, std::size_t i) noexcept {
  if (is_masked(c, i)) return std::numeric_limits<double>::quiet_NaN();
  if (c.doubles != nullptr) return c.doubles[i];
  if (c.int64s != nullptr) return static_cast<double>(c.int64s[i]);
  if (c.uint64s != nullptr) return static_cast<double>(c.uint64s[i]);
  return std::numeric_limits<double>::quiet_NaN();
}

// Of a list item i, whatever row it is in.
inline Value item_at(const dcnfast_column& c, std::size_t i) noexcept {
  if (c.missing_items != nullptr && c.missing_items[i] != 0) return {};
  if (c.texts != nullptr && c.texts[i] != nullptr) return Value::of(std::string_view(c.texts[i]));
  if (c.doubles != nullptr) return Value::of(c.doubles[i]);
  if (c.int64s != nullptr) return Value::of(c.int64s[i]);
  if (c.uint64s != nullptr) return Value::of(c.uint64s[i]);
  return {};
}

inline Value value_at(const dcnfast_column& c, std::size_t i) noexcept {
  return is_masked(c, i) ? Value() : item_at(c, i);
}

}  // namespace dcn
