// Arrays of a caller as a table that the engine reads: shapes, ids and classes are checked, for one
// call or, in a PyTable, for many.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/gil.hpp"
#include "bindings/list_arrays.hpp"
#include "network/network.hpp"

namespace dcn {

using Ids = Array<std::int32_t>;
using Groups = std::optional<Array<std::int64_t>>;

// What a network wants of its rows.
template <class T> class TableChecks {
 public:
  explicit TableChecks(const NetworkConfig& config) : config_(config) {
    for (const FieldConfig& field : config.fields) {
      std::vector<FieldRows>& to = fields_.size() < config.n_single() ? fields_ : list_fields_;
      to.push_back({field.name, field.rows});
    }
  }

  // columns of ids, and columns of lists
  std::size_t n_fields() const noexcept { return fields_.size(); }
  std::size_t n_lists() const noexcept { return list_fields_.size(); }
  bool ranks() const noexcept { return dcn::ranks(config_.loss); }
  bool wants_classes() const noexcept { return dcn::wants_classes(config_.loss); }
  std::size_t n_classes() const noexcept { return dcn::n_classes(config_.loss, config_.n_outputs); }
  // Whether what was checked for the other may be read by this one.
  bool operator==(const TableChecks& other) const {
    const auto same_rows = [](const FieldRows& a, const FieldRows& b) { return a.rows == b.rows; };
    return std::equal(fields_.begin(), fields_.end(), other.fields_.begin(), other.fields_.end(),
                      same_rows) &&
           std::equal(list_fields_.begin(), list_fields_.end(), other.list_fields_.begin(),
                      other.list_fields_.end(), same_rows) &&
           config_.n_dense == other.config_.n_dense &&
           config_.numeric_bins == other.config_.numeric_bins &&
           config_.n_outputs == other.config_.n_outputs && ranks() == other.ranks() &&
           n_classes() == other.n_classes() &&
           config_.target_width() == other.config_.target_width();
  }
  // ids (F) of one row
  void check_row(const std::int32_t* ids) const { check_rows_of_ids("row", ids, 1, fields_); }

  // ids (N,F), dense (N,M), and lists of the arrays; these and what is put into lists must stay
  Table<T> rows(const char* function, const Ids& ids, const Array<T>& dense,
                const ListArrays<T>& arrays, std::vector<Lists<T>>& lists) const {
    Table<T> table = shaped(function, ids, dense);
    lists = this->lists(function, arrays, dense.shape(0));
    check_ids(function, table.ids, table.size);
    check_items(function, lists, arrays, table.size);
    table.lists.columns = lists.data();
    return table;
  }
  // the lists of N rows, whose arrays must stay
  std::vector<Lists<T>> lists(const char* function, const ListArrays<T>& arrays,
                              py::ssize_t N) const {
    return lists_of<T>(function, arrays, config_, N);
  }
  // Returns how many items a row has at most, of all columns together.
  std::size_t check_items(const char* function, const std::vector<Lists<T>>& lists,
                          const ListArrays<T>& arrays, std::size_t N) const {
    std::size_t most = 0;
    for (std::size_t i = 0; i < lists.size(); ++i)
      most +=
          check_lists(function, lists[i], N,
                      static_cast<std::size_t>(std::get<1>(arrays[i]).shape(0)), list_fields_[i]);
    return most;
  }

  // and target (N,Y), weight (N), group (N)
  Table<T> table(const char* function, const Ids& ids, const Array<T>& dense,
                 const Array<T>& target, const std::optional<Array<T>>& weight,
                 const ListArrays<T>& arrays, std::vector<Lists<T>>& lists,
                 const Groups& group = {}) const {
    Table<T> table = shaped(function, ids, dense, target, weight, group);
    lists = this->lists(function, arrays, dense.shape(0));
    check_ids(function, table.ids, table.size);
    check_items(function, lists, arrays, table.size);
    table.lists.columns = lists.data();
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
  std::vector<FieldRows> fields_, list_fields_;
};

// A table that is checked once and read again and again: each epoch of a fit. Ids and classes say
// where the engine reads, so they are copies that nobody can change; a table of other arrays that
// somebody changes meanwhile is trained on as it is found.
template <class T> class PyTable {
 public:
  PyTable(const TableChecks<T>& checks, const Ids& ids, const Array<T>& dense,
          const Array<T>& target, const std::optional<Array<T>>& weight, const ListArrays<T>& lists,
          const Groups& group)
      : checks_(checks), table_(checks.shaped("Table", ids, dense, target, weight, group)),
        ids_(ids), dense_(dense), target_(target), weight_(weight), group_(group),
        list_arrays_(lists), lists_(checks.lists("Table", lists, dense.shape(0))) {
    for (std::size_t i = 0; i < lists.size(); ++i) {
      auto& [offsets, items, weights] = list_arrays_[i];
      offsets = copy_of(offsets);
      items = copy_of(items);
      lists_[i].offsets = offsets.data();
      lists_[i].ids = items.data();
    }
    table_.lists.columns = lists_.data();
    ids_ = empty<std::int32_t>({ids.shape(0), ids.shape(1)});
    std::int32_t* to = ids_.mutable_data();
    const bool classes = checks.wants_classes();
    if (classes) target_ = empty<T>({target.shape(0), target.shape(1)});
    T* classes_to = classes ? target_.mutable_data() : nullptr;
    without_gil([&] {
      std::copy_n(table_.ids, table_.size * checks_.n_fields(), to);
      checks_.check_ids("Table", to, table_.size);
      longest_ = checks_.check_items("Table", lists_, list_arrays_, table_.size);
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
  // how many items a row has at most, of all columns of lists together
  std::size_t longest() const noexcept { return longest_; }
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

  template <class A> static A copy_of(const A& a) {
    A out = empty<typename A::value_type>({a.shape(0)});
    std::copy_n(a.data(), static_cast<std::size_t>(a.shape(0)), out.mutable_data());
    return out;
  }

  TableChecks<T> checks_;
  Table<T> table_;
  Ids ids_;
  Array<T> dense_, target_;
  std::optional<Array<T>> weight_;
  Groups group_;
  ListArrays<T> list_arrays_;
  std::vector<Lists<T>> lists_;
  std::size_t longest_ = 0;
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
