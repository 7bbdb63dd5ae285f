#include "dispatch/kinds.hpp"

#include <stdexcept>

#include "dispatch/cpu.hpp"

namespace dcn {
namespace {

template <class Number, class K>
Number kind_named(const char* family, const std::string& name, const Kinds<K>& kinds) {
  std::string names;
  for (std::size_t i = 0; i < kinds.size; ++i) {
    if (name == kinds[i].name) return static_cast<Number>(i);
    names += (names.empty() ? "'" : ", '") + std::string(kinds[i].name) + "'";
  }
  throw std::invalid_argument(std::string(family) + " is '" + name + "', want one of " + names);
}

}  // namespace

Activation activation_named(const std::string& name) {
  return kind_named<Activation>("activation", name, compiled_kernels<float>().activations);
}

Loss loss_named(const std::string& name) {
  return kind_named<Loss>("loss", name, compiled_kernels<float>().losses);
}

Optimizer optimizer_named(const std::string& name) {
  return kind_named<Optimizer>("optimizer", name, compiled_kernels<float>().optimizers);
}

Gating gating_named(const std::string& name) {
  if (name == "softmax") return Gating::softmax;
  if (name == "sigmoid") return Gating::sigmoid;
  if (name == "constant") return Gating::constant;
  throw std::invalid_argument("gating is '" + name +
                              "', want one of 'softmax', 'sigmoid', 'constant'");
}

bool keeps_z(Activation activation) noexcept {
  return compiled_kernels<float>().activations[activation].keeps_z;
}

bool wants_classes(Loss loss) noexcept { return compiled_kernels<float>().losses[loss].classes; }

bool ranks(Loss loss) noexcept { return compiled_kernels<float>().losses[loss].list != nullptr; }

// What is called, and not only read, is of an instruction set that the CPU has.
static const LossKernels<float>& callable(Loss loss) noexcept {
  return table_of<float>(active_isa()).losses[loss];
}

std::size_t n_classes(Loss loss, std::size_t C) noexcept { return callable(loss).n_classes(C); }

std::size_t target_width(Loss loss, std::size_t C, std::size_t n_constants) noexcept {
  return callable(loss).target_width(C, n_constants);
}

void check_constants(const char* argument, Loss loss, const std::vector<double>& constants,
                     std::size_t C) {
  const LossKernels<float>& kind = callable(loss);
  if (kind.takes(constants.data(), constants.size(), C)) return;
  std::string numbers;
  for (const double constant : constants)
    numbers += (numbers.empty() ? "" : ", ") + std::to_string(constant);
  throw std::invalid_argument(std::string(argument) + " of '" + kind.name + "' with " +
                              std::to_string(C) + " outputs is (" + numbers + "), want " +
                              kind.constants);
}

}  // namespace dcn
