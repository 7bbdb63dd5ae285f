#include "capi/state.hpp"

namespace dcn {

State::State(const Json& json, const FileArrays& arrays, std::string where)
    : json_(&json), arrays_(&arrays), where_(std::move(where)) {
  if (json.object() == nullptr) refuse("a dict");
}

bool State::is_array(const std::string& name) const noexcept {
  const Json* found = json_->find(name);
  const Json* mark = found == nullptr ? nullptr : found->find("array");
  return mark != nullptr && found->object()->size() == 1 && mark->as<bool>() != nullptr;
}

const Json& State::take(const std::string& name) {
  const Json* found = json_->find(name);
  if (found == nullptr) refuse_file("the state's " + within(name) + " is missing");
  taken_.insert(name);
  return *found;
}

void State::refuse(const std::string& wanted) const {
  refuse_file("the state's " + (where_.empty() ? "root" : where_) + ": want " + wanted);
}

void State::refuse_value(const std::string& name, const std::string& wanted) const {
  refuse_file("the state's " + within(name) + ": want " + wanted);
}

void State::refuse_array(const std::string& name, const char* type, std::size_t size) const {
  refuse_value(name,
               std::string("an array of ") + type +
                   (size == kAny ? "" : " with " + std::to_string(size) + " columns or rows"));
}

void State::done() const {
  for (const auto& [name, value] : *json_->object())
    if (!taken_.contains(name))
      throw Failure(DCNFAST_UNSUPPORTED, "the state's " + within(name) +
                                             " is not known to this version of the C API, "
                                             "which loads files without it");
}

bool State::flag(const std::string& name) {
  const bool* found = take(name).as<bool>();
  if (found == nullptr) refuse_value(name, "true or false");
  return *found;
}

std::string State::text(const std::string& name) {
  const auto* found = take(name).as<std::string>();
  if (found == nullptr) refuse_value(name, "a text");
  return *found;
}

std::int64_t State::integer(const std::string& name, std::int64_t least, std::int64_t most) {
  const auto* found = take(name).as<std::int64_t>();
  if (found == nullptr || *found < least || *found > most)
    refuse_value(name, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  return *found;
}

static double double_of(const Json& json) {
  if (const auto* number = json.as<double>()) return *number;
  if (const auto* number = json.as<std::int64_t>()) return static_cast<double>(*number);
  if (const auto* number = json.as<std::uint64_t>()) return static_cast<double>(*number);
  return std::nan("");
}

double State::number(const std::string& name) {
  const double found = double_of(take(name));
  if (!std::isfinite(found)) refuse_value(name, "a finite number");
  return found;
}

const JsonList& State::list(const std::string& name) {
  const JsonList* found = take(name).list();
  if (found == nullptr) refuse_value(name, "a list");
  return *found;
}

std::vector<std::size_t> State::integers(const std::string& name, std::int64_t most) {
  std::vector<std::size_t> numbers;
  for (const Json& json : list(name)) {
    const auto* found = json.as<std::int64_t>();
    if (found == nullptr || *found < 0 || *found > most)
      refuse_value(name, "a list of integers from 0 to " + std::to_string(most));
    numbers.push_back(static_cast<std::size_t>(*found));
  }
  return numbers;
}

std::vector<double> State::numbers(const std::string& name) {
  std::vector<double> numbers;
  for (const Json& json : list(name)) {
    numbers.push_back(double_of(json));
    if (!std::isfinite(numbers.back())) refuse_value(name, "a list of finite numbers");
  }
  return numbers;
}

std::vector<std::string> State::texts(const std::string& name) {
  std::vector<std::string> texts;
  for (const Json& json : list(name)) {
    const auto* found = json.as<std::string>();
    if (found == nullptr) refuse_value(name, "a list of texts");
    texts.push_back(*found);
  }
  return texts;
}

State State::part(const std::string& name) { return {take(name), *arrays_, within(name)}; }

std::vector<State> State::parts(const std::string& name) {
  std::vector<State> parts;
  const JsonList& found = list(name);
  for (std::size_t i = 0; i < found.size(); ++i)
    parts.emplace_back(found[i], *arrays_, within(name) + "." + std::to_string(i));
  return parts;
}

const FileArray& State::array(const std::string& name) {
  if (!is_array(name)) refuse_value(name, "an array");
  taken_.insert(name);
  const auto found = arrays_->find(within(name));
  if (found == arrays_->end()) refuse_file("there is no array '" + within(name) + "'");
  return found->second;
}

std::vector<std::uint64_t> State::naturals(const std::string& name, std::size_t size) {
  const FileArray& found = array(name);
  const std::size_t bytes = bytes_of(found.dtype);
  const bool fits = found.dtype == Dtype::u8 || found.dtype == Dtype::u16 ||
                    found.dtype == Dtype::u32 || found.dtype == Dtype::u64;
  if (!fits || found.shape.size() != 1 || (size != kAny && found.size != size))
    refuse_array(name, "integers without signs", size);
  std::vector<std::uint64_t> numbers(found.size, 0);
  for (std::size_t i = 0; i < found.size; ++i)  // little-endian, as this machine is
    std::memcpy(&numbers[i], found.data + i * bytes, bytes);
  return numbers;
}

}  // namespace dcn
