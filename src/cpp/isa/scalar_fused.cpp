// The portable kernels with multiply-adds rounded once, as the vector units do it: the same bits
// as on every other instruction set, slowly where the CPU has no such instruction. This file
// exports one symbol, dcn::scalar_fused::kernels.
#include <math.h>
#include <string.h>
#include <cstddef>
#include <cstdint>

#include "dispatch/kernel_table.hpp"
#include "base/shapes.hpp"

#define DCN_FUSED 1

namespace dcn::scalar_fused {
namespace {
#include "simd/scalar.hpp"
#include "kernels/all.inl"
}  // namespace

extern const IsaKernels kernels;
const IsaKernels kernels = make_kernels("scalar", "portable C++, multiply-adds rounded once");

}  // namespace dcn::scalar_fused
