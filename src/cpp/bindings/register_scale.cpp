// Numeric columns of a table, scaled.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>

#include "bindings/arrays.hpp"
#include "bindings/init.hpp"
#include "serving/scale.hpp"

namespace dcn {
namespace {

using Doubles = Array<double>;
using AllKnots = std::vector<std::pair<std::vector<double>, std::vector<double>>>;
using AllBins = std::vector<std::tuple<std::vector<double>, double, double>>;

void check_knots(const std::string& name, const Knots& knots) {
  const auto& [x, z] = knots;
  const auto finite = [](double number) { return std::isfinite(number); };
  const bool ok = x.size() == z.size() && std::all_of(x.begin(), x.end(), finite) &&
                  std::all_of(z.begin(), z.end(), finite) &&
                  std::adjacent_find(x.begin(), x.end(), std::greater_equal<>()) == x.end();
  if (!ok)
    throw py::value_error("ColumnScales: the knots of '" + name +
                          "' are no pairs of finite numbers, the first of each ascending");
}

void check_scale(const ColumnScale& c) {
  check_knots(c.name, c.knots);
  const bool ok = std::isfinite(c.factor) && std::isfinite(c.mean) && std::isfinite(c.scale) &&
                  c.scale != 0 && std::isfinite(c.missing) && c.low <= c.high;
  if (!ok)
    throw py::value_error("ColumnScales: factor, mean, scale and missing of '" + c.name + "' are " +
                          number_text(c.factor) + ", " + number_text(c.mean) + ", " +
                          number_text(c.scale) + " and " + number_text(c.missing) + ", low is " +
                          number_text(c.low) + " and high " + number_text(c.high) +
                          ", want finite numbers, a scale other than 0, and low at most high");
}

bool is_finite_step(double step) { return std::isfinite(step) && std::isfinite(1 / step); }

// No edges: a column without bins.
Bins make_bins(const std::string& name, const AllBins::value_type& given, bool goes_on) {
  const auto& [edges, unit, missing] = given;
  Bins bins{{edges, std::vector<double>(edges.size())}, unit, missing, goes_on};
  bool ok = edges.size() != 1 && std::isfinite(unit) && unit > 0 && std::isfinite(missing);
  for (std::size_t t = 0; t < edges.size(); ++t) {
    bins.places.z[t] = static_cast<double>(t);
    ok = ok && std::isfinite(edges[t]);
    ok = ok && (t == 0 || (edges[t] > edges[t - 1] && is_finite_step(edges[t] - edges[t - 1])));
  }
  if (!ok)
    throw py::value_error(
        "ColumnScales: the bins of '" + name +
        "' are no two or more ascending edges, the differences of which and 1 "
        "over them are finite, a unit above 0, and a finite place of what is missing");
  return bins;
}

ColumnScales make_scales(const std::vector<std::string>& names, const AllKnots& knots,
                         const Doubles& low, const Doubles& high, const Doubles& factor,
                         const Doubles& mean, const Doubles& scale, const Doubles& missing,
                         const Array<bool>& constant, const Array<std::int64_t>& indicators,
                         double farthest, double bend, const AllBins& bins, bool goes_on) {
  const char* function = "ColumnScales";
  check_number(function, "farthest", farthest, farthest > 0, "a number above 0");
  check_number(function, "bend", bend, bend >= 0 && std::isfinite(bend),
               "a finite number of at least 0");
  const auto M = static_cast<py::ssize_t>(names.size());
  if (knots.size() != names.size())
    throw py::value_error("ColumnScales: knots has " + std::to_string(knots.size()) +
                          " columns, want " + std::to_string(M));
  for (const auto& [argument, array] : {std::pair{"low", &low},
                                        {"high", &high},
                                        {"factor", &factor},
                                        {"mean", &mean},
                                        {"scale", &scale},
                                        {"missing", &missing}})
    check_shape(function, argument, *array, {{"M", M}});
  check_shape(function, "constant", constant, {{"M", M}});
  check_shape(function, "indicators", indicators, {{"I"}});
  if (!bins.empty() && bins.size() != names.size())
    throw py::value_error("ColumnScales: bins has " + std::to_string(bins.size()) +
                          " columns, want " + std::to_string(M) + ", or none at all");
  ColumnScales scales{{}, {}, farthest, bend};
  for (py::ssize_t j = 0; j < M; ++j) {
    const auto at = static_cast<std::size_t>(j);
    scales.columns.push_back({names[at],
                              {knots[at].first, knots[at].second},
                              low.at(j),
                              high.at(j),
                              factor.at(j),
                              mean.at(j),
                              scale.at(j),
                              missing.at(j),
                              constant.at(j),
                              {}});
    ColumnScale& column = scales.columns.back();
    check_scale(column);
    if (!bins.empty()) column.bins = make_bins(column.name, bins[at], goes_on);
    if (column.has_bins()) ++scales.n_binned;
  }
  for (py::ssize_t i = 0; i < indicators.shape(0); ++i) {
    const std::int64_t column = indicators.at(i);
    if (column < 0 || column >= M)
      throw py::index_error("ColumnScales: indicators has " + std::to_string(column) +
                            ", want less than " + std::to_string(M));
    scales.indicators.push_back(static_cast<std::size_t>(column));
  }
  return scales;
}

// X (n,M), column after column, and out (n,M+I+J), row after row: written where it is.
template <class T> using Written = py::array_t<T, py::array::c_style>;
using Columns = py::array_t<double, py::array::f_style>;

template <class T> void transform(const ColumnScales& scales, const Columns& X, Written<T>& out) {
  const char* function = "ColumnScales.transform";
  check_shape(function, "X", X, {{"n"}, {"M", static_cast<py::ssize_t>(scales.columns.size())}});
  check_shape(function, "out", out,
              {{"n", X.shape(0)}, {"M + I + J", static_cast<py::ssize_t>(scales.width())}});
  const double* x = X.data();
  T* to = out.mutable_data();
  const auto odd = [](const void* data, std::size_t size) {
    return reinterpret_cast<std::uintptr_t>(data) % size != 0;
  };
  if (odd(x, alignof(double)) || odd(to, alignof(T)))
    throw py::value_error(std::string(function) +
                          ": X or out is not aligned, want arrays that NumPy made");
  const auto n = static_cast<std::size_t>(X.shape(0));
  without_gil([&] {
    const KeepDenormals table;  // the caller's numbers may be of any size
    scales(to, x, n, 1, n);
  });
}

}  // namespace

void register_scale(py::module_& m) {
  py::class_<ColumnScales> scales(m, "ColumnScales");
  def_init<const std::vector<std::string>&, const AllKnots&, const Doubles&, const Doubles&,
           const Doubles&, const Doubles&, const Doubles&, const Doubles&, const Array<bool>&,
           const Array<std::int64_t>&, double, double, const AllBins&, bool>(
      scales,
      [](auto&&... arguments) {
        return std::make_unique<ColumnScales>(
            make_scales(std::forward<decltype(arguments)>(arguments)...));
      },
      py::arg("names"), py::arg("knots"), py::arg("low"), py::arg("high"), py::arg("factor"),
      py::arg("mean"), py::arg("scale"), py::arg("missing"), py::arg("constant"),
      py::arg("indicators"), py::arg("farthest"), py::arg("bend") = 0.0,
      py::arg("bins") = AllBins(), py::arg("goes_on") = false);
  scales.def("transform", &transform<float>, py::arg("X").noconvert(), py::arg("out").noconvert())
      .def("transform", &transform<double>, py::arg("X").noconvert(), py::arg("out").noconvert());
}

}  // namespace dcn
