// Kinds by name, and what is known of them without an instruction set.
#pragma once

#include <string>

#include "dispatch/kernel_table.hpp"

namespace dcn {

// Throw std::invalid_argument for a name that is not in the list.
Activation activation_named(const std::string& name);
Loss loss_named(const std::string& name);
Optimizer optimizer_named(const std::string& name);
Gating gating_named(const std::string& name);

// The forward's z is kept for the backward.
bool keeps_z(Activation activation) noexcept;
// The target is a class number a row.
bool wants_classes(Loss loss) noexcept;

}  // namespace dcn
