// Checks of what a network is told of its fields and its parts.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "bindings/arrays.hpp"
#include "network/config.hpp"

namespace dcn {

// Each field has rows of its own, or those of a field before it that has the same shape.
inline void check_table_of(const NetworkConfig& c) {
  const std::size_t F = c.fields.size();
  if (!c.table_of.empty() && c.table_of.size() != F)
    throw py::value_error("table_of has " + std::to_string(c.table_of.size()) + " numbers, want " +
                          std::to_string(F) + ", as many as fields");
  for (std::size_t f = 0; f < F; ++f) {
    const std::size_t owner = c.table_owner(f);
    const FieldConfig& field = c.fields[f];
    if (owner > f || !c.owns_table(owner) || c.fields[owner].rows != field.rows ||
        c.fields[owner].width != field.width)
      throw py::value_error("table_of is " + std::to_string(owner) + " for field '" + field.name +
                            "', want its own number, or that of a field before it with as many "
                            "rows and columns, which has rows of its own");
  }
}

// Both parts have a way of their own to the logits, and rows losses of their own.
inline void check_branch_loss(const NetworkConfig& c) {
  if (!c.branch_loss) return;
  if (c.structure != Structure::parallel || c.cross_layers == 0 || c.hidden.empty())
    throw py::value_error(
        "branch_loss is True, want structure 'parallel' with cross layers and hidden layers");
  if (ranks(c.loss)) throw py::value_error("branch_loss is True and the loss ranks, want another");
}

}  // namespace dcn
