// One row at a time: numbers of the table -> logits in one call, for servers.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "bindings/init.hpp"
#include "bindings/lent.hpp"
#include "bindings/py_network.hpp"
#include "serving/scale.hpp"

namespace dcn {
namespace {

template <class T> class RowPredictor {
 public:
  using Doubles = Array<double>;

  RowPredictor(py::object network, py::object scales)
      : network_owner_(std::move(network)), scales_owner_(std::move(scales)),
        network_(held<PyNetwork<T>>("RowPredictor", network_owner_, "network",
                                    "a network of the same type")),
        scales_(held<const ColumnScales>("RowPredictor", scales_owner_, "scales", "ColumnScales")) {
    const std::size_t n_dense = network_.network().config().dense_columns();
    if (scales_.width() != n_dense)
      throw py::value_error("RowPredictor: scales has " + std::to_string(scales_.width()) +
                            " columns, want " + std::to_string(n_dense) +
                            ", the dense columns of the network");
    lender_.give_back(make_scratch());  // the first call is as fast as the others
  }

  // ids (F), numbers (M) finite or NaN, lists of one row -> logits (C)
  py::list operator()(const Array<std::int32_t>& ids, const Doubles& numbers,
                      const ListArrays<T>& lists) {
    const auto F = static_cast<py::ssize_t>(network_.checks().n_fields());
    const auto M = static_cast<py::ssize_t>(scales_.columns.size());
    if (ids.ndim() != 1 || ids.shape(0) != F) check_shape("row", "ids", ids, {{"F", F}});
    if (numbers.ndim() != 1 || numbers.shape(0) != M)
      check_shape("row", "numbers", numbers, {{"M", M}});
    std::unique_ptr<Scratch> scratch = lender_.take([this] { return make_scratch(); });
    std::copy_n(ids.data(), F, scratch->ids.data());  // others may write to them from here on
    std::copy_n(numbers.data(), M, scratch->numbers.data());
    if (!lists.empty() || network_.checks().n_lists() > 0) copy_lists(*scratch, lists);
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
    std::vector<std::vector<std::int64_t>> offsets;  // (2) of each column of lists
    std::vector<std::vector<std::int32_t>> items;
    std::vector<std::vector<T>> weights;
    std::vector<Lists<T>> lists;
  };

  void copy_lists(Scratch& scratch, const ListArrays<T>& arrays) const {
    scratch.lists = network_.checks().lists("row", arrays, 1);
    const std::size_t n = arrays.size();
    scratch.offsets.resize(n);
    scratch.items.resize(n);
    scratch.weights.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      const auto& [offsets, ids, weights] = arrays[i];
      scratch.offsets[i].assign(offsets.data(), offsets.data() + 2);
      scratch.items[i].assign(ids.data(), ids.data() + ids.size());
      if (weights.has_value())
        scratch.weights[i].assign(weights->data(), weights->data() + weights->size());
      scratch.lists[i] = {scratch.offsets[i].data(), scratch.items[i].data(),
                          weights.has_value() ? scratch.weights[i].data() : nullptr};
    }
    network_.checks().check_items("row", scratch.lists, arrays, 1);
  }

  std::unique_ptr<Scratch> make_scratch() const {
    const Network<T>& network = network_.network();
    auto scratch = std::make_unique<Scratch>();
    scratch->workspace = network.row_workspace();
    scratch->ids.resize(network_.checks().n_fields());
    scratch->numbers.resize(scales_.columns.size());
    scratch->dense.resize(network.config().dense_columns());
    scratch->logits.resize(network.config().n_outputs);
    return scratch;
  }

  void predict(Scratch& scratch) const {
    network_.checks().check_row(scratch.ids.data());
    scale(scratch.dense.data(), scratch.numbers.data());
    const typename PyNetwork<T>::Reader reader(network_.access());
    network_.network().predict_row(scratch.logits.data(), scratch.workspace, scratch.ids.data(),
                                   scratch.dense.data(), {scratch.lists.data(), 0});
  }

  void scale(T* dense, const double* numbers) const {
    const KeepDenormals row;  // as in a table
    for (std::size_t j = 0; j < scales_.columns.size(); ++j)
      if (std::isinf(numbers[j]))
        throw py::value_error("row: '" + scales_.columns[j].name +
                              "' is infinite, want a finite number or NaN");
    scales_(dense, numbers, 1, 1, 1);
  }

  py::object network_owner_, scales_owner_;  // keep alive what follows
  PyNetwork<T>& network_;
  const ColumnScales& scales_;
  Lender<Scratch> lender_;
};

template <class T> void register_row_of(py::module_& m, const char* name) {
  using Row = RowPredictor<T>;
  py::class_<Row> row(m, name);
  def_init<py::object, py::object>(
      row,
      [](py::object network, py::object scales) {
        return std::make_unique<Row>(std::move(network), std::move(scales));
      },
      py::arg("network"), py::arg("scales"));
  row.def("__call__", &Row::operator(), py::arg("ids"), py::arg("numbers"),
          py::arg("lists") = py::tuple());
}

}  // namespace

void register_row(py::module_& m) {
  register_row_of<float>(m, "RowPredictorF32");
  register_row_of<double>(m, "RowPredictorF64");
}

}  // namespace dcn
