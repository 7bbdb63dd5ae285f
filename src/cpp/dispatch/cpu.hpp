// Which instruction set runs: detect (CPU and operating system), choose, force, describe.
#pragma once

#include <span>
#include <string>

#include "dispatch/kernel_table.hpp"

namespace dcn {

using IsaList = std::span<const IsaKernels* const>;

// Compiled into this build, best first.
IsaList compiled_isas() noexcept;
// For what is the same in all of them: names and properties of kinds.
template <class T> const KernelTable<T>& compiled_kernels() noexcept {
  return table_of<T>(*compiled_isas().front());
}
// Those of them that this CPU and operating system can run, best first.
IsaList available_isas() noexcept;
// The one in use: the best available, until force_isa.
const IsaKernels& active_isa() noexcept;
// The same one with multiply-adds that round once: the vector units have no others, the portable
// code has both.
const IsaKernels& with_fused_fma(const IsaKernels& isa) noexcept;
// Throws std::invalid_argument for a name that is unknown, not compiled in, or not available.
void force_isa(const std::string& name);

}  // namespace dcn
