#include "dispatch/compiled.hpp"

namespace dcn {

namespace scalar {
extern const IsaKernels kernels;
}
namespace scalar_fused {
extern const IsaKernels kernels;
}
#ifdef DCNFAST_HAVE_AVX2
namespace avx2 {
extern const IsaKernels kernels;
}
#endif
#ifdef DCNFAST_HAVE_AVX512
namespace avx512 {
extern const IsaKernels kernels;
}
#endif

namespace {

constexpr CompiledKernels kCompiled = {
    &scalar::kernels,
    &scalar_fused::kernels,
#ifdef DCNFAST_HAVE_AVX2
    &avx2::kernels,
#else
    nullptr,
#endif
#ifdef DCNFAST_HAVE_AVX512
    &avx512::kernels,
#else
    nullptr,
#endif
};

}  // namespace
}  // namespace dcn

const dcn::CompiledKernels* dcnfast_compiled_kernels(void) noexcept { return &dcn::kCompiled; }
