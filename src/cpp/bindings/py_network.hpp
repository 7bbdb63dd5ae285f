// A Network as Python holds it: arguments are validated, the GIL is released, then it is called.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <optional>

#include "bindings/access.hpp"
#include "bindings/arrays.hpp"
#include "network/network.hpp"
#include "training/training_state.hpp"

namespace dcn {

using Clock = std::chrono::steady_clock;

// Asks Python for signals now and then: taking the GIL for every batch of a small model would cost
// more than the batch.
struct SignalCheck {
  GilRelease& nogil;
  Clock::time_point last = Clock::now();
  bool raised = false;

  static bool ask(void* self_pointer) {
    auto* self = static_cast<SignalCheck*>(self_pointer);
    const Clock::time_point now = Clock::now();
    if (now - self->last < std::chrono::milliseconds(20)) return false;
    self->last = now;
    self->nogil.pause([self] { self->raised = PyErr_CheckSignals() != 0; });
    return self->raised;
  }
};

template <class T> class PyNetwork {
 public:
  using Reader = Access::Reader;
  using Writer = Access::Writer;

  explicit PyNetwork(const NetworkConfig& config) : network_(config) {
    for (const FieldConfig& field : config.fields) fields_.push_back({field.name, field.rows});
  }

  Network<T>& network() noexcept { return network_; }
  // Made when training begins, or somebody asks for what it has: a network that only predicts has
  // none. The GIL is held, so that one thread makes it.
  TrainingState<T>& training() {
    if (training_ == nullptr) training_ = std::make_unique<TrainingState<T>>(network_);
    return *training_;
  }
  bool has_training_state() const noexcept { return training_ != nullptr; }
  // Who calls the network says so first: what is in use does not change.
  Access& access() const noexcept { return access_; }

  // name -> read-only view; `self` keeps the memory alive
  static py::dict views(const py::object& self, const T* base) {
    py::dict out;
    for (const Tensor& tensor : self.cast<PyNetwork&>().network_.layout().tensors()) {
      py::array_t<T> view(std::vector<py::ssize_t>(tensor.shape.begin(), tensor.shape.end()),
                          base + tensor.offset, self);
      view.attr("setflags")(py::arg("write") = false);
      out[py::str(tensor.name)] = view;
    }
    return out;
  }

  static py::array_t<T> flat(const py::object& self, const T* base) {
    const auto size = static_cast<py::ssize_t>(self.cast<PyNetwork&>().network_.layout().size());
    py::array_t<T> view(std::vector<py::ssize_t>{size}, base, self);
    view.attr("setflags")(py::arg("write") = false);
    return view;
  }

  std::size_t n_fields() const noexcept { return fields_.size(); }
  // ids (F) of one row
  void check_row(const std::int32_t* ids) const { check_row_of_ids("row", ids, 0, fields_); }

  void set_parameters(const Array<T>& values) {
    check_shape("set_parameters", "values", values, {size_dim()});
    const T* p = values.data();
    const GilRelease nogil;
    const Writer writer(access_);
    network_.set_parameters(p);
  }

  void set_averages(const Array<T>& values) {
    check_shape("set_averages", "values", values, {size_dim()});
    const T* p = values.data();
    const GilRelease nogil;
    const Writer writer(access_);
    network_.set_averages(p);
  }

  void set_optimizer(const Array<T>& m, const Array<T>& v, std::uint64_t step) {
    check_shape("set_optimizer", "m", m, {size_dim()});
    check_shape("set_optimizer", "v", v, {size_dim()});
    check_steps("set_optimizer", step, 0);
    const T *mean = m.data(), *square = v.data();
    TrainingState<T>& state = training();
    const GilRelease nogil;
    const Writer writer(access_);
    state.set_optimizer(mean, square, step);
  }

  using Ids = Array<std::int32_t>;

  Array<T> predict(const Ids& ids, const Array<T>& dense, std::size_t n_threads) const {
    n_threads = check_threads("predict", n_threads);
    const Table<T> table = rows_of("predict", ids, dense);
    Array<T> logits =
        empty<T>({dense.shape(0), static_cast<py::ssize_t>(network_.config().n_outputs)});
    T* out = logits.mutable_data();
    const GilRelease nogil;
    const Reader reader(access_);
    network_.predict(out, table, n_threads);
    return logits;
  }

  double evaluate(const Ids& ids, const Array<T>& dense, const Array<T>& target,
                  const std::optional<Array<T>>& weight, std::size_t n_threads) const {
    n_threads = check_threads("evaluate", n_threads);
    const Table<T> table = table_of_rows("evaluate", ids, dense, target, weight);
    const GilRelease nogil;
    const Reader reader(access_);
    return network_.evaluate(table, n_threads);
  }

  double compute_gradients(const Ids& ids, const Array<T>& dense, const Array<T>& target,
                           const std::optional<Array<T>>& weight, const Array<std::int64_t>& rows,
                           std::uint64_t seed, std::size_t n_threads) {
    n_threads = check_threads("compute_gradients", n_threads);
    const Table<T> table = table_of_rows("compute_gradients", ids, dense, target, weight);
    check_rows("compute_gradients", rows, table.size);
    const std::int64_t* order = rows.data();
    const auto n = static_cast<std::size_t>(rows.shape(0));
    if (n == 0) throw py::value_error("compute_gradients: rows are none, want at least 1");
    check_batch("compute_gradients", n, fields_.size());
    TrainingState<T>& state = training();
    const GilRelease nogil;
    const Writer writer(access_);
    return state.compute_gradients(table, order, n, seed, n_threads);
  }

  py::tuple train_epoch(const Ids& ids, const Array<T>& dense, const Array<T>& target,
                        const std::optional<Array<T>>& weight, const Array<std::int64_t>& order,
                        std::size_t batch_size, const OptimizerOptions& optimizer,
                        std::uint64_t seed, std::size_t n_threads) {
    n_threads = check_threads("train_epoch", n_threads);
    const Table<T> table = table_of_rows("train_epoch", ids, dense, target, weight);
    check_rows("train_epoch", order, table.size);
    if (batch_size == 0) throw py::value_error("train_epoch: batch_size is 0, want at least 1");
    const std::int64_t* rows = order.data();
    const auto n = static_cast<std::size_t>(order.shape(0));
    check_batch("train_epoch", std::min(n, batch_size), fields_.size());
    TrainingState<T>& state = training();
    bool raised = false;
    EpochResult result{};
    {
      GilRelease nogil;
      const Writer writer(access_);
      check_steps("train_epoch", state.step(), n / batch_size + 1);
      SignalCheck check{nogil};
      result = state.train_epoch(table, rows, n, batch_size, optimizer, seed, n_threads,
                                 &SignalCheck::ask, &check);
      raised = check.raised;
    }
    if (raised) throw py::error_already_set();
    return py::make_tuple(result.loss, result.n_batches, result.stop == Stop::finished);
  }

 private:
  // Each row of a table notes its step in 32 bits.
  static void check_steps(const char* function, std::uint64_t step, std::size_t more) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    if (step > most || more > most - step)
      throw py::value_error(std::string(function) + ": step is " + std::to_string(step) +
                            (more > 0 ? " and " + std::to_string(more) + " may follow" : "") +
                            ", want less than 2^32");
  }

