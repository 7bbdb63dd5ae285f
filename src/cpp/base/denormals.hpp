// Numbers below the normal range, which Intel's CPUs take a hundred times longer for: inside the
// engine they are 0, as results and as operands. Dead units, shrunk parameters and sure answers all
// end there, so nothing is lost but the time.
#pragma once

#include <cstdint>

#include "base/shapes.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace dcn {

// The calling thread's arithmetic flushes denormal numbers to 0 until the end of the scope.
class FlushDenormals {
 public:
  FlushDenormals() noexcept : before_(read()) {
    if ((before_ & kFlush) != kFlush) write(before_ | kFlush);
  }
  ~FlushDenormals() {
    if ((before_ & kFlush) != kFlush) write(before_);
  }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  friend class KeepDenormals;
#if defined(__x86_64__) || defined(_M_X64)
  using Control = std::uint32_t;
  static constexpr Control kFlush = 0x8040;  // of MXCSR: results (FTZ) and operands (DAZ)
  static Control read() noexcept { return _mm_getcsr(); }
  static void write(Control control) noexcept { _mm_setcsr(control); }
#elif defined(__aarch64__) && defined(__GNUC__)
  using Control = std::uint64_t;
  static constexpr Control kFlush = std::uint64_t{1} << 24;  // of FPCR: both (FZ)
  static Control read() noexcept {
    Control control;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control;
  }
  static void write(Control control) noexcept { asm volatile("msr fpcr, %0" : : "r"(control)); }
#else
  using Control = std::uint32_t;  // no way to say it: slow, but right
  static constexpr Control kFlush = 0;
  static Control read() noexcept { return 0; }
  static void write(Control) noexcept {}
#endif
  const Control before_;
};

// The opposite, for code of others that the engine calls.
class KeepDenormals {
 public:
  KeepDenormals() noexcept : before_(FlushDenormals::read()) {
    FlushDenormals::write(before_ & ~FlushDenormals::kFlush);
  }
  ~KeepDenormals() { FlushDenormals::write(before_); }
  KeepDenormals(const KeepDenormals&) = delete;
  KeepDenormals& operator=(const KeepDenormals&) = delete;

 private:
  const FlushDenormals::Control before_;
};

}  // namespace dcn
