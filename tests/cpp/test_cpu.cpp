// Instruction sets: what is there, and that a wrong name is an error.
#include <stdexcept>
#include <string>

#include "check.hpp"
#include "dispatch/cpu.hpp"

namespace {

std::string error_of_forcing(const std::string& name) {
  try {
    dcn::force_isa(name);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST(isa_available_are_compiled_and_end_with_scalar) {
  CHECK(!dcn::available_isas().empty());
  CHECK(dcn::available_isas().back()->name == std::string("scalar"));
  for (const dcn::IsaKernels* isa : dcn::available_isas()) {
    bool compiled = false;
    for (const dcn::IsaKernels* other : dcn::compiled_isas()) compiled = compiled || other == isa;
    CHECK(compiled);
  }
}

TEST(isa_best_is_active_until_forced) {
  const std::string best = dcn::available_isas().front()->name;
  CHECK(dcn::active_isa().name == best);
  for (const dcn::IsaKernels* isa : dcn::available_isas()) {
    dcn::force_isa(isa->name);
    CHECK(&dcn::active_isa() == isa);
  }
  dcn::force_isa(best);
}

TEST(isa_unknown_name_is_an_error_and_changes_nothing) {
  const dcn::IsaKernels* before = &dcn::active_isa();
  for (const char* name : {"", "sse9", "AVX2", "scalar "}) {
    const std::string error = error_of_forcing(name);
    CHECK(error.find("'" + std::string(name) + "' is unknown to this build") != std::string::npos);
    CHECK(error.find("'scalar'") != std::string::npos);
  }
  CHECK(&dcn::active_isa() == before);
}

TEST(isa_compiled_but_not_supported_says_so) {
  for (const dcn::IsaKernels* isa : dcn::compiled_isas()) {
    bool available = false;
    for (const dcn::IsaKernels* other : dcn::available_isas())
      available = available || other == isa;
    if (!available)
      CHECK(error_of_forcing(isa->name).find("is not supported by this CPU") != std::string::npos);
  }
}

TEST(isa_peak_returns_the_flops_it_ran) {
  for (const dcn::IsaKernels* isa : dcn::available_isas()) {
    const double accumulators = static_cast<double>(isa->tile_rows * isa->tile_vectors);
    CHECK(isa->peak_f32(10) == 2 * 10 * accumulators * 16);
    CHECK(isa->peak_f64(10) == 2 * 10 * accumulators * 8);
  }
}
