// A strict reader of JSON, for the header of a model file and the document in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace dcn {

struct Json;
using JsonList = std::vector<Json>;
using JsonObject = std::vector<std::pair<std::string, Json>>;  // by name, none twice

// Integers of 64 bits are exact, and natural only where they are beyond int64; all other numbers
// are doubles.
struct Json {
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string,
               std::unique_ptr<JsonList>, std::unique_ptr<JsonObject>>
      value;

  bool is_null() const noexcept { return std::holds_alternative<std::monostate>(value); }
  // Null if it is something else.
  template <class T> const T* as() const noexcept { return std::get_if<T>(&value); }
  const JsonList* list() const noexcept {
    const auto* found = as<std::unique_ptr<JsonList>>();
    return found == nullptr ? nullptr : found->get();
  }
  const JsonObject* object() const noexcept {
    const auto* found = as<std::unique_ptr<JsonObject>>();
    return found == nullptr ? nullptr : found->get();
  }
  // The value of an object with this name, or null.
  const Json* find(std::string_view name) const noexcept;
};

// Throws Failure if the text is no JSON, has a name twice, is nested too deeply, or has something
// behind its value but spaces. Half characters, as Python writes them, become three bytes.
Json parse_json(std::string_view text);

}  // namespace dcn
