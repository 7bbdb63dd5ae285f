// Memory that is watched: a kernel may write neither outside of its rows nor into a parameter's
// neighbours.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>

#include "base/buffer.hpp"
#include "check.hpp"
#include "dispatch/cpu.hpp"

using dcn::ld;
using dcn::padded;

constexpr std::size_t kGuard = 64;
constexpr double kUntouched = 12345;

inline double drawn(std::size_t i) {
  return static_cast<double>((i * 2654435761U >> 7) % 2001) / 1000 - 1;
}

// rows of `width` numbers at stride ld(width), as a tile, or at stride width, as a parameter;
// memory on both sides is marked
template <class T> class Watched {
 public:
  enum Layout { tile, dense };

  Watched(std::size_t rows, std::size_t width, Layout layout, std::size_t seed = 0)
      : rows_(rows), width_(width), stride_(layout == tile ? ld<T>(width) : width),
        writable_(layout == tile ? padded<T>(width) : width), memory_(rows * stride_ + 2 * kGuard) {
    std::fill_n(memory_.data(), memory_.size(), static_cast<T>(kUntouched));
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < writable_; ++c) data()[r * stride_ + c] = T(0);
      for (std::size_t c = 0; c < width && seed > 0; ++c)
        at(r, c) = static_cast<T>(drawn(seed * 7919 + r * width + c));
    }
  }
  T* data() { return memory_.data() + kGuard; }
  T& at(std::size_t r, std::size_t c) { return data()[r * stride_ + c]; }

  bool intact() {
    const auto marked = [&](const T* p, std::size_t n) {
      return std::count(p, p + n, static_cast<T>(kUntouched)) == static_cast<std::ptrdiff_t>(n);
    };
    bool ok = marked(memory_.data(), kGuard) && marked(data() + rows_ * stride_, kGuard);
    for (std::size_t r = 0; r < rows_; ++r)
      ok = ok && marked(data() + r * stride_ + writable_, stride_ - writable_);
    return ok;
  }

 private:
  std::size_t rows_, width_, stride_, writable_;
  dcn::Buffer<T> memory_;
};

template <class T> double tolerance(std::size_t additions) {
  return static_cast<double>(additions + 8) * (sizeof(T) == 4 ? 1.2e-7 : 2.3e-16);
}

template <class F> void on_each_isa(F f) {
  for (const dcn::IsaKernels* isa : dcn::available_isas()) {
    const int before = check::failures;
    f(isa->f32);
    f(isa->f64);
    if (check::failures > before) std::printf("  ... on %s\n", isa->name);
  }
}
