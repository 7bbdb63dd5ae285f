#include "capi/values.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>

namespace dcn {
namespace {

constexpr std::uint64_t kMostInteger = std::numeric_limits<std::int64_t>::max();

// Kinds of values in a file, by number.
enum FileKind : std::size_t { kBool, kInt, kFloat, kStr };
constexpr const char* kFileKinds[] = {"bool", "int", "float", "str"};

struct Values {
  bool labelled = false;
  std::vector<Value> values;
  std::vector<std::string> labels;  // of each, if labelled
};

template <class Label> void add(Values& to, Value value, Label&& label) {
  to.values.push_back(value);
  if (to.labelled) to.labels.push_back(label());
}

template <class T> void add_integers(Values& to, const FileArray& array) {
  for (std::size_t i = 0; i < array.size; ++i) {
    T number;
    std::memcpy(&number, array.data + i * sizeof(T), sizeof(T));
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    add(to, Value::of(static_cast<Wide>(number)), [&] { return std::to_string(number); });
  }
}

void read_integers(Values& to, State& state) {
  if (state.is_list("int")) {
    for (const Json& json : state.list("int")) {
      if (const auto* number = json.as<std::int64_t>())
        add(to, Value::of(*number), [&] { return std::to_string(*number); });
      else if (const auto* natural = json.as<std::uint64_t>())
        add(to, Value::of(*natural), [&] { return std::to_string(*natural); });
      else
        state.refuse("integers of 64 bits");
    }
    return;
  }
  const FileArray& array = state.array("int");
  if (array.shape.size() != 1) state.refuse("integers in one row");
  switch (array.dtype) {
    case Dtype::u8:
      return add_integers<std::uint8_t>(to, array);
    case Dtype::i8:
      return add_integers<std::int8_t>(to, array);
    case Dtype::u16:
      return add_integers<std::uint16_t>(to, array);
    case Dtype::i16:
      return add_integers<std::int16_t>(to, array);
    case Dtype::u32:
      return add_integers<std::uint32_t>(to, array);
    case Dtype::i32:
      return add_integers<std::int32_t>(to, array);
    case Dtype::u64:
      return add_integers<std::uint64_t>(to, array);
    case Dtype::i64:
      return add_integers<std::int64_t>(to, array);
    default:
      state.refuse("integers");
  }
}

void read_floats(Values& to, State& state) {
  const FileArray& array = state.array("float");
  if (array.dtype != Dtype::f64 || array.shape.size() != 1) state.refuse("floats of 64 bits");
  for (std::size_t i = 0; i < array.size; ++i) {
    double number;
    std::memcpy(&number, array.data + i * sizeof number, sizeof number);
    if (std::isnan(number)) state.refuse("floats that are not NaN");
    add(to, Value::of(number), [&] { return python_text(number); });
  }
}

// Lengths are counted in characters.
void read_strings(Values& to, State state) {
  const std::vector<std::uint64_t> lengths = state.naturals("lengths");
  const FileArray& text = state.array("text");
  if (text.dtype != Dtype::u8 || text.shape.size() != 1) state.refuse("a text of bytes");
  state.done();
  const auto* const characters = reinterpret_cast<const char*>(text.data);
  const auto continues = [&](std::size_t i) {
    return i < text.size && (text.data[i] & 0xC0) == 0x80;
  };
  std::size_t at = 0;
  for (const std::uint64_t length : lengths) {
    const std::size_t first = at;
    for (std::uint64_t i = 0; i < length; ++i) {
      if (at >= text.size) state.refuse("lengths whose sum is that of the text");
      for (++at; continues(at);) ++at;
    }
    const std::string_view value(characters + first, at - first);
    add(to, Value::of(value), [&] { return std::string(value); });
  }
  if (at != text.size) state.refuse("lengths whose sum is that of the text");
}

void read_kind(Values& to, State& state, std::size_t kind) {
  if (kind == kStr) return read_strings(to, state.part("str"));
  if (kind == kInt) return read_integers(to, state);
  if (kind == kFloat) return read_floats(to, state);
  const std::vector<std::uint8_t> bits = state.vector<std::uint8_t>("bool");
  for (const std::uint8_t bit : bits) {
    if (bit > 1) state.refuse("bools of 0 and 1");
    add(to, Value::of(std::int64_t{bit}), [&] { return std::string(bit != 0 ? "True" : "False"); });
  }
}

bool parse_decimal(std::string text, double& number) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.erase(0, 1);
  std::string small;
  for (const char c : text) small += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (small == "inf" || small == "infinity") {
    number = std::numeric_limits<double>::infinity();
  } else if (small == "nan") {
    number = std::numeric_limits<double>::quiet_NaN();
  } else {
    if (small.empty() || small.find_first_not_of("0123456789.e+-") != small.npos) return false;
    std::istringstream in(small);
    in.imbue(std::locale::classic());
    if (!(in >> number) || in.peek() != std::istringstream::traits_type::eof()) return false;
  }
  if (negative) number = -number;
  return true;
}

// With so many significant digits; the locale of the program does not matter.
std::string scientific(double number, int digits) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::scientific;
  out.precision(digits - 1);
  out << number;
  return out.str();
}

