// Arrays of a caller as a table that the engine reads: shapes, ids and classes are checked, for one
// call or, in a PyTable, for many.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "network/network.hpp"

namespace dcn {

using Ids = Array<std::int32_t>;
using Groups = std::optional<Array<std::int64_t>>;

// What a network wants of its rows.
template <class T> class TableChecks {
 public:
  explicit TableChecks(const NetworkConfig& config) : config_(config) {
    for (const FieldConfig& field : config.fields) fields_.push_back({field.name, field.rows});
  }

  std::size_t n_fields() const noexcept { return fields_.size(); }
  bool ranks() const noexcept { return dcn::ranks(config_.loss); }
  bool wants_classes() const noexcept { return dcn::wants_classes(config_.loss); }
  std::size_t n_classes() const noexcept { return dcn::n_classes(config_.loss, config_.n_outputs); }
  // Whether what was checked for the other may be read by this one.
  bool operator==(const TableChecks& other) const {
    const auto same_rows = [](const FieldRows& a, const FieldRows& b) { return a.rows == b.rows; };
    return std::equal(fields_.begin(), fields_.end(), other.fields_.begin(), other.fields_.end(),
                      same_rows) &&
           config_.n_dense == other.config_.n_dense &&
           config_.numeric_bins == other.config_.numeric_bins &&
           config_.n_outputs == other.config_.n_outputs && ranks() == other.ranks() &&
           n_classes() == other.n_classes() &&
           config_.target_width() == other.config_.target_width();
  }
  // ids (F) of one row
  void check_row(const std::int32_t* ids) const { check_rows_of_ids("row", ids, 1, fields_); }

  // ids (N,F), dense (N,M)
  Table<T> rows(const char* function, const Ids& ids, const Array<T>& dense) const {
    const Table<T> table = shaped(function, ids, dense);
    check_ids(function, table.ids, table.size);
    return table;
  }

  // and target (N,Y), weight (N), group (N)
  Table<T> table(const char* function, const Ids& ids, const Array<T>& dense,
                 const Array<T>& target, const std::optional<Array<T>>& weight,
                 const Groups& group = {}) const {
    const Table<T> table = shaped(function, ids, dense, target, weight, group);
    check_ids(function, table.ids, table.size);
    check_classes(function, table.target, table.size);
    return table;
  }

  // Without a look at ids and classes.
  Table<T> shaped(const char* function, const Ids& ids, const Array<T>& dense) const {
    check_shape(function, "dense", dense,
                {{"N"},
                 {config_.numeric_bins.empty() ? "M" : "M + 2 J",
                  static_cast<py::ssize_t>(config_.dense_columns())}});
    check_shape(function, "ids", ids,
                {{"N", dense.shape(0)}, {"F", static_cast<py::ssize_t>(n_fields())}});
    return {ids.data(), dense.data(), nullptr, nullptr, static_cast<std::size_t>(dense.shape(0))};
  }
  Table<T> shaped(const char* function, const Ids& ids, const Array<T>& dense,
                  const Array<T>& target, const std::optional<Array<T>>& weight,
                  const Groups& group = {}) const {
    Table<T> table = shaped(function, ids, dense);
    check_shape(function, "target", target,
                {{"N", dense.shape(0)},
                 {width_letter(), static_cast<py::ssize_t>(config_.target_width())}});
    table.target = target.data();
    if (weight.has_value()) {
      check_shape(function, "weight", *weight, {{"N", dense.shape(0)}});
      table.weight = weight->data();
    }
    if (group.has_value() != ranks())
      throw py::value_error(std::string(function) +
                            (ranks() ? ": group is None and the loss ranks, want that of each row"
                                     : ": group is given and the loss ranks nothing, want None"));
    if (group.has_value()) {
      check_shape(function, "group", *group, {{"N", dense.shape(0)}});
      table.group = group->data();
    }
    return table;
  }

  // ids (N,F)
  void check_ids(const char* function, const std::int32_t* ids, std::size_t N) const {
    check_rows_of_ids(function, ids, N, fields_);
  }

  // y (N), where the loss wants classes
  void check_classes(const char* function, const T* y, std::size_t N) const {
    const std::size_t n = n_classes();
    for (std::size_t i = 0; wants_classes() && i < N; ++i)
      if (!is_class(y[i], n))
        throw py::index_error(std::string(function) + ": target[" + std::to_string(i) +
                              "] is class " + std::to_string(y[i]) + ", want 0 to " +
                              std::to_string(n - 1));
  }

 private:
  const char* width_letter() const noexcept {
    if (wants_classes()) return "1";
    return config_.target_width() == config_.n_outputs ? "C" : "Y";
  }

  NetworkConfig config_;
  std::vector<FieldRows> fields_;
};

// A table that is checked once and read again and again: each epoch of a fit. Ids and classes say
// where the engine reads, so they are copies that nobody can change; a table of other arrays that
// somebody changes meanwhile is trained on as it is found.
template <class T> class PyTable {
 public:
  PyTable(const TableChecks<T>& checks, const Ids& ids, const Array<T>& dense,
          const Array<T>& target, const std::optional<Array<T>>& weight, const Groups& group)
      : checks_(checks), table_(checks.shaped("Table", ids, dense, target, weight, group)),
        ids_(ids), dense_(dense), target_(target), weight_(weight), group_(group) {
    ids_ = empty<std::int32_t>({ids.shape(0), ids.shape(1)});
    std::int32_t* to = ids_.mutable_data();
    const bool classes = checks.wants_classes();
    if (classes) target_ = empty<T>({target.shape(0), target.shape(1)});
    T* classes_to = classes ? target_.mutable_data() : nullptr;
    without_gil([&] {
      std::copy_n(table_.ids, table_.size * checks_.n_fields(), to);
      checks_.check_ids("Table", to, table_.size);
      if (!classes) return;
      std::copy_n(table_.target, table_.size, classes_to);
      checks_.check_classes("Table", classes_to, table_.size);
    });
    table_.ids = to;
    if (classes) table_.target = classes_to;
  }

  // The table, for a network with these checks.
  const Table<T>& of(const char* function, const TableChecks<T>& checks) const {
    if (!(checks == checks_))
      throw py::value_error(std::string(function) +
                            ": table was made for a network with other fields, dense columns or "
                            "outputs, want one for this network");
    return table_;
  }
  std::size_t size() const noexcept { return table_.size; }
  // What the table reads: a view nobody can write through, since `self` is no array.
  py::array_t<std::int32_t> ids(const py::object& self) const { return view(ids_, self); }
  py::array_t<T> target(const py::object& self) const { return view(target_, self); }

 private:
  template <class A>
  static py::array_t<typename A::value_type> view(const A& a, const py::object& self) {
    py::array_t<typename A::value_type> out({a.shape(0), a.shape(1)}, a.data(), self);
    out.attr("setflags")(py::arg("write") = false);
    return out;
  }

  TableChecks<T> checks_;
  Table<T> table_;
  Ids ids_;
  Array<T> dense_, target_;
  std::optional<Array<T>> weight_;
  Groups group_;
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
