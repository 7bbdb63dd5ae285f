// A Network as Python holds it: arguments are validated, the GIL is released, then it is called.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "bindings/access.hpp"
#include "bindings/gil.hpp"
#include "bindings/tables.hpp"
#include "network/network.hpp"
#include "serving/candidates.hpp"

namespace dcn {

// name -> read-only view of a flat buffer; `owner` keeps the memory alive
template <class T>
py::dict views(const py::object& owner, const Layout& layout, const T* base, std::size_t size) {
  py::dict out;
  for (const Tensor& tensor : layout.tensors()) {
    if (tensor.offset + tensor.size > size) continue;  // a stored table
    py::array_t<T> view(std::vector<py::ssize_t>(tensor.shape.begin(), tensor.shape.end()),
                        base + tensor.offset, owner);
    view.attr("setflags")(py::arg("write") = false);
    out[py::str(tensor.name)] = view;
  }
  return out;
}

template <class T>
py::array_t<T> flat_view(const py::object& owner, const T* base, std::size_t size) {
  py::array_t<T> view(std::vector<py::ssize_t>{static_cast<py::ssize_t>(size)}, base, owner);
  view.attr("setflags")(py::arg("write") = false);
  return view;
}

// values (n_parameters)
template <class T>
const T* check_flat(const char* function, const char* argument, const Array<T>& values,
                    std::size_t size) {
  check_shape(function, argument, values, {{"n_parameters", static_cast<py::ssize_t>(size)}});
  return values.data();
}

// Stored tables as Python lends them: how their rows are stored, and these (V,bytes).
using StoredArrays = std::vector<std::pair<std::string, Array<std::uint8_t>>>;

inline RowCode row_code_named(const std::string& name) {
  if (name == "bfloat16") return RowCode::bfloat16;
  if (name == "int8") return RowCode::int8;
  throw py::value_error("Network: tables are stored as '" + name +
                        "', want one of 'bfloat16', 'int8'");
}

template <class T> class PyNetwork {
 public:
  using Reader = Access::Reader;
  using Writer = Access::Writer;

  explicit PyNetwork(const NetworkConfig& config) : network_(config), checks_(network_.config()) {}
  // Reads these parameters where they are, and keeps them alive; needs the GIL.
  PyNetwork(const NetworkConfig& config, const Array<T>& lent)
      : lent_(lent), network_(without_gil([&config, p = check_lent(lent), n = lent.size()] {
          return Network<T>(config, p, static_cast<std::size_t>(n));
        })),
        checks_(network_.config()) {}
  // Reads these tables where they are, and keeps them alive; needs the GIL.
  PyNetwork(const NetworkConfig& config, const StoredArrays& tables)
      : lent_(py::cast(tables)),
        network_(without_gil([&config, stored = check_tables(config, tables)] {
          return Network<T>(config, stored);
        })),
        checks_(network_.config()) {}

  Network<T>& network() noexcept { return network_; }
  const Layout& layout() const noexcept { return network_.layout(); }
  bool read_only() const noexcept { return network_.read_only(); }
  // Who calls the network says so first: what is in use does not change.
  Access& access() const noexcept { return access_; }
  const TableChecks<T>& checks() const noexcept { return checks_; }
  void refuse_read_only(const char* function) const {
    if (network_.lent())
      throw py::value_error(std::string(function) +
                            ": the network reads lent parameters and only predicts, want a copy");
    if (network_.read_only())
      throw py::value_error(std::string(function) +
                            ": the network has stored tables and only predicts, want another");
  }

  // With stored tables the values are those before the tables.
  void set_parameters(const Array<T>& values) {
    if (network_.lent()) refuse_read_only("set_parameters");
    const T* p = check_flat("set_parameters", "values", values, network_.size());
    const GilRelease nogil;
    const Writer writer(access_);
    network_.set_parameters(p);
  }

  void set_averages(const Array<T>& values) {
    refuse_read_only("set_averages");
    const T* p = check_flat("set_averages", "values", values, network_.size());
    const GilRelease nogil;
    const Writer writer(access_);
    network_.set_averages(p);
  }

  Array<T> predict(const Ids& ids, const Array<T>& dense, std::size_t n_threads,
                   const ListArrays<T>& arrays) const {
    n_threads = check_threads("predict", n_threads);
    std::vector<Lists<T>> lists;
    const Table<T> table = checks_.rows("predict", ids, dense, arrays, lists);
    Array<T> logits =
        empty<T>({dense.shape(0), static_cast<py::ssize_t>(network_.config().n_outputs)});
    T* out = logits.mutable_data();
    const GilRelease nogil;
    const Reader reader(access_);
    network_.predict(out, table, n_threads);
    return logits;
  }

  // (N,E,C)
  Array<T> predict_members(const Ids& ids, const Array<T>& dense, std::size_t n_threads,
                           const ListArrays<T>& arrays) const {
    n_threads = check_threads("predict_members", n_threads);
    std::vector<Lists<T>> lists;
    const Table<T> table = checks_.rows("predict_members", ids, dense, arrays, lists);
    const NetworkConfig& config = network_.config();
    Array<T> logits = empty<T>({dense.shape(0), static_cast<py::ssize_t>(config.n_members),
                                static_cast<py::ssize_t>(config.n_outputs)});
    T* out = logits.mutable_data();
    const GilRelease nogil;
    const Reader reader(access_);
    network_.predict_members(out, table, n_threads);
    return logits;
  }

  // logits (N,C) of rows that are the same in the columns of x0 that `context` (D) names
  Array<T> predict_candidates(const Ids& ids, const Array<T>& dense, const Array<bool>& context,
                              std::size_t n_threads, const ListArrays<T>& arrays) const {
    const char* const function = "predict_candidates";
    n_threads = check_threads(function, n_threads);
    std::vector<Lists<T>> lists;
    const Table<T> table = checks_.rows(function, ids, dense, arrays, lists);
    const NetworkConfig& config = network_.config();
    check_shape(function, "context", context, {{"D", static_cast<py::ssize_t>(config.width())}});
    const Context columns = Context::of(context.data(), config.width());
    Array<T> logits = empty<T>({dense.shape(0), static_cast<py::ssize_t>(config.n_outputs)});
    T* out = logits.mutable_data();
    if (table.size == 0) return logits;
    const GilRelease nogil;
    const Reader reader(access_);
    Candidates<T>(network_, columns, table).predict(out, n_threads);
    return logits;
  }

  double evaluate(const Ids& ids, const Array<T>& dense, const Array<T>& target,
                  const std::optional<Array<T>>& weight, std::size_t n_threads,
                  const ListArrays<T>& arrays, const Groups& group) const {
    n_threads = check_threads("evaluate", n_threads);
    std::vector<Lists<T>> lists;
    const Table<T> table =
        checks_.table("evaluate", ids, dense, target, weight, arrays, lists, group);
    const GilRelease nogil;
    const Reader reader(access_);
    return network_.evaluate(table, n_threads);
  }

  double evaluate_table(const PyTable<T>& rows, std::size_t n_threads) const {
    n_threads = check_threads("evaluate_table", n_threads);
    const Table<T>& table = rows.of("evaluate_table", checks_);
    const GilRelease nogil;
    const Reader reader(access_);
    return network_.evaluate(table, n_threads);
  }

 private:
  static const T* check_lent(const Array<T>& lent) {
    if (lent.ndim() != 1 || lent.size() == 0)
      throw py::value_error("Network: parameters have shape " + shape_text(lent) +
                            ", want (n_parameters,)");
    if (reinterpret_cast<std::uintptr_t>(lent.data()) % (padded<T>(1) * sizeof(T)) != 0)
      throw py::value_error("Network: parameters do not begin at a cache line of 64 bytes");
    return lent.data();
  }

  static std::vector<StoredTable> check_tables(const NetworkConfig& config,
                                               const StoredArrays& tables) {
    if (config.collision_weights)
      throw py::value_error(
          "Network: stored tables have no collision_weights, want their products");
    const EmbeddingPart<T> wanted(config);
    std::vector<StoredTable> stored;
    for (const auto& [code_name, rows] : tables) {
      const RowCode code = row_code_named(code_name);
      if (stored.size() < wanted.tables().size()) {  // else the network says how many it has
        const EmbeddingTable<T>& table = wanted.tables()[stored.size()];
        check_shape("Network", "tables", rows,
                    {{"V", static_cast<py::ssize_t>(table.V)},
                     {"bytes", static_cast<py::ssize_t>(row_bytes(code, table.K))}});
      }
      stored.push_back({rows.data(), code});
    }
    return stored;
  }

  py::object lent_;  // keeps alive what the network reads, if it is not its own
  Network<T> network_;
  TableChecks<T> checks_;
  mutable Access access_;
};

// An object of the engine among the arguments of another.
template <class Held>
Held& held(const char* function, const py::object& owner, const char* argument, const char* want) {
  if (!py::isinstance<std::remove_const_t<Held>>(owner))
    throw py::type_error(std::string(function) + ": " + argument + " is a " +
                         std::string(Py_TYPE(owner.ptr())->tp_name) + ", want " + want);
  return owner.cast<Held&>();
}

}  // namespace dcn
