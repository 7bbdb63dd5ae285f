// One row at a time: numbers of the table -> logits in one call, for servers.
#include <algorithm>
#include <cmath>
#include <functional>

#include "bindings/init.hpp"
#include "bindings/lent.hpp"
#include "bindings/py_network.hpp"

namespace dcn {
namespace {

// What dcnfast.encode.scaling does to the numeric columns, in the same arithmetic: clipped to low
// and high, times factor, minus mean, over scale, cut at `farthest`; constant columns become 0.
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

void check_knots(const std::string& name, const std::vector<double>& x,
                 const std::vector<double>& z) {
  const auto finite = [](double number) { return std::isfinite(number); };
  const bool ok = x.size() == z.size() && std::all_of(x.begin(), x.end(), finite) &&
                  std::all_of(z.begin(), z.end(), finite) &&
                  std::adjacent_find(x.begin(), x.end(), std::greater_equal<>()) == x.end();
  if (!ok)
    throw py::value_error("RowPredictor: the knots of '" + name +
                          "' are no pairs of finite numbers, the first of each ascending");
}

void check_scale(const ColumnScale& c) {
  check_knots(c.name, c.x, c.z);
  const bool ok = std::isfinite(c.factor) && std::isfinite(c.mean) && std::isfinite(c.scale) &&
                  c.scale != 0 && std::isfinite(c.missing) && c.low <= c.high;
  if (!ok)
    throw py::value_error("RowPredictor: factor, mean, scale and missing of '" + c.name + "' are " +
                          number_text(c.factor) + ", " + number_text(c.mean) + ", " +
                          number_text(c.scale) + " and " + number_text(c.missing) + ", low is " +
                          number_text(c.low) + " and high " + number_text(c.high) +
                          ", want finite numbers, a scale other than 0, and low at most high");
}

void check_count(const char* argument, std::size_t count, py::ssize_t M) {
  if (static_cast<py::ssize_t>(count) != M)
    throw py::value_error(std::string("RowPredictor: ") + argument + " has " +
                          std::to_string(count) + " columns, want " + std::to_string(M));
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
      : owner_(std::move(network)), network_(network_of(owner_)), farthest_(farthest) {
    check_number("RowPredictor", "farthest", farthest, farthest > 0, "a number above 0");
    check_shape("RowPredictor", "indicators", indicators, {{"I"}});
    const auto n_dense = static_cast<py::ssize_t>(network_.network().config().n_dense);
    const py::ssize_t M = n_dense - indicators.shape(0);
    if (M < 0)
      throw py::value_error("RowPredictor: indicators has " + std::to_string(indicators.shape(0)) +
                            " columns, want at most " + std::to_string(n_dense) +
                            ", the dense columns of the network");
    check_shape("RowPredictor", "low", low, {{"M", M}});
    check_shape("RowPredictor", "high", high, {{"M", M}});
    check_shape("RowPredictor", "factor", factor, {{"M", M}});
    check_shape("RowPredictor", "mean", mean, {{"M", M}});
    check_shape("RowPredictor", "scale", scale, {{"M", M}});
    check_shape("RowPredictor", "missing", missing, {{"M", M}});
    check_shape("RowPredictor", "constant", constant, {{"M", M}});
    check_count("names", names.size(), M);
    check_count("knots", knots.size(), M);
    for (py::ssize_t j = 0; j < M; ++j) {
      const auto& [x, z] = knots[static_cast<std::size_t>(j)];
      columns_.push_back({names[static_cast<std::size_t>(j)], x, z, low.at(j), high.at(j),
                          factor.at(j), mean.at(j), scale.at(j), missing.at(j), constant.at(j)});
      check_scale(columns_.back());
    }
    for (py::ssize_t i = 0; i < indicators.shape(0); ++i) {
      const std::int64_t column = indicators.at(i);
      if (column < 0 || column >= M)
        throw py::index_error("RowPredictor: indicators has " + std::to_string(column) +
                              ", want less than " + std::to_string(M));
      indicators_.push_back(static_cast<std::size_t>(column));
    }
    lender_.give_back(make_scratch());  // the first call is as fast as the others
  }

  // ids (F), numbers (M) finite or NaN -> logits (C)
  py::list operator()(const Array<std::int32_t>& ids, const Doubles& numbers) {
    const auto F = static_cast<py::ssize_t>(network_.n_fields());
    const auto M = static_cast<py::ssize_t>(columns_.size());
    if (ids.ndim() != 1 || ids.shape(0) != F) check_shape("row", "ids", ids, {{"F", F}});
    if (numbers.ndim() != 1 || numbers.shape(0) != M)
      check_shape("row", "numbers", numbers, {{"M", M}});
    std::unique_ptr<Scratch> scratch = lender_.take([this] { return make_scratch(); });
    std::copy_n(ids.data(), F, scratch->ids.data());  // others may write to them from here on
    std::copy_n(numbers.data(), M, scratch->numbers.data());
    without_gil([&] { predict(*scratch); });
    // No lock is held here: to make objects may run finalizers, which may do anything, give up the
    // GIL or call this predictor.
    py::list out(scratch->logits.size());
    for (std::size_t c = 0; c < scratch->logits.size(); ++c)
      out[c] = py::float_(static_cast<double>(scratch->logits[c]));
    lender_.give_back(std::move(scratch));
    return out;
  }

 private:
  // What a call works in.
  struct Scratch {
    Workspace<T> workspace;
    std::vector<std::int32_t> ids;
    std::vector<double> numbers;
    std::vector<T> dense, logits;
  };

  static PyNetwork<T>& network_of(const py::object& owner) {
    if (!py::isinstance<PyNetwork<T>>(owner))
      throw py::type_error("RowPredictor: network is a " +
                           std::string(Py_TYPE(owner.ptr())->tp_name) +
                           ", want a network of the same type of numbers");
    return owner.cast<PyNetwork<T>&>();
  }

  std::unique_ptr<Scratch> make_scratch() const {
    const Network<T>& network = network_.network();
    auto scratch = std::make_unique<Scratch>();
    scratch->workspace = network.row_workspace();
    scratch->ids.resize(network_.n_fields());
    scratch->numbers.resize(columns_.size());
    scratch->dense.resize(network.config().n_dense);
    scratch->logits.resize(network.config().n_outputs);
    return scratch;
  }

  void predict(Scratch& scratch) const {
    network_.check_row(scratch.ids.data());
    scale(scratch.dense.data(), scratch.numbers.data());
    const typename PyNetwork<T>::Reader reader(network_.access());
    network_.network().predict_row(scratch.logits.data(), scratch.workspace, scratch.ids.data(),
                                   scratch.dense.data());
  }

  void scale(T* dense, const double* numbers) const {
    for (std::size_t j = 0; j < columns_.size(); ++j) {
      const ColumnScale& c = columns_[j];
      if (std::isinf(numbers[j]))
        throw py::value_error("row: '" + c.name + "' is infinite, want a finite number or NaN");
      double number = c.x.empty() ? numbers[j] : interpolate(numbers[j], c.x, c.z);
      number = number > c.high ? c.high : number < c.low ? c.low : number;
      double z = (number * c.factor - c.mean) / c.scale;
      z = z > farthest_ ? farthest_ : z < -farthest_ ? -farthest_ : z;
      z = std::isnan(number) ? c.missing : z;
      dense[j] = c.constant ? T(0) : static_cast<T>(z);
    }
    for (std::size_t i = 0; i < indicators_.size(); ++i)
      dense[columns_.size() + i] = std::isnan(numbers[indicators_[i]]) ? T(1) : T(0);
  }

  py::object owner_;  // keeps the network alive
  PyNetwork<T>& network_;
  double farthest_;
  std::vector<ColumnScale> columns_;
  std::vector<std::size_t> indicators_;
  Lender<Scratch> lender_;
};

template <class T> void register_row_of(py::module_& m, const char* name) {
  using Row = RowPredictor<T>;
  using Doubles = Array<double>;
  py::class_<Row> row(m, name);
  def_init<py::object, const std::vector<std::string>&, const typename Row::Knots&, const Doubles&,
           const Doubles&, const Doubles&, const Doubles&, const Doubles&, const Doubles&,
           const Array<bool>&, const Array<std::int64_t>&, double>(
      row,
      [](auto&&... arguments) {
        return std::make_unique<Row>(std::forward<decltype(arguments)>(arguments)...);
      },
      py::arg("network"), py::arg("names"), py::arg("knots"), py::arg("low"), py::arg("high"),
      py::arg("factor"), py::arg("mean"), py::arg("scale"), py::arg("missing"), py::arg("constant"),
      py::arg("indicators"), py::arg("farthest"));
  row.def("__call__", &Row::operator(), py::arg("ids"), py::arg("numbers"));
}

}  // namespace

void register_row(py::module_& m) {
  register_row_of<float>(m, "RowPredictorF32");
  register_row_of<double>(m, "RowPredictorF64");
}

}  // namespace dcn
