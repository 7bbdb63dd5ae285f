#include "capi/json.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <locale>
#include <sstream>

#include "capi/failure.hpp"

namespace dcn {
namespace {

constexpr int kDeepest = 64;

void append_utf8(std::string& to, std::uint32_t code) {
  const auto byte = [&to](std::uint32_t bits) { to += static_cast<char>(bits); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) {
    byte(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      byte(0xE0 | code >> 12);
    } else {
      byte(0xF0 | code >> 18);
      byte(0x80 | (code >> 12 & 0x3F));
    }
    byte(0x80 | (code >> 6 & 0x3F));
  }
  byte(0x80 | (code & 0x3F));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  Json whole() {
    Json value = parse(0);
    skip_spaces();
    if (at_ != end_) fail("has something behind its end");
    return value;
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    refuse_file(std::string("the file is damaged: its JSON ") + what);
  }

  void skip_spaces() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  char next() {
    if (at_ == end_) fail("is cut off");
    return *at_++;
  }

  bool takes(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  void want(std::string_view word) {
    for (const char c : word)
      if (next() != c) fail("has a word that is none");
  }

  Json parse(int depth) {
    if (depth > kDeepest) fail("is nested too deeply");
    skip_spaces();
    if (at_ == end_) fail("is cut off");
    switch (*at_) {
      case '{':
        return object(depth);
      case '[':
        return list(depth);
      case '"':
        return {text()};
      case 't':
        want("true");
        return {true};
      case 'f':
        want("false");
        return {false};
      case 'n':
        want("null");
        return {};
      default:
        return number();
    }
  }

  Json object(int depth) {
    auto found = std::make_unique<JsonObject>();
    ++at_;
    skip_spaces();
    for (bool more = !takes('}'); more;) {
      skip_spaces();
      if (at_ == end_ || *at_ != '"') fail("has a value without a name");
      std::string name = text();
      skip_spaces();
      if (!takes(':')) fail("has a name without a value");
      found->emplace_back(std::move(name), parse(depth + 1));
      skip_spaces();
      more = takes(',');
      if (!more && !takes('}')) fail("has an object without an end");
    }
    std::vector<std::string_view> names;
    for (const auto& [name, value] : *found) names.push_back(name);
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end()) fail("has a name twice");
    return {std::move(found)};
  }

  Json list(int depth) {
    auto found = std::make_unique<JsonList>();
    ++at_;
    skip_spaces();
    for (bool more = !takes(']'); more;) {
      found->push_back(parse(depth + 1));
      skip_spaces();
      more = takes(',');
      if (!more && !takes(']')) fail("has a list without an end");
    }
    return {std::move(found)};
  }

  std::string text() {
    std::string found;
    ++at_;
    for (char c = next(); c != '"'; c = next()) {
      if (static_cast<unsigned char>(c) < 0x20) fail("has a control character in a text");
      if (c == '\\')
        escaped(found);
      else
        found += c;
    }
    return found;
  }

  void escaped(std::string& to) {
    static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    const char c = next();
    if (c == 'u') {
      std::uint32_t code = hexadecimal();
      if (code >= 0xD800 && code < 0xDC00 && end_ - at_ >= 6 && at_[0] == '\\' && at_[1] == 'u') {
        const char* const before = at_;
        at_ += 2;
        const std::uint32_t low = hexadecimal();
        if (low >= 0xDC00 && low < 0xE000)
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        else
          at_ = before;
      }
      return append_utf8(to, code);
    }
    const std::size_t place = kLetters.find(c);
    if (place == kLetters.npos) fail("has an escape that there is not");
    to += kMeant[place];
  }

  std::uint32_t hexadecimal() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = next();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("has an escape that there is not");
      code = code << 4 | static_cast<std::uint32_t>(digit);
    }
    return code;
  }

  void digits() {
    if (at_ == end_ || *at_ < '0' || *at_ > '9') fail("has a number that is none");
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
  }

  Json number() {
    const char* const begin = at_;
    const bool negative = takes('-');
    const char* const first = at_;
    digits();
    if (*first == '0' && at_ - first > 1) fail("has a number that is none");
    bool whole = true;
    if (takes('.')) {
      whole = false;
      digits();
    }
    if (takes('e') || takes('E')) {
      whole = false;
      if (!takes('+')) takes('-');
      digits();
    }
    if (whole && at_ - first < 20) return integer(first, negative);
    if (whole && at_ - first == 20 && !negative && std::string_view(first, 20) <= kMostNatural)
      return integer(first, negative);
    return real({begin, at_});
  }

  Json integer(const char* first, bool negative) const {
    std::uint64_t size = 0;
    for (; first != at_; ++first) size = 10 * size + static_cast<std::uint64_t>(*first - '0');
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    if (!negative && size > kMost) return {size};
    if (!negative) return {static_cast<std::int64_t>(size)};
    if (size > kMost + 1) return {-static_cast<double>(size)};
    return {static_cast<std::int64_t>(~size + 1)};
  }

  // Whatever the locale of the program is.
  static Json real(const std::string& text) {
    std::istringstream in(text);
    in.imbue(std::locale::classic());
    double number = 0;
    in >> number;  // of one too large the largest
    if (in.fail()) fail("has a number beyond the range of float64");
    return {number};
  }

  static constexpr std::string_view kMostNatural = "18446744073709551615";

  const char *at_, *end_;
};

}  // namespace

const Json* Json::find(std::string_view name) const noexcept {
  if (const JsonObject* pairs = object())
    for (const auto& [key, value] : *pairs)
      if (key == name) return &value;
  return nullptr;
}

Json parse_json(std::string_view text) { return Parser(text).whole(); }

}  // namespace dcn
