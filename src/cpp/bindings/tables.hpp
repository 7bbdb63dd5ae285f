// Arrays of a caller as a table that the engine reads: shapes, ids and classes are checked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bindings/arrays.hpp"
#include "network/network.hpp"

namespace dcn {

using Ids = Array<std::int32_t>;

// What a network wants of its rows.
template <class T> class TableChecks {
 public:
  // Of a network that outlives it.
  explicit TableChecks(const NetworkConfig& config) : config_(config) {
    for (const FieldConfig& field : config.fields) fields_.push_back({field.name, field.rows});
  }

  std::size_t n_fields() const noexcept { return fields_.size(); }
  // ids (F) of one row
  void check_row(const std::int32_t* ids) const { check_row_of_ids("row", ids, 0, fields_); }

  // ids (N,F), dense (N,M)
  Table<T> rows(const char* function, const Ids& ids, const Array<T>& dense) const {
    check_shape(function, "dense", dense,
                {{"N"}, {"M", static_cast<py::ssize_t>(config_.n_dense)}});
    check_ids(function, ids, fields_, dense.shape(0));
    return {ids.data(), dense.data(), nullptr, nullptr, static_cast<std::size_t>(dense.shape(0))};
  }

  // and target (N,C), weight (N)
  Table<T> table(const char* function, const Ids& ids, const Array<T>& dense,
                 const Array<T>& target, const std::optional<Array<T>>& weight) const {
    Table<T> table = rows(function, ids, dense);
    const bool classes = wants_classes(config_.loss);
    const auto width = static_cast<py::ssize_t>(config_.target_width());
    check_shape(function, "target", target, {{"N", dense.shape(0)}, {classes ? "1" : "C", width}});
    if (classes) check_classes(function, target);
    table.target = target.data();
    if (weight.has_value()) {
      check_shape(function, "weight", *weight, {{"N", dense.shape(0)}});
      table.weight = weight->data();
    }
    return table;
  }

 private:
  void check_classes(const char* function, const Array<T>& target) const {
    const T* y = target.data();
    const std::size_t n_classes = config_.n_outputs;
    for (py::ssize_t i = 0; i < target.shape(0); ++i)
      if (!is_class(y[i], n_classes))
        throw py::index_error(std::string(function) + ": target[" + std::to_string(i) +
                              "] is class " + std::to_string(y[i]) + ", want 0 to " +
                              std::to_string(n_classes - 1));
  }

  const NetworkConfig& config_;
  std::vector<FieldRows> fields_;
};

// rows (n) of a table of N
inline void check_rows(const char* function, const Array<std::int64_t>& rows, std::size_t N) {
  check_shape(function, "rows", rows, {{"n"}});
  const std::int64_t* r = rows.data();
  for (py::ssize_t i = 0; i < rows.shape(0); ++i)
    if (r[i] < 0 || static_cast<std::size_t>(r[i]) >= N)
      throw py::index_error(std::string(function) + ": rows[" + std::to_string(i) + "] is " +
                            std::to_string(r[i]) +
                            ", want 0 to N - 1 with N = " + std::to_string(N));
}

}  // namespace dcn
