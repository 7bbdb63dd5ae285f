// The C API and what it reads files with, under sanitizers as well: broken files are errors.
#include <dcnfast.h>

#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

#include "capi/blake2b.hpp"
#include "capi/failure.hpp"
#include "capi/json.hpp"
#include "capi/values.hpp"
#include "check.hpp"

namespace dcn {
namespace {

bool is_refused(const std::string& text) {
  try {
    parse_json(text);
    return false;
  } catch (const Failure& failure) {
    return failure.status == DCNFAST_BAD_FILE;
  }
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(capi_json_values) {
  const Json json =
      parse_json(R"( {"a": [1, -2.5e1, true, null, "\u00fc\ud83d\ude00\n"], "b": {}} )");
  const JsonList& list = *json.find("a")->list();
  CHECK(list.size() == 5 && *list[0].as<std::int64_t>() == 1 && *list[1].as<double>() == -25);
  CHECK(*list[2].as<bool>() && list[3].is_null());
  CHECK(*list[4].as<std::string>() == "\xc3\xbc\xf0\x9f\x98\x80\n");
  CHECK(json.find("b")->object()->empty() && json.find("c") == nullptr);
  CHECK(*parse_json("18446744073709551615").as<std::uint64_t>() == ~std::uint64_t{0});
  CHECK(*parse_json("-9223372036854775808").as<std::int64_t>() == INT64_MIN);
  CHECK(*parse_json("18446744073709551616").as<double>() == 0x1p64);
}

TEST(capi_json_that_is_none) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[",
                           "[1",
                           "[1,",
                           "[1,]",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,}",
                           "{1:2}",
                           "\"",
                           "\"\\",
                           "\"\\u12",
                           "\"\\x\"",
                           "\"\n\"",
                           "01",
                           "-",
                           "1.",
                           ".5",
                           "1e",
                           "+1",
                           "1 2",
                           "nul",
                           "NaN",
                           "Infinity",
                           "1e999",
                           "{\"a\":1,\"a\":2}",
                           "]"})
    CHECK(is_refused(text));
  CHECK(is_refused(std::string(1'000'000, '[')));
  CHECK(!is_refused(std::string(60, '[') + std::string(60, ']')));
}

TEST(capi_digests) {
  Blake2b abc(32);
  abc.update("abc", 3);
  CHECK(digest_digits(abc) == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  const std::string text(1000, 'x');
  Blake2b whole(32), pieces(32);
  whole.update(text.data(), text.size());
  for (std::size_t at = 0, n = 1; at < text.size(); at += n, n = std::min(2 * n, text.size() - at))
    pieces.update(text.data() + at, std::min(n, text.size() - at));
  CHECK(digest_digits(whole) == digest_digits(pieces));
}

TEST(capi_texts_of_numbers) {
  CHECK(python_text(0.1) == "0.1" && python_text(-0.0) == "-0.0" && python_text(30) == "30.0");
  CHECK(python_text(1e16) == "1e+16" && python_text(1e-5) == "1e-05" &&
        python_text(1e15) == "1000000000000000.0");
  CHECK(python_text(0.0001) == "0.0001" && python_text(123.456) == "123.456");
  CHECK(python_text(5e-324) == "5e-324" && python_text(2.5e-7) == "2.5e-07");
  const std::vector<std::string> texts = texts_of_interval("(-1.50, 30]");
  CHECK(texts.size() == 2 && texts[0] == "(-1.5, 30]" && texts[1] == "(-1.5, 30.0]");
  CHECK(texts_of_interval("(a, b]").empty() && texts_of_interval("(1,2]").empty() &&
        texts_of_interval("[").empty() && texts_of_interval("(, ]").empty());
}

// Models that Python has saved: they load and score; cut or with a flipped byte they do not.
TEST(capi_broken_files) {
  const std::string broken = "broken.dcn";
  for (const char* name : {"v1_classes", "v1_classifier", "v1_regressor", "v1_targets"}) {
    const std::string path = std::string(GOLDEN) + "/" + name + ".dcn", whole = bytes_of(path);
    dcnfast_model* model = nullptr;
    CHECK(dcnfast_load(path.c_str(), &model) == DCNFAST_OK);
    if (model == nullptr) continue;
    const std::vector<double> numbers(5, 0.5);
    dcnfast_column column{};
    column.doubles = numbers.data();
    const std::vector<dcnfast_column> columns(dcnfast_n_columns(model), column);
    std::vector<double> out(5 * dcnfast_n_outputs(model), -1e300);
    const dcnfast_status status =
        dcnfast_score(model, 5, columns.data(), columns.size(), 2, out.data());
    CHECK(status == DCNFAST_OK || status == DCNFAST_BAD_VALUE);  // numbers where there were texts
    CHECK(dcnfast_score(model, 5, columns.data(), columns.size() + 1, 2, out.data()) ==
          DCNFAST_BAD_ARGUMENT);
    dcnfast_free(model);
    for (std::size_t i = 0; i < 200; ++i) {
      std::string bytes = whole;
      const std::size_t at = i * 7919 % whole.size();
      if (i % 2 == 0)
        bytes.resize(at);
      else
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << i % 8));
      std::ofstream(broken, std::ios::binary) << bytes;
      CHECK(dcnfast_load(broken.c_str(), &model) == DCNFAST_BAD_FILE && model == nullptr);
      CHECK(*dcnfast_error_message() != '\0');
    }
  }
  std::remove(broken.c_str());
}

TEST(capi_arguments) {
  dcnfast_model* model = nullptr;
  CHECK(dcnfast_load("there/is/no/such.dcn", &model) == DCNFAST_CANNOT_READ);
  CHECK(dcnfast_load(nullptr, &model) == DCNFAST_BAD_ARGUMENT);
  CHECK(dcnfast_load("x", nullptr) == DCNFAST_BAD_ARGUMENT);
  CHECK(dcnfast_score(nullptr, 1, nullptr, 0, 1, nullptr) == DCNFAST_BAD_ARGUMENT);
  CHECK(dcnfast_n_columns(nullptr) == 0 && dcnfast_column_name(nullptr, 0) == nullptr);
  CHECK(dcnfast_n_outputs(nullptr) == 0 && dcnfast_output_name(nullptr, 0) == nullptr);
  CHECK(dcnfast_api_version() == DCNFAST_API_VERSION);
  dcnfast_free(nullptr);
}

}  // namespace
}  // namespace dcn
