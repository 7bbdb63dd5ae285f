// What a description of a network must be before one is made of it, whoever has written it.
#pragma once

#include <string>

#include "network/config.hpp"
#include "network/cross/cross.hpp"
#include "network/numeric/numeric.hpp"

namespace dcn {

// Throws std::invalid_argument, naming what is wrong and what is wanted.
void check_config(const NetworkConfig& config);

// By name, which std::invalid_argument refuses if there is none such.
NumericKind numeric_kind(const std::string& name);
CrossKind cross_kind(const std::string& name);
Pooling pooling_named(const std::string& name);
Structure structure_named(const std::string& name);
EmbeddingPenalty embedding_penalty_named(const std::string& name);
SparseAdam sparse_adam_named(const std::string& name);
Deterministic deterministic_named(const std::string& name);

}  // namespace dcn
