// The kernels compiled for: portable C++. This file exports one symbol, dcn::scalar::kernels.
// Whatever it includes from the standard library is plain C functions: an inline template would be
// emitted with this file's flags and might be the copy that other files end up calling.
#include <math.h>
#include <string.h>
#include <cstddef>
#include <cstdint>

#include "dispatch/kernel_table.hpp"
#include "base/shapes.hpp"

namespace dcn::scalar {
namespace {
#include "simd/scalar.hpp"
#include "kernels/all.inl"
}  // namespace

extern const IsaKernels kernels;
const IsaKernels kernels = make_kernels("scalar", "portable C++");

}  // namespace dcn::scalar