// A whole number without its decimal point.
std::string short_text(double number) {
  if (!std::isfinite(number) || number != std::floor(number)) return python_text(number);
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::fixed;
  out.precision(0);
  out << (number == 0 ? 0.0 : number);
  return out.str();
}

}  // namespace

Value Value::of(std::uint64_t number) {
  return {number > kMostInteger ? Kind::natural : Kind::integer, {}, number};
}

Value Value::of(double number) {
  if (std::isnan(number)) return {};
  if (number >= -0x1p63 && number < 0x1p64 && number == std::floor(number)) {
    if (number < 0x1p63) return of(static_cast<std::int64_t>(number));
    return of(static_cast<std::uint64_t>(number));
  }
  return {Kind::real, {}, std::bit_cast<std::uint64_t>(number)};
}

std::vector<Value> read_values(State state, std::vector<std::string>* labels) {
  const auto n = static_cast<std::size_t>(state.integer("size", 0, std::int64_t{1} << 40));
  Values all{labels != nullptr, {}, {}};
  if (!state.is_array("kinds")) {
    read_kind(all, state, static_cast<std::size_t>(state.integer("kinds", kBool, kStr)));
    if (all.values.size() != n) state.refuse("as many values as its size says");
  } else {
    const std::vector<std::uint64_t> kinds = state.naturals("kinds", n);
    Values of_kinds[std::size(kFileKinds)];
    std::size_t used[std::size(kFileKinds)] = {};
    for (std::size_t kind = 0; kind < std::size(kFileKinds); ++kind) {
      of_kinds[kind].labelled = all.labelled;
      if (state.has(kFileKinds[kind])) read_kind(of_kinds[kind], state, kind);
    }
    for (const std::uint64_t kind : kinds) {
      if (kind >= std::size(kFileKinds) || used[kind] == of_kinds[kind].values.size())
        state.refuse("as many values of each kind as its kinds say");
      const std::size_t i = used[kind]++;
      add(all, of_kinds[kind].values[i], [&] { return std::move(of_kinds[kind].labels[i]); });
    }
    for (std::size_t kind = 0; kind < std::size(kFileKinds); ++kind)
      if (used[kind] != of_kinds[kind].values.size())
        state.refuse("as many values of each kind as its kinds say");
  }
  state.done();
  if (labels != nullptr) *labels = std::move(all.labels);
  return std::move(all.values);
}

std::string python_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::string text;
  for (int digits = 1; digits <= 17; ++digits) {
    text = scientific(number, digits);
    double again = 0;
    if (parse_decimal(text, again) && again == number) break;
  }
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  std::string sign = text[0] == '-' ? "-" : "", digits;
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  if (exponent < -4 || exponent >= 16) {
    const std::string size = std::to_string(std::abs(exponent));
    const std::string rest = digits.size() > 1 ? "." + digits.substr(1) : "";
    return sign + digits[0] + rest + (exponent < 0 ? "e-" : "e+") + (size.size() < 2 ? "0" : "") +
           size;
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto before = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= before)
    return sign + digits + std::string(before - digits.size(), '0') + ".0";
  return sign + digits.substr(0, before) + "." + digits.substr(before);
}

std::vector<std::string> texts_of_interval(std::string_view text) {
  const std::size_t comma = text.find(", ");
  if (text.size() < 5 || (text[0] != '(' && text[0] != '[') || comma == text.npos ||
      (text.back() != ')' && text.back() != ']'))
    return {};
  double left = 0, right = 0;
  if (!parse_decimal(std::string(text.substr(1, comma - 1)), left) ||
      !parse_decimal(std::string(text.substr(comma + 2, text.size() - comma - 3)), right))
    return {};
  const std::string opening(1, text[0]), closing(1, text.back());
  return {opening + short_text(left) + ", " + short_text(right) + closing,
          opening + python_text(left) + ", " + python_text(right) + closing};
}

}  // namespace dcn
