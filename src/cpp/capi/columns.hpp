// Columns as a caller gives them: one value at a time, whatever arrays it is in.
#pragma once

#include <cmath>
#include <limits>

#include <dcnfast.h>
#include "capi/values.hpp"

namespace dcn {

inline bool has_numbers(const dcnfast_column& c) noexcept {
  return c.doubles != nullptr || c.int64s != nullptr || c.uint64s != nullptr;
}

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

inline Value value_at(const dcnfast_column& c, std::size_t i) noexcept {
  if (is_masked(c, i)) return {};
  if (const char* text = text_at(c, i)) return Value::of(std::string_view(text));
  if (c.doubles != nullptr) return Value::of(c.doubles[i]);
  if (c.int64s != nullptr) return Value::of(c.int64s[i]);
  if (c.uint64s != nullptr) return Value::of(c.uint64s[i]);
  return {};
}

}  // namespace dcn
