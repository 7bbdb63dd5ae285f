// Network and its description.
#include <tuple>

#include "bindings/init.hpp"
#include "bindings/py_network.hpp"
#include "network/config_checks.hpp"

namespace dcn {
namespace {

template <class T> void register_network_of(py::module_& m, const char* name) {
  using Net = PyNetwork<T>;
  const auto view = [](auto getter) {
    return [getter](const py::object& self) {
      auto& s = self.cast<Net&>();
      return views(self, s.layout(), getter(s.network()), s.network().size());
    };
  };
  const auto flat = [](auto getter) {
    return [getter](const py::object& self) {
      auto& s = self.cast<Net&>();
      return flat_view(self, getter(s.network()), s.network().size());
    };
  };
  const auto parameters = [](const Network<T>& n) { return n.parameters(); };
  const auto averages = [](const Network<T>& n) { return n.averages(); };
  py::class_<Net> network(m, name);
  def_init<const NetworkConfig&>(
      network,
      [](const NetworkConfig& config) {
        return without_gil([&] { return std::make_unique<Net>(config); });
      },
      py::arg("config"));
  def_init<const NetworkConfig&, const Array<T>&>(
      network,
      [](const NetworkConfig& config, const Array<T>& parameters) {
        return std::make_unique<Net>(config, parameters);
      },
      py::arg("config"), py::arg("parameters").noconvert());
  def_init<const NetworkConfig&, const StoredArrays&>(
      network,
      [](const NetworkConfig& config, const StoredArrays& tables) {
        return std::make_unique<Net>(config, tables);
      },
      py::arg("config"), py::arg("tables"));
  network.def_property_readonly("read_only", [](const Net& s) { return s.read_only(); });
  network.def_property_readonly("n_parameters", [](const Net& s) { return s.layout().count(); })
      .def_property_readonly(
          "tensors",
          [](const Net& s) {
            py::list out;
            for (const Tensor& t : s.layout().tensors())
              out.append(py::make_tuple(t.name, py::tuple(py::cast(t.shape)), t.offset));
            return out;
          })
      .def_property_readonly("roles",
                             [](const Net& s) {
                               py::dict out;
                               for (const Tensor& t : s.layout().tensors())
                                 out[py::str(t.name)] =
                                     kRoleNames[static_cast<std::size_t>(t.role)];
                               return out;
                             })
      .def_property_readonly("parts",
                             [](const Net& s) {
                               py::dict out;
                               for (const Tensor& t : s.layout().tensors())
                                 out[py::str(t.name)] =
                                     kPartNames[static_cast<std::size_t>(t.part)];
                               return out;
                             })
      .def_property_readonly("parameters", view(parameters))
      .def_property_readonly("averages", view(averages))
      .def_property_readonly("flat_averages", flat(averages))
      .def_property_readonly("flat_parameters", flat(parameters))
      .def(
          "tiling",
          [](Net& s, std::size_t batch) {
            check_batch("tiling", batch, 1);
            const Tiling cut = s.network().tiling(batch);
            return py::make_tuple(cut.rows, cut.tiles, cut.shards);
          },
          py::arg("batch"))
      .def("set_parameters", &Net::set_parameters, py::arg("values").noconvert())
      .def("set_averages", &Net::set_averages, py::arg("values").noconvert())
      .def("predict", &Net::predict, py::arg("ids").noconvert(), py::arg("dense").noconvert(),
           py::arg("n_threads"), py::arg("lists").noconvert() = py::tuple())
      .def("predict_members", &Net::predict_members, py::arg("ids").noconvert(),
           py::arg("dense").noconvert(), py::arg("n_threads"),
           py::arg("lists").noconvert() = py::tuple())
      .def("predict_candidates", &Net::predict_candidates, py::arg("ids").noconvert(),
           py::arg("dense").noconvert(), py::arg("context").noconvert(), py::arg("n_threads"),
           py::arg("lists").noconvert() = py::tuple())
      .def("evaluate", &Net::evaluate, py::arg("ids").noconvert(), py::arg("dense").noconvert(),
           py::arg("target").noconvert(), py::arg("weight").noconvert(), py::arg("n_threads"),
           py::arg("lists").noconvert() = py::tuple(), py::arg("group").noconvert() = py::none())
      .def("evaluate_table", &Net::evaluate_table, py::arg("table"), py::arg("n_threads"));
}

template <class T> void register_table_of(py::module_& m, const char* name) {
  using Rows = PyTable<T>;
  py::class_<Rows> table(m, name);
  def_init<py::object, const Ids&, const Array<T>&, const Array<T>&, const std::optional<Array<T>>&,
           const ListArrays<T>&, const Groups&>(
      table,
      [](const py::object& network, const Ids& ids, const Array<T>& dense, const Array<T>& target,
         const std::optional<Array<T>>& weight, const ListArrays<T>& lists, const Groups& group) {
        const auto& of =
            held<PyNetwork<T>>("Table", network, "network", "a network of the same type");
        return std::make_unique<Rows>(of.checks(), ids, dense, target, weight, lists, group);
      },
      py::arg("network"), py::arg("ids").noconvert(), py::arg("dense").noconvert(),
      py::arg("target").noconvert(), py::arg("weight").noconvert(),
      py::arg("lists").noconvert() = py::tuple(), py::arg("group").noconvert() = py::none());
  table.def("__len__", &Rows::size)
      .def_property_readonly("ids",
                             [](const py::object& self) { return self.cast<Rows&>().ids(self); })
      .def_property_readonly(
          "target", [](const py::object& self) { return self.cast<Rows&>().target(self); });
}

using FieldTuple = std::tuple<std::string, std::size_t, std::size_t>;

NetworkConfig make_config(
    const std::vector<FieldTuple>& fields, const std::vector<std::string>& poolings,
    std::vector<std::size_t> table_of, std::vector<std::size_t> frozen, std::size_t n_dense,
    const std::string& numeric_embedding, std::vector<std::size_t> numeric_bins,
    std::vector<double> numeric_scales, std::size_t numeric_width, std::size_t numeric_frequencies,
    std::size_t n_members, bool learned_scale, bool wide, const std::string& cross,
    std::size_t cross_layers, std::size_t cross_rank, std::size_t cross_experts,
    const std::string& gating, bool shared_gate, bool cross_linear, double cross_factor,
    bool cross_symmetric, std::vector<std::size_t> cross_forbidden, std::size_t cross_heads,
    bool shared_heads, double diag_scale, bool cross_bias, const std::string& preactivation,
    std::vector<std::size_t> hidden, const std::string& activation, const std::string& structure,
    double dropout, double cross_dropout, bool parametric_activation, bool layer_norm,
    std::size_t n_outputs, const std::string& loss, std::vector<double> loss_constants,
    double label_smoothing, double alpha_embedding, double alpha_cross, double alpha_deep,
    const std::string& embedding_penalty, double ema_decay, const std::string& sparse_adam,
    const std::string& deterministic, bool collision_weights, bool branch_loss, bool wide_numeric) {
  NetworkConfig c;
  for (const auto& [name, rows, width] : fields) c.fields.push_back({name, rows, width});
  for (const std::string& pooling : poolings) c.poolings.push_back(pooling_named(pooling));
  c.table_of = std::move(table_of);
  c.frozen = std::move(frozen);
  c.collision_weights = collision_weights;
  c.n_dense = n_dense;
  c.numeric_embedding = numeric_kind(numeric_embedding).name;
  c.numeric_bins = std::move(numeric_bins);
  c.numeric_scales = std::move(numeric_scales);
  c.numeric_width = numeric_width;
  c.numeric_frequencies = numeric_frequencies;
  c.n_members = n_members;
  c.learned_scale = learned_scale;
  c.wide = wide;
  c.wide_numeric = wide_numeric;
  c.cross = cross_kind(cross).name;
  c.cross_layers = cross_layers;
  c.cross_rank = cross_rank;
  c.cross_experts = cross_experts;
  c.gating = gating_named(gating);
  c.shared_gate = shared_gate;
  c.cross_linear = cross_linear;
  c.cross_factor = cross_factor;
  c.cross_symmetric = cross_symmetric;
  c.cross_forbidden = std::move(cross_forbidden);
  c.cross_heads = cross_heads;
  c.shared_heads = shared_heads;
  c.diag_scale = diag_scale;
  c.cross_bias = cross_bias;
  c.preactivation = activation_named(preactivation);
  c.hidden = std::move(hidden);
  c.activation = activation_named(activation);
  c.structure = structure_named(structure);
  c.dropout = dropout;
  c.cross_dropout = cross_dropout;
  c.parametric_activation = parametric_activation;
  c.layer_norm = layer_norm;
  c.n_outputs = n_outputs;
  c.loss = loss_named(loss);
  c.loss_constants = std::move(loss_constants);
  c.label_smoothing = label_smoothing;
  c.branch_loss = branch_loss;
  c.alpha_embedding = alpha_embedding;
  c.alpha_cross = alpha_cross;
  c.alpha_deep = alpha_deep;
  c.embedding_penalty = embedding_penalty_named(embedding_penalty);
  c.ema_decay = ema_decay;
  c.sparse_adam = sparse_adam_named(sparse_adam);
  c.deterministic = deterministic_named(deterministic);
  check_config(c);
  return c;
}

template <class... Arguments>
void def_config(py::class_<NetworkConfig>& config, NetworkConfig (*make)(Arguments...)) {
  def_init<Arguments...>(
      config,
      [make](Arguments... arguments) {
        return std::make_unique<NetworkConfig>(make(std::forward<Arguments>(arguments)...));
      },
      py::kw_only(), py::arg("fields"), py::arg("poolings") = std::vector<std::string>{},
      py::arg("table_of") = std::vector<std::size_t>{},
      py::arg("frozen") = std::vector<std::size_t>{}, py::arg("n_dense"),
      py::arg("numeric_embedding"), py::arg("numeric_bins"), py::arg("numeric_scales"),
      py::arg("numeric_width"), py::arg("numeric_frequencies"), py::arg("n_members"),
      py::arg("learned_scale"), py::arg("wide"), py::arg("cross"), py::arg("cross_layers"),
      py::arg("cross_rank"), py::arg("cross_experts"), py::arg("gating"), py::arg("shared_gate"),
      py::arg("cross_linear"), py::arg("cross_factor"), py::arg("cross_symmetric"),
      py::arg("cross_forbidden"), py::arg("cross_heads"), py::arg("shared_heads"),
      py::arg("diag_scale"), py::arg("cross_bias"), py::arg("preactivation"), py::arg("hidden"),
      py::arg("activation"), py::arg("structure"), py::arg("dropout"), py::arg("cross_dropout"),
      py::arg("parametric_activation"), py::arg("layer_norm"), py::arg("n_outputs"),
      py::arg("loss"), py::arg("loss_constants"), py::arg("label_smoothing"),
      py::arg("alpha_embedding"), py::arg("alpha_cross"), py::arg("alpha_deep"),
      py::arg("embedding_penalty"), py::arg("ema_decay"), py::arg("sparse_adam"),
      py::arg("deterministic"), py::arg("collision_weights") = false,
      py::arg("branch_loss") = false, py::arg("wide_numeric") = false);
}

}  // namespace

void register_network(py::module_& m) {
  py::class_<NetworkConfig> config(m, "NetworkConfig");
  def_config(config, &make_config);
  register_table_of<float>(m, "TableF32");
  register_table_of<double>(m, "TableF64");
  register_network_of<float>(m, "NetworkF32");
  register_network_of<double>(m, "NetworkF64");
}

}  // namespace dcn
