// Numeric columns of a table, scaled.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <tuple>

#include "bindings/arrays.hpp"
#include "bindings/init.hpp"
#include "serving/scale_checks.hpp"

namespace dcn {
namespace {

using Doubles = Array<double>;
using AllKnots = std::vector<std::pair<std::vector<double>, std::vector<double>>>;
using AllBins = std::vector<std::tuple<std::vector<double>, double, double>>;

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
    if (!bins.empty()) {
      const auto& [edges, unit, place] = bins[at];
      column.bins = make_bins(edges, unit, place, goes_on);
      check_bins(column.name, column.bins);
    }
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
