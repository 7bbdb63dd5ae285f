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
    const T *mean = check_flat(name, "m", m, layout()),
            *square = check_flat(name, "v", v, layout());
    check_steps(name, step, 0);
    const GilRelease nogil;
    write([&](TrainingState<T>& state) { state.set_optimizer(mean, square, step); });
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
                        const std::optional<Array<double>>& dropouts) {
    const char* name = "train_epoch";
    n_threads = check_threads(name, n_threads);
    const Table<T>& table = of_rows.of(name, checks());
    check_rows(name, order, table.size);
    if (batch_size == 0) throw py::value_error("train_epoch: batch_size is 0, want at least 1");
    const std::int64_t* rows = order.data();
    const auto n = static_cast<std::size_t>(order.shape(0));
    check_batch(name, std::min(n, batch_size), checks().n_fields() + of_rows.longest());
    constexpr double most = std::numeric_limits<double>::max();
    const std::size_t n_batches = ceil_div(n, batch_size);
    const BatchFactors factors{check_factors("rates", "a rate", rates, n_batches, most),
                               check_factors("decays", "a decay", decays, n_batches, most),
                               check_factors("dropouts", "a dropout", dropouts, n_batches, 1)};
    bool raised = false;
    EpochResult result{};
    {
      GilRelease nogil;
      const Writer writer(network_.access());
      check_steps(name, state_->step(), n / batch_size + 1);
      SignalCheck check{nogil};
      result = state_->train_epoch(table, rows, n, batch_size, optimizer, factors, seed, n_threads,
                                   &SignalCheck::interrupted, &check);
      raised = check.raised;
    }
    if (raised) throw py::error_already_set();
    return py::make_tuple(result.loss, result.n_batches, result.stop == Stop::finished);
  }

 private:
  const TableChecks<T>& checks() const noexcept { return network_.checks(); }
  std::unique_ptr<TrainingState<T>> made() const {
    network_.refuse_read_only("TrainingState");
    return without_gil([this] { return std::make_unique<TrainingState<T>>(network_.network()); });
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
