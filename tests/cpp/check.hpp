// As much of a test framework as these tests need: TEST registers, CHECK counts, main runs them all
// or those whose names contain the first argument.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline int failures = 0;

struct Register {
  Register(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

inline bool that(bool ok, const char* what, const char* file, int line) {
  if (!ok && ++failures <= 20) std::printf("%s:%d: not so: %s\n", file, line, what);
  return ok;
}

// |got - want| <= tolerance, NaN is never near
inline bool near(double got, double want, double tolerance, const char* file, int line) {
  const bool ok = std::abs(got - want) <= tolerance;
  if (!ok && ++failures <= 20)
    std::printf("%s:%d: got %.17g, want %.17g within %.3g\n", file, line, got, want, tolerance);
  return ok;
}

inline int run(int argc, char** argv) {
  int n = 0;
  for (const Test& test : tests()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    const int before = failures;
    try {
      test.body();
    } catch (const std::exception& error) {
      that(false, error.what(), test.name, 0);
    }
    std::printf("%s %s\n", failures == before ? "ok  " : "FAIL", test.name);
    ++n;
  }
  return n > 0 && failures == 0 ? 0 : 1;  // a filter that matches nothing is a mistake
}

}  // namespace check

#define TEST(name)                                           \
  static void name();                                        \
  static const check::Register register_##name(#name, name); \
  static void name()
#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
#define CHECK_NEAR(got, want, tolerance) check::near((got), (want), (tolerance), __FILE__, __LINE__)
