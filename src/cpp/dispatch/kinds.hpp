// Kinds by name, and what is known of them without an instruction set.
#pragma once

#include <string>
#include <vector>

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
// Rows are compared with others of their group.
bool ranks(Loss loss) noexcept;
// Of a loss of C outputs: 0 where the target is numbers; the columns of the target.
std::size_t n_classes(Loss loss, std::size_t C) noexcept;
std::size_t target_width(Loss loss, std::size_t C, std::size_t n_constants) noexcept;
// Throws std::invalid_argument, beginning with `argument`, unless the kind has such constants.
void check_constants(const char* argument, Loss loss, const std::vector<double>& constants,
                     std::size_t C);

}  // namespace dcn
