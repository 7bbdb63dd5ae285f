// Network: validate, release the GIL, call.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "arrays.hpp"
#include "network.hpp"

namespace dcn {
namespace {

using Clock = std::chrono::steady_clock;

// Asks Python for signals now and then: taking the GIL for every batch of a small model would cost
// more than the batch.
struct SignalCheck {
  Clock::time_point last = Clock::now();
  bool raised = false;

  static bool ask(void* self_pointer) {
    auto* self = static_cast<SignalCheck*>(self_pointer);
    const Clock::time_point now = Clock::now();
    if (now - self->last < std::chrono::milliseconds(20)) return false;
    self->last = now;
    const py::gil_scoped_acquire gil;
    self->raised = PyErr_CheckSignals() != 0;
    return self->raised;
  }
};

template <class T> class PyNetwork {
 public:
  // Training changes the network: a second writer at the same time is a mistake of the caller.
  class Writer {
   public:
    explicit Writer(PyNetwork& self) : lock_(self.writing_, std::try_to_lock) {
      if (!lock_.owns_lock())
        throw std::runtime_error("this network is being trained in another thread");
    }

   private:
    std::unique_lock<std::mutex> lock_;
  };

  explicit PyNetwork(const NetworkConfig& config) : network_(config) {
    for (const FieldConfig& field : config.fields) fields_.push_back({field.name, field.rows});
  }

  Network<T>& network() noexcept { return network_; }

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

  void set_parameters(const Array<T>& values) {
    check_shape("set_parameters", "values", values, {size_dim()});
    const T* p = values.data();
    const Writer writer(*this);
    network_.set_parameters(p);
  }

  void set_averages(const Array<T>& values) {
    check_shape("set_averages", "values", values, {size_dim()});
    const Writer writer(*this);
    network_.set_averages(values.data());
  }

  void set_optimizer(const Array<T>& m, const Array<T>& v, std::uint64_t step) {
    check_shape("set_optimizer", "m", m, {size_dim()});
    check_shape("set_optimizer", "v", v, {size_dim()});
    const Writer writer(*this);
    network_.set_optimizer(m.data(), v.data(), step);
  }

  using Ids = Array<std::int32_t>;

  Array<T> predict(const Ids& ids, const Array<T>& dense, std::size_t n_threads) const {
    const Table<T> table = rows_of("predict", ids, dense);
    Array<T> logits =
        empty<T>({dense.shape(0), static_cast<py::ssize_t>(network_.config().n_outputs)});
    T* out = logits.mutable_data();
    const py::gil_scoped_release nogil;
    network_.predict(out, table, n_threads);
    return logits;
  }

  double evaluate(const Ids& ids, const Array<T>& dense, const Array<T>& target,
                  const std::optional<Array<T>>& weight, std::size_t n_threads) const {
    const Table<T> table = table_of_rows("evaluate", ids, dense, target, weight);
    const py::gil_scoped_release nogil;
    return network_.evaluate(table, n_threads);
  }

  double compute_gradients(const Ids& ids, const Array<T>& dense, const Array<T>& target,
                           const std::optional<Array<T>>& weight, const Array<std::int64_t>& rows,
                           std::uint64_t seed, std::size_t n_threads) {
    const Table<T> table = table_of_rows("compute_gradients", ids, dense, target, weight);
    check_rows("compute_gradients", rows, table.size);
    const std::int64_t* order = rows.data();
    const auto n = static_cast<std::size_t>(rows.shape(0));
    check_batch("compute_gradients", n, fields_.size());
    const Writer writer(*this);
    const py::gil_scoped_release nogil;
    return network_.compute_gradients(table, order, n, seed, n_threads);
  }

  py::tuple train_epoch(const Ids& ids, const Array<T>& dense, const Array<T>& target,
                        const std::optional<Array<T>>& weight, const Array<std::int64_t>& order,
                        std::size_t batch_size, double learning_rate, double beta_1, double beta_2,
                        double epsilon, std::uint64_t seed, std::size_t n_threads) {
    const Table<T> table = table_of_rows("train_epoch", ids, dense, target, weight);
    check_rows("train_epoch", order, table.size);
    if (batch_size == 0) throw py::value_error("train_epoch: batch_size is 0, want at least 1");
    const std::int64_t* rows = order.data();
    const auto n = static_cast<std::size_t>(order.shape(0));
    check_batch("train_epoch", std::min(n, batch_size), fields_.size());
    SignalCheck check;
    EpochResult result{};
    const Writer writer(*this);
    {
      const py::gil_scoped_release nogil;
      result =
          network_.train_epoch(table, rows, n, batch_size, {learning_rate, beta_1, beta_2, epsilon},
                               seed, n_threads, &SignalCheck::ask, &check);
    }
    if (check.raised) throw py::error_already_set();
    return py::make_tuple(result.loss, result.n_batches, result.stop == Stop::finished);
  }

 private:
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
    const bool softmax = network_.config().loss == Loss::softmax;
    const auto C = static_cast<py::ssize_t>(softmax ? 1 : network_.config().n_outputs);
    check_shape(function, "target", target, {{"N", dense.shape(0)}, {softmax ? "1" : "C", C}});
    if (softmax) check_classes(function, target);
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
  std::vector<FieldRows> fields_;
  std::mutex writing_;
};

template <class T> void register_network_of(py::module_& m, const char* name) {
  using Net = PyNetwork<T>;
  const auto keep = [](auto getter) {
    return [getter](const py::object& self) { return getter(self, self.cast<Net&>().network()); };
  };
  py::class_<Net>(m, name)
      .def(py::init<const NetworkConfig&>(), py::arg("config"))
      .def_property_readonly("n_parameters", [](Net& s) { return s.network().layout().count(); })
      .def_property_readonly("step", [](Net& s) { return s.network().step(); })
      .def_property_readonly(
          "tensors",
          [](Net& s) {
            py::list out;
            for (const Tensor& t : s.network().layout().tensors())
              out.append(py::make_tuple(t.name, py::tuple(py::cast(t.shape)), t.offset));
            return out;
          })
      .def_property_readonly(
          "parameters", keep([](auto& self, auto& n) { return Net::views(self, n.parameters()); }))
      .def_property_readonly(
          "averages", keep([](auto& self, auto& n) { return Net::views(self, n.averages()); }))
      .def_property_readonly(
          "gradients", keep([](auto& self, auto& n) { return Net::views(self, n.gradients()); }))
      .def_property_readonly("first_moments", keep([](auto& self, auto& n) {
                               return Net::views(self, n.first_moments());
                             }))
      .def_property_readonly("second_moments", keep([](auto& self, auto& n) {
                               return Net::views(self, n.second_moments());
                             }))
      .def_property_readonly(
          "flat_averages", keep([](auto& self, auto& n) { return Net::flat(self, n.averages()); }))
      .def_property_readonly("flat_parameters", keep([](auto& self, auto& n) {
                               return Net::flat(self, n.parameters());
                             }))
      .def_property_readonly("flat_gradients", keep([](auto& self, auto& n) {
                               return Net::flat(self, n.gradients());
                             }))
      .def_property_readonly("flat_first_moments", keep([](auto& self, auto& n) {
                               return Net::flat(self, n.first_moments());
                             }))
      .def_property_readonly("flat_second_moments", keep([](auto& self, auto& n) {
                               return Net::flat(self, n.second_moments());
                             }))
      .def(
          "tiling",
          [](Net& s, std::size_t batch) {
            const Tiling cut = s.network().tiling(batch);
            return py::make_tuple(cut.rows, cut.tiles, cut.lanes);
          },
          py::arg("batch"))
      .def("start_timing",
           [](Net& s) {
             const typename Net::Writer writer(s);
             s.network().start_timing();
           })
      .def_property_readonly("stage_seconds",
                             [](Net& s) {
                               const StageSeconds seconds = s.network().stage_seconds();
                               py::dict out;
                               for (std::size_t i = 0; i < kStages; ++i)
                                 out[kStageNames[i]] = seconds[i];
                               return out;
                             })
      .def("set_parameters", &Net::set_parameters, py::arg("values").noconvert())
      .def("set_averages", &Net::set_averages, py::arg("values").noconvert())
      .def("set_optimizer", &Net::set_optimizer, py::arg("m").noconvert(), py::arg("v").noconvert(),
           py::arg("step"))
      .def("predict", &Net::predict, py::arg("ids").noconvert(), py::arg("dense").noconvert(),
           py::arg("n_threads"))
      .def("evaluate", &Net::evaluate, py::arg("ids").noconvert(), py::arg("dense").noconvert(),
           py::arg("target").noconvert(), py::arg("weight").noconvert(), py::arg("n_threads"))
      .def("compute_gradients", &Net::compute_gradients, py::arg("ids").noconvert(),
           py::arg("dense").noconvert(), py::arg("target").noconvert(),
           py::arg("weight").noconvert(), py::arg("rows").noconvert(), py::arg("seed"),
           py::arg("n_threads"))
      .def("train_epoch", &Net::train_epoch, py::arg("ids").noconvert(),
           py::arg("dense").noconvert(), py::arg("target").noconvert(),
           py::arg("weight").noconvert(), py::arg("order").noconvert(), py::arg("batch_size"),
           py::arg("learning_rate"), py::arg("beta_1"), py::arg("beta_2"), py::arg("epsilon"),
           py::arg("seed"), py::arg("n_threads"));
}

template <class E>
E choice(const char* argument, const std::string& value,
         std::initializer_list<std::pair<const char*, E>> choices) {
  std::string names;
  for (const auto& [name, code] : choices) {
    if (value == name) return code;
    names += (names.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  throw py::value_error(std::string(argument) + " is '" + value + "', want one of " + names);
}

}  // namespace

Activation activation_of(const std::string& name) {
  return choice<Activation>("activation", name,
                            {{"identity", Activation::identity},
                             {"relu", Activation::relu},
                             {"tanh", Activation::tanh},
                             {"sigmoid", Activation::sigmoid},
                             {"gelu", Activation::gelu}});
}

namespace {

using FieldTuple = std::tuple<std::string, std::size_t, std::size_t>;

NetworkConfig make_config(const std::vector<FieldTuple>& fields, std::size_t n_dense, bool wide,
                          const std::string& cross, std::size_t cross_layers,
                          std::size_t cross_rank, double diag_scale, bool cross_bias,
                          const std::string& preactivation, std::vector<std::size_t> hidden,
                          const std::string& activation, const std::string& structure,
                          double dropout, bool layer_norm, std::size_t n_outputs,
                          const std::string& loss, double alpha_embedding, double alpha_cross,
                          double alpha_deep, double ema_decay, const std::string& sparse_adam,
                          const std::string& deterministic) {
  NetworkConfig c;
  std::size_t total = 0;
  for (const auto& [name, rows, width] : fields) {
    if (rows == 0 || width == 0)
      throw py::value_error("field '" + name + "' has " + std::to_string(rows) + " rows of width " +
                            std::to_string(width) + ", want at least 1 of each");
    c.fields.push_back({name, rows, width});
    total += rows;
  }
  if (total > std::numeric_limits<std::uint32_t>::max())
    throw py::value_error("the fields have " + std::to_string(total) +
                          " rows together, want less than 2^32");
  c.n_dense = n_dense;
  c.wide = wide;
  c.cross = choice<CrossKind>("cross", cross,
                              {{"vector", CrossKind::vector},
                               {"matrix", CrossKind::matrix},
                               {"lowrank", CrossKind::lowrank}});
  c.cross_layers = cross_layers;
  c.cross_rank = cross_rank;
  c.diag_scale = diag_scale;
  c.cross_bias = cross_bias;
  c.preactivation = activation_of(preactivation);
  c.hidden = std::move(hidden);
  c.activation = activation_of(activation);
  c.structure = choice<Structure>("structure", structure,
                                  {{"parallel", Structure::parallel},
                                   {"stacked", Structure::stacked},
                                   {"stacked_parallel", Structure::stacked_parallel}});
  c.dropout = dropout;
  c.layer_norm = layer_norm;
  c.n_outputs = n_outputs;
  c.loss = choice<Loss>("loss", loss,
                        {{"squared_error", Loss::squared_error},
                         {"log_loss", Loss::log_loss},
                         {"softmax", Loss::softmax}});
  c.alpha_embedding = alpha_embedding;
  c.alpha_cross = alpha_cross;
  c.alpha_deep = alpha_deep;
  c.ema_decay = ema_decay;
  c.sparse_adam = choice<SparseAdam>("sparse_adam", sparse_adam,
                                     {{"lazy", SparseAdam::lazy}, {"exact", SparseAdam::exact}});
  c.deterministic =
      choice<Deterministic>("deterministic", deterministic,
                            {{"threads", Deterministic::threads}, {"isa", Deterministic::isa}});
  return c;
}

}  // namespace

void register_network(py::module_& m) {
  py::class_<NetworkConfig>(m, "NetworkConfig")
      .def(py::init(&make_config), py::kw_only(), py::arg("fields"), py::arg("n_dense"),
           py::arg("wide"), py::arg("cross"), py::arg("cross_layers"), py::arg("cross_rank"),
           py::arg("diag_scale"), py::arg("cross_bias"), py::arg("preactivation"),
           py::arg("hidden"), py::arg("activation"), py::arg("structure"), py::arg("dropout"),
           py::arg("layer_norm"), py::arg("n_outputs"), py::arg("loss"), py::arg("alpha_embedding"),
           py::arg("alpha_cross"), py::arg("alpha_deep"), py::arg("ema_decay"),
           py::arg("sparse_adam"), py::arg("deterministic"));
  register_network_of<float>(m, "NetworkF32");
  register_network_of<double>(m, "NetworkF64");
}

}  // namespace dcn
