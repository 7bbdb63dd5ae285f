// The kernels compiled for: AVX2 + FMA. This file exports one symbol, dcn::avx2::kernels.
// Whatever it includes from the standard library is plain C functions: an inline template would be
// emitted with this file's flags and might be the copy that other files end up calling.
#include <immintrin.h>
#include <math.h>
#include <string.h>
#include <cstddef>
#include <cstdint>

#include "dispatch/kernel_table.hpp"
#include "base/shapes.hpp"

namespace dcn::avx2 {
namespace {
#include "simd/avx2.hpp"
#include "kernels/all.inl"
}  // namespace

extern const IsaKernels kernels;
const IsaKernels kernels = make_kernels("avx2", "AVX2 + FMA");

}  // namespace dcn::avx2
