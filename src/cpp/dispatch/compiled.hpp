// The kernels that were compiled, from wherever they are: in this binary, or in the library of the
// C API beside it, so that a wheel has them once.
#pragma once

#include "dispatch/kernel_table.hpp"

namespace dcn {

struct CompiledKernels {
  const IsaKernels *scalar, *scalar_fused;
  const IsaKernels *avx2, *avx512;  // null where the compiler was told of none
};

}  // namespace dcn

#if defined(__GNUC__)
#define DCN_EXPORTED __attribute__((visibility("default")))
#else
#define DCN_EXPORTED
#endif

extern "C" DCN_EXPORTED const dcn::CompiledKernels* dcnfast_compiled_kernels(void) noexcept;
