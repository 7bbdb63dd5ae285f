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

}  // namespace dcn
