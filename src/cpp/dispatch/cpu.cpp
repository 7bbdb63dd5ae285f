#include "dispatch/cpu.hpp"

#include <array>
#include <atomic>
#include <stdexcept>

#include "dispatch/compiled.hpp"

#if defined(_MSC_VER) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace dcn {

namespace {

// The features asked for are exactly the compiler flags in CMakeLists.txt. The compiler's check
// also reads XCR0: registers that the operating system does not save are not supported.
#if defined(__GNUC__) && defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#elif defined(_MSC_VER) && defined(_M_X64)
bool os_saves(unsigned long long registers) {
  int leaf1[4];
  __cpuid(leaf1, 1);
  const bool osxsave = (leaf1[2] >> 27) & 1;
  return osxsave && (_xgetbv(0) & registers) == registers;
}
bool has_avx2() {
  int leaf1[4], leaf7[4];
  __cpuid(leaf1, 1);
  __cpuidex(leaf7, 7, 0);
  return os_saves(0x6) && ((leaf1[2] >> 12) & 1) && ((leaf7[1] >> 5) & 1);
}
bool has_avx512() {
  int leaf7[4];
  __cpuidex(leaf7, 7, 0);
  const unsigned want = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);  // F, DQ, BW, VL
  return has_avx2() && os_saves(0xE6) && (static_cast<unsigned>(leaf7[1]) & want) == want;
}
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
#endif

// No vector: active_isa asks for it where no allocation may fail, and threads that the end of the
// process finds at work may still ask.
struct List {
  std::array<const IsaKernels*, 3> isas{};
  std::size_t size = 0;

  explicit List(bool only_available) noexcept {
    const CompiledKernels& compiled = *dcnfast_compiled_kernels();
    const auto add = [&](const IsaKernels* isa, bool available) {
      if (isa != nullptr && (!only_available || available)) isas[size++] = isa;
    };
    add(compiled.avx512, has_avx512());
    add(compiled.avx2, has_avx2());
    add(compiled.scalar, true);
  }
};

std::atomic<const IsaKernels*>& active() noexcept {
  static std::atomic<const IsaKernels*> isa{available_isas().front()};
  return isa;
}

std::string names(IsaList isas) {
  std::string text;
  for (const IsaKernels* isa : isas)
    text += (text.empty() ? "'" : ", '") + std::string(isa->name) + "'";
  return text;
}

}  // namespace

IsaList compiled_isas() noexcept {
  static const List list(false);
  return {list.isas.data(), list.size};
}

IsaList available_isas() noexcept {
  static const List list(true);
  return {list.isas.data(), list.size};
}

const IsaKernels& active_isa() noexcept { return *active().load(std::memory_order_acquire); }

const IsaKernels& with_fused_fma(const IsaKernels& isa) noexcept {
  const CompiledKernels& compiled = *dcnfast_compiled_kernels();
  return &isa == compiled.scalar ? *compiled.scalar_fused : isa;
}

void force_isa(const std::string& name) {
  for (const IsaKernels* isa : available_isas())
    if (name == isa->name) return active().store(isa, std::memory_order_release);
  bool compiled = false;
  for (const IsaKernels* isa : compiled_isas()) compiled = compiled || name == isa->name;
  throw std::invalid_argument(
      "instruction set '" + name + "' " +
      (compiled ? "is not supported by this CPU" : "is unknown to this build") + ", want one of " +
      names(available_isas()));
}

}  // namespace dcn
