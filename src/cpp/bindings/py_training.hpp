// A TrainingState as Python holds it, and the network that it trains with it.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "bindings/py_network.hpp"
#include "training/training_state.hpp"

namespace dcn {

// Asks Python for signals now and then: taking the GIL for every batch of a small model would cost
// more than the batch.
struct SignalCheck {
  using Clock = std::chrono::steady_clock;

  GilRelease& nogil;
  Clock::time_point last = Clock::now();
  bool raised = false;

  static bool interrupted(void* self_pointer) {
    auto* self = static_cast<SignalCheck*>(self_pointer);
    const Clock::time_point now = Clock::now();
    if (now - self->last < std::chrono::milliseconds(20)) return false;
    self->last = now;
    self->nogil.pause([self] { self->raised = PyErr_CheckSignals() != 0; });
    return self->raised;
  }
};

// Readers and writers are those of the network, whose parameters training moves: a network may have
// several training states, of which one trains at a time.
template <class T> class PyTraining {
 public:
  using Reader = Access::Reader;
  using Writer = Access::Writer;
  using Starts = std::optional<Array<std::int64_t>>;

  explicit PyTraining(py::object network)
      : owner_(std::move(network)), network_(held<PyNetwork<T>>("TrainingState", owner_, "network",
                                                                "a network of the same type")),
        state_(made()) {}

  const py::object& owner() const noexcept { return owner_; }
  const Layout& layout() const noexcept { return network_.layout(); }
  const TrainingState<T>& state() const noexcept { return *state_; }
  // f(state) as a reader or as a writer
  template <class F> auto read(F&& f) const {
    const Reader reader(network_.access());
    return f(std::as_const(*state_));
  }
  template <class F> void write(F&& f) {
    const Writer writer(network_.access());
    f(*state_);
  }

  void set_optimizer(const Array<T>& m, const Array<T>& v, std::uint64_t step) {
    const char* name = "set_optimizer";
    const T *mean = check_flat(name, "m", m, layout().size()),
            *square = check_flat(name, "v", v, layout().size());
    check_steps(name, step, 0);
    const GilRelease nogil;
    write([&](TrainingState<T>& state) { state.set_optimizer(mean, square, step); });
  }

  // What is read is the other network's too, of which nobody trains meanwhile.
  void take_over(const py::object& other,
                 const std::optional<std::vector<Array<std::int32_t>>>& rows) {
    const char* name = "take_over";
    const auto& from = held<const PyTraining<T>>(name, other, "other", "a state of the same type");
    if (&from.network_ == &network_)
      throw py::value_error("take_over: other trains the same network, want another one's state");
    if (!state_->takes(*from.state_))
      throw py::value_error(
          "take_over: other trains a network of other tensors, want the same but for rows of "
          "tables");
    std::vector<RowNumbers> named;
    if (rows.has_value()) named = check_named(name, *rows, from.network_.network().config());
    if (rows.has_value()) (void)check_named(name, *rows, network_.network().config());
    const GilRelease nogil;
    const Reader reader(from.network_.access());
    write([&](TrainingState<T>& state) { state.take_over(*from.state_, named); });
  }

  void begin_rows(std::size_t field, const Array<std::int32_t>& rows) {
    const std::size_t V = check_field("begin_rows", field).rows;
    check_shape("begin_rows", "rows", rows, {{"n"}});
    const RowNumbers named{rows.data(), static_cast<std::size_t>(rows.shape(0))};
    for (std::size_t u = 0; u < named.count; ++u)
      if (named.rows[u] < 1 || static_cast<std::size_t>(named.rows[u]) >= V)
        throw py::index_error("begin_rows: rows[" + std::to_string(u) + "] is " +
                              std::to_string(named.rows[u]) + ", want 1 to " +
                              std::to_string(V - 1));
    const GilRelease nogil;
    write([&](TrainingState<T>& state) { state.begin_rows(field, named); });
  }

  void settle(std::size_t field, const Array<std::int64_t>& counts) {
    const std::size_t V = check_field("settle", field).rows;
    check_shape("settle", "counts", counts, {{"n"}});
    const std::int64_t* c = counts.data();
    const auto n = static_cast<std::size_t>(counts.shape(0));
    if (n > V)
      throw py::value_error("settle: counts are " + std::to_string(n) + ", want at most " +
                            std::to_string(V));
    if (std::any_of(c, c + n, [](std::int64_t count) { return count < 0; }))
      throw py::value_error("settle: counts are negative in places");
    const GilRelease nogil;
    write([&](TrainingState<T>& state) { state.settle(field, c, n); });
  }

  void set_prior(const Array<T>& anchor, const Array<T>& fisher) {
    const char* name = "set_prior";
    const T *at = check_flat(name, "anchor", anchor, layout().size()),
            *held_by = check_flat(name, "fisher", fisher, layout().size());
    const GilRelease nogil;
    write([&](TrainingState<T>& state) { state.set_prior(at, held_by); });
  }

  // (anchor, fisher), or None
  py::object prior() const {
    const Reader reader(network_.access());
    if (!state_->has_prior()) return py::none();
    const auto size = static_cast<py::ssize_t>(layout().size());
    Array<T> anchor = empty<T>({size}), fisher = empty<T>({size});
    state_->get_prior(anchor.mutable_data(), fisher.mutable_data());
    return py::make_tuple(anchor, fisher);
  }

  Array<T> fisher(const PyTable<T>& of_rows, const Array<std::int64_t>& order,
                  std::size_t batch_size, std::size_t n_threads, const Starts& starts) {
    const char* name = "fisher";
    n_threads = check_threads(name, n_threads);
    const Table<T>& table = of_rows.of(name, checks());
    check_rows(name, order, table.size);
    const auto n = static_cast<std::size_t>(order.shape(0));
    if (n == 0) throw py::value_error("fisher: order is empty, want at least 1 row");
    const Batches batches = check_batches(name, n, batch_size, starts, of_rows.longest());
    Array<T> out = empty<T>({static_cast<py::ssize_t>(layout().size())});
    const std::int64_t* rows = order.data();
    T* to = out.mutable_data();
    bool raised = false;
    {
      GilRelease nogil;
      const Writer writer(network_.access());
      std::fill_n(to, layout().size(), T(0));
      SignalCheck check{nogil};
      state_->fisher(to, table, rows, batches, n_threads, &SignalCheck::interrupted, &check);
      raised = check.raised;
    }
    if (raised) throw py::error_already_set();
    return out;
  }

  double compute_gradients(const PyTable<T>& of_rows, const Array<std::int64_t>& rows,
                           std::uint64_t seed, std::size_t n_threads) {
    const char* name = "compute_gradients";
    n_threads = check_threads(name, n_threads);
    const Table<T>& table = of_rows.of(name, checks());
    check_rows(name, rows, table.size);
    const std::int64_t* order = rows.data();
    const auto n = static_cast<std::size_t>(rows.shape(0));
    if (n == 0) throw py::value_error("compute_gradients: rows are none, want at least 1");
    check_batch(name, n, checks().n_fields() + of_rows.longest());
    const GilRelease nogil;
    const Writer writer(network_.access());
    return state_->compute_gradients(table, order, n, seed, n_threads);
  }

  py::tuple train_epoch(const PyTable<T>& of_rows, const Array<std::int64_t>& order,
                        std::size_t batch_size, const OptimizerOptions& optimizer,
                        std::uint64_t seed, std::size_t n_threads,
                        const std::optional<Array<double>>& rates,
                        const std::optional<Array<double>>& decays,
                        const std::optional<Array<double>>& dropouts, const Starts& starts) {
    const char* name = "train_epoch";
    n_threads = check_threads(name, n_threads);
    const Table<T>& table = of_rows.of(name, checks());
    check_rows(name, order, table.size);
    const std::int64_t* rows = order.data();
    const auto n = static_cast<std::size_t>(order.shape(0));
    const Batches batches = check_batches(name, n, batch_size, starts, of_rows.longest());
    constexpr double most = std::numeric_limits<double>::max();
    const std::size_t n_batches = batches.count();
    const BatchFactors factors{check_factors("rates", "a rate", rates, n_batches, most),
                               check_factors("decays", "a decay", decays, n_batches, most),
                               check_factors("dropouts", "a dropout", dropouts, n_batches, 1)};
    bool raised = false;
    EpochResult result{};
    {
      GilRelease nogil;
      const Writer writer(network_.access());
      check_steps(name, state_->step(), std::max(n_batches, n / batch_size + 1));
      SignalCheck check{nogil};
      result = state_->train_epoch(table, rows, batches, optimizer, factors, seed, n_threads,
                                   &SignalCheck::interrupted, &check);
      raised = check.raised;
    }
    if (raised) throw py::error_already_set();
    return py::make_tuple(result.loss, result.n_batches, result.stop == Stop::finished);
  }

 private:
  const TableChecks<T>& checks() const noexcept { return network_.checks(); }
  const FieldConfig& check_field(const char* function, std::size_t field) const {
    const auto& fields = network_.network().config().fields;
    if (field >= fields.size())
      throw py::index_error(std::string(function) + ": field is " + std::to_string(field) +
                            ", want less than " + std::to_string(fields.size()));
    return fields[field];
  }
  // row numbers of each field, each of a row that the other has
  static std::vector<RowNumbers> check_named(const char* function,
                                             const std::vector<Array<std::int32_t>>& rows,
                                             const NetworkConfig& other) {
    if (rows.size() != other.fields.size())
      throw py::value_error(std::string(function) + ": rows are of " + std::to_string(rows.size()) +
                            " fields, want " + std::to_string(other.fields.size()));
    std::vector<RowNumbers> named;
    for (std::size_t f = 0; f < rows.size(); ++f) {
      check_shape(function, "rows", rows[f], {{"n"}});
      const std::int32_t* numbers = rows[f].data();
      const auto n = static_cast<std::size_t>(rows[f].shape(0));
      check_rows_of_ids(function, numbers, n, {{other.fields[f].name, other.fields[f].rows}});
      named.push_back({numbers, n});
    }
    return named;
  }
  std::unique_ptr<TrainingState<T>> made() const {
    network_.refuse_read_only("TrainingState");
    return without_gil([this] { return std::make_unique<TrainingState<T>>(network_.network()); });
  }

  // of an order of n rows: of that size, or where they are said to begin; a row has so many items
  // of lists at most
  Batches check_batches(const char* function, std::size_t n, std::size_t size, const Starts& starts,
                        std::size_t longest) const {
    if (size == 0)
      throw py::value_error(std::string(function) + ": batch_size is 0, want at least 1");
    Batches batches{n, size};
    std::size_t most = std::min(n, size);
    if (starts.has_value()) {
      check_shape(function, "starts", *starts, {{"n_batches + 1"}});
      const std::int64_t* at = starts->data();
      const py::ssize_t count = starts->shape(0) - 1;
      bool rise = count >= 0 && at[0] == 0 && at[count] == static_cast<std::int64_t>(n);
      for (py::ssize_t i = 0; rise && i < count; ++i) rise = at[i] < at[i + 1];
      if (!rise)
        throw py::value_error(std::string(function) + ": starts do not rise from 0 to " +
                              std::to_string(n) + ", the rows of the order");
      batches.starts = at, batches.given = static_cast<std::size_t>(count);
      most = 0;
      for (std::size_t i = 0; i < batches.count(); ++i) most = std::max(most, batches.rows(i));
    }
    check_batch(function, most, checks().n_fields() + longest);
    return batches;
  }
  // of each batch; null where none are given
  static const double* check_factors(const char* argument, const char* one,
                                     const std::optional<Array<double>>& given,
                                     std::size_t n_batches, double most) {
    if (!given.has_value()) return nullptr;
    check_shape("train_epoch", argument, *given,
                {{"n_batches", static_cast<py::ssize_t>(n_batches)}});
    const std::string wanted = most == 1 ? "a number in [0, 1]" : "a finite number, not negative";
    for (std::size_t i = 0; i < n_batches; ++i) {
      const double factor = given->data()[i];
      check_number("train_epoch", one, factor, factor >= 0 && factor <= most, wanted.c_str());
    }
    return given->data();
  }

  // Each row of a table notes its step in 32 bits.
  static void check_steps(const char* function, std::uint64_t step, std::size_t more) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    if (step > most || more > most - step)
      throw py::value_error(std::string(function) + ": step is " + std::to_string(step) +
                            (more > 0 ? " and " + std::to_string(more) + " may follow" : "") +
                            ", want less than 2^32");
  }

  py::object owner_;  // keeps alive what follows
  PyNetwork<T>& network_;
  std::unique_ptr<TrainingState<T>> state_;
};

}  // namespace dcn