  Dim size_dim() const {
    return {"n_parameters", static_cast<py::ssize_t>(network_.layout().size())};
  }

  Table<T> rows_of(const char* function, const Ids& ids, const Array<T>& dense) const {
    check_shape(function, "dense", dense,
                {{"N"}, {"M", static_cast<py::ssize_t>(network_.config().n_dense)}});
    check_ids(function, ids, fields_, dense.shape(0));
    return {ids.data(), dense.data(), nullptr, nullptr, static_cast<std::size_t>(dense.shape(0))};
  }

  Table<T> table_of_rows(const char* function, const Ids& ids, const Array<T>& dense,
                         const Array<T>& target, const std::optional<Array<T>>& weight) const {
    Table<T> table = rows_of(function, ids, dense);
    const bool classes = wants_classes(network_.config().loss);
    const auto width = static_cast<py::ssize_t>(network_.config().target_width());
    check_shape(function, "target", target, {{"N", dense.shape(0)}, {classes ? "1" : "C", width}});
    if (classes) check_classes(function, target);
    table.target = target.data();
    if (weight.has_value()) {
      check_shape(function, "weight", *weight, {{"N", dense.shape(0)}});
      table.weight = weight->data();
    }
    return table;
  }

  void check_classes(const char* function, const Array<T>& target) const {
    const T* y = target.data();
    const std::size_t n_classes = network_.config().n_outputs;
    for (py::ssize_t i = 0; i < target.shape(0); ++i)
      if (!is_class(y[i], n_classes))
        throw py::index_error(std::string(function) + ": target[" + std::to_string(i) +
                              "] is class " + std::to_string(y[i]) + ", want 0 to " +
                              std::to_string(n_classes - 1));
  }

  static void check_rows(const char* function, const Array<std::int64_t>& rows, std::size_t N) {
    check_shape(function, "rows", rows, {{"n"}});
    const std::int64_t* r = rows.data();
    for (py::ssize_t i = 0; i < rows.shape(0); ++i)
      if (r[i] < 0 || static_cast<std::size_t>(r[i]) >= N)
        throw py::index_error(std::string(function) + ": rows[" + std::to_string(i) + "] is " +
                              std::to_string(r[i]) +
                              ", want 0 to N - 1 with N = " + std::to_string(N));
  }

  Network<T> network_;
  std::unique_ptr<TrainingState<T>> training_;
  std::vector<FieldRows> fields_;
  mutable Access access_;
};

}  // namespace dcn
