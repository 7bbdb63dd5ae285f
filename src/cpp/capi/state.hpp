// A dict of the document in a model file, read value by value: the counterpart of State in
// dcnfast/plain.py. Every method takes a value out, and throws Failure, naming its place, unless it
// is what is wanted.
#pragma once

#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "capi/failure.hpp"
#include "capi/model_file.hpp"

namespace dcn {

template <class T> inline constexpr Dtype kDtypeOf = Dtype::f64;
template <> inline constexpr Dtype kDtypeOf<float> = Dtype::f32;
template <> inline constexpr Dtype kDtypeOf<std::int64_t> = Dtype::i64;
template <> inline constexpr Dtype kDtypeOf<std::uint8_t> = Dtype::u8;
template <> inline constexpr Dtype kDtypeOf<bool> = Dtype::boolean;

class State {
 public:
  State(const Json& json, const FileArrays& arrays, std::string where = "");

  // Whether there is such a value, and whether it is other than null.
  bool names(const std::string& name) const noexcept { return json_->find(name) != nullptr; }
  bool has(const std::string& name) const noexcept {
    const Json* found = json_->find(name);
    return found != nullptr && !found->is_null();
  }
  bool is_array(const std::string& name) const noexcept;
  bool is_list(const std::string& name) const noexcept {
    const Json* found = json_->find(name);
    return found != nullptr && found->list() != nullptr;
  }

  bool flag(const std::string& name);
  std::string text(const std::string& name);
  std::int64_t integer(const std::string& name, std::int64_t least, std::int64_t most);
  double number(const std::string& name);
  std::vector<std::size_t> integers(const std::string& name, std::int64_t most);
  std::vector<double> numbers(const std::string& name);
  std::vector<std::string> texts(const std::string& name);
  State part(const std::string& name);
  std::vector<State> parts(const std::string& name);
  // The values of a list, whatever they are.
  const JsonList& list(const std::string& name);
  const FileArray& array(const std::string& name);
  // A copy of an array of one type with an axis of any length, or of `size`.
  static constexpr std::size_t kAny = static_cast<std::size_t>(-1);
  template <class T> std::vector<T> vector(const std::string& name, std::size_t size = kAny) {
    const FileArray& found = array(name);
    if (found.dtype != kDtypeOf<T> || found.shape.size() != 1 ||
        (size != kAny && found.size != size))
      refuse_array(name, name_of(kDtypeOf<T>), size);
    return copy<T>(name, found);
  }
  // One of float numbers may have two axes, the second of this length.
  template <class T> std::vector<T> matrix(const std::string& name, std::size_t columns) {
    const FileArray& found = array(name);
    if (found.dtype != kDtypeOf<T> || found.shape.size() != 2 || found.shape[1] != columns)
      refuse_array(name, name_of(kDtypeOf<T>), columns);
    return copy<T>(name, found);
  }
  // A copy of an array of integers of any type without signs.
  std::vector<std::uint64_t> naturals(const std::string& name, std::size_t size = kAny);

  // Forgets values that predictions do not need.
  void skip(std::initializer_list<const char*> names) {
    for (const char* name : names) taken_.insert(name);
  }
  const Json& take(const std::string& name);
  const std::string& where() const noexcept { return where_; }
  std::string within(const std::string& name) const {
    return where_.empty() ? name : where_ + "." + name;
  }
  [[noreturn]] void refuse(const std::string& wanted) const;
  // Refuses what is left: this version would not know what it means.
  void done() const;

 private:
  template <class T> std::vector<T> copy(const std::string& name, const FileArray& found) const {
    std::vector<T> numbers(found.size);
    for (std::size_t i = 0; i < found.size; ++i) {
      T number;
      std::memcpy(&number, found.data + i * sizeof(T), sizeof(T));
      if constexpr (std::is_floating_point_v<T>)
        if (!std::isfinite(number)) refuse_value(name, "finite numbers");
      numbers[i] = number;
    }
    return numbers;
  }
  [[noreturn]] void refuse_value(const std::string& name, const std::string& wanted) const;
  [[noreturn]] void refuse_array(const std::string& name, const char* type, std::size_t size) const;

  const Json* json_;
  const FileArrays* arrays_;
  std::string where_;
  std::set<std::string, std::less<>> taken_;
};

// bools are bytes of 0 and 1
template <>
inline std::vector<bool> State::vector<bool>(const std::string& name, std::size_t size) {
  const FileArray& found = array(name);
  if (found.dtype != Dtype::boolean || found.shape.size() != 1 ||
      (size != kAny && found.size != size))
    refuse_array(name, name_of(Dtype::boolean), size);
  return std::vector<bool>(found.data, found.data + found.size);
}

}  // namespace dcn
