// One row at a time: numbers of the table -> logits in one call, for servers.
#include <algorithm>
#include <cmath>

#include "py_network.hpp"

namespace dcn {
namespace {

// What dcnfast.scaling does to the numeric columns, in the same arithmetic: clipped to low and
// high, times factor, minus mean, over scale, cut at `farthest`; constant columns become 0.
struct ColumnScale {
  std::string name;
  std::vector<double> x, z;  // knots; none where numbers are taken as they are
  double low, high;
  double factor, mean, scale;
  double missing;  // what stands for NaN
  bool constant;
};

// numpy.interp, rounding included: z at the knots, a straight line between them, constant beyond
double interpolate(double number, const std::vector<double>& x, const std::vector<double>& z) {
  if (std::isnan(number)) return number;
  if (number <= x.front()) return z.front();
  if (number >= x.back()) return z.back();
  const auto above = std::upper_bound(x.begin(), x.end(), number);
  const auto j = static_cast<std::size_t>(above - x.begin()) - 1;
  if (number == x[j]) return z[j];
  return (z[j + 1] - z[j]) / (x[j + 1] - x[j]) * (number - x[j]) + z[j];
}

template <class T> class RowPredictor {
 public:
  using Doubles = Array<double>;

  using Knots = std::vector<std::pair<std::vector<double>, std::vector<double>>>;

  // names, knots, low, high, factor, mean, scale, missing, constant (M) and indicators (I) of a
  // scaler; the network has M + I dense columns
  RowPredictor(py::object network, const std::vector<std::string>& names, const Knots& knots,
               const Doubles& low, const Doubles& high, const Doubles& factor, const Doubles& mean,
               const Doubles& scale, const Doubles& missing, const Array<bool>& constant,
               const Array<std::int64_t>& indicators, double farthest)
      : owner_(std::move(network)), network_(owner_.cast<PyNetwork<T>&>()),
        workspace_(network_.network().row_workspace()), farthest_(farthest),
        dense_(network_.network().config().n_dense),
        logits_(network_.network().config().n_outputs) {
    const auto M = static_cast<py::ssize_t>(dense_.size()) - indicators.shape(0);
    check_shape("RowPredictor", "low", low, {{"M", M}});
    check_shape("RowPredictor", "high", high, {{"M", M}});
    check_shape("RowPredictor", "factor", factor, {{"M", M}});
    check_shape("RowPredictor", "mean", mean, {{"M", M}});
    check_shape("RowPredictor", "scale", scale, {{"M", M}});
    check_shape("RowPredictor", "missing", missing, {{"M", M}});
    check_shape("RowPredictor", "constant", constant, {{"M", M}});
    if (static_cast<py::ssize_t>(names.size()) != M)
      throw py::value_error("RowPredictor: names has " + std::to_string(names.size()) +
                            " names, want " + std::to_string(M));
    if (static_cast<py::ssize_t>(knots.size()) != M)
      throw py::value_error("RowPredictor: knots has " + std::to_string(knots.size()) +
                            " columns, want " + std::to_string(M));
    for (py::ssize_t j = 0; j < M; ++j) {
      const auto& [x, z] = knots[static_cast<std::size_t>(j)];
      if (x.size() != z.size()) throw py::value_error("RowPredictor: knots are no pairs");
      columns_.push_back({names[static_cast<std::size_t>(j)], x, z, low.at(j), high.at(j),
                          factor.at(j), mean.at(j), scale.at(j), missing.at(j), constant.at(j)});
    }
    for (py::ssize_t i = 0; i < indicators.shape(0); ++i) {
      const std::int64_t column = indicators.at(i);
      if (column < 0 || column >= M)
        throw py::index_error("RowPredictor: indicators has " + std::to_string(column) +
                              ", want less than " + std::to_string(M));
      indicators_.push_back(static_cast<std::size_t>(column));
    }
  }

  // ids (F), numbers (M) finite or NaN -> logits (C)
  py::list operator()(const Array<std::int32_t>& ids, const Doubles& numbers) {
    const auto M = static_cast<py::ssize_t>(columns_.size());
    if (numbers.ndim() != 1 || numbers.shape(0) != M)
      check_shape("row", "numbers", numbers, {{"M", M}});
    network_.check_row(ids);
    const std::lock_guard<std::mutex> lock(mutex_);
    scale(numbers.data());
    network_.network().predict_row(logits_.data(), workspace_, ids.data(), dense_.data());
    py::list out(logits_.size());
    for (std::size_t c = 0; c < logits_.size(); ++c)
      out[c] = py::float_(static_cast<double>(logits_[c]));
    return out;
  }

 private:
  void scale(const double* numbers) {
    for (std::size_t j = 0; j < columns_.size(); ++j) {
      const ColumnScale& c = columns_[j];
      if (std::isinf(numbers[j]))
        throw py::value_error("row: '" + c.name + "' is infinite, want a finite number or NaN");
      double number = c.x.empty() ? numbers[j] : interpolate(numbers[j], c.x, c.z);
      number = number > c.high ? c.high : number < c.low ? c.low : number;
      double z = (number * c.factor - c.mean) / c.scale;
      z = z > farthest_ ? farthest_ : z < -farthest_ ? -farthest_ : z;
      z = std::isnan(number) ? c.missing : z;
      dense_[j] = c.constant ? T(0) : static_cast<T>(z);
    }
    for (std::size_t i = 0; i < indicators_.size(); ++i)
      dense_[columns_.size() + i] = std::isnan(numbers[indicators_[i]]) ? T(1) : T(0);
  }

  py::object owner_;  // keeps the network alive
  PyNetwork<T>& network_;
  Workspace<T> workspace_;
  double farthest_;
  std::vector<ColumnScale> columns_;
  std::vector<std::size_t> indicators_;
  std::vector<T> dense_, logits_;
  std::mutex mutex_;
};

template <class T> void register_row_of(py::module_& m, const char* name) {
  using Row = RowPredictor<T>;
  using Doubles = Array<double>;
  py::class_<Row>(m, name)
      .def(py::init<py::object, const std::vector<std::string>&, const typename Row::Knots&,
                    const Doubles&, const Doubles&, const Doubles&, const Doubles&, const Doubles&,
                    const Doubles&, const Array<bool>&, const Array<std::int64_t>&, double>(),
           py::arg("network"), py::arg("names"), py::arg("knots"), py::arg("low"), py::arg("high"),
           py::arg("factor"), py::arg("mean"), py::arg("scale"), py::arg("missing"),
           py::arg("constant"), py::arg("indicators"), py::arg("farthest"))
      .def("__call__", &Row::operator(), py::arg("ids"), py::arg("numbers"));
}

}  // namespace

void register_row(py::module_& m) {
  register_row_of<float>(m, "RowPredictorF32");
  register_row_of<double>(m, "RowPredictorF64");
}

}  // namespace dcn
