// Network and its description.
#include <algorithm>
#include <set>
#include <tuple>

#include "bindings/field_arguments.hpp"
#include "bindings/init.hpp"
#include "bindings/py_network.hpp"
#include "network/cross/matrix.hpp"

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

using FieldTuple = std::tuple<std::string, std::size_t, std::size_t>;

// No network that fits a machine has more; products of two such numbers do not overflow.
constexpr std::size_t kMostWidth = (std::size_t{1} << 31) - 1, kMostLayers = std::size_t{1} << 20;
constexpr std::size_t kMostRows = std::numeric_limits<std::uint32_t>::max();  // of the tables
constexpr std::size_t kMostBins = std::size_t{1} << 20;
constexpr double kMostParameters = static_cast<double>(std::size_t{1} << 42);

void check_size(const std::string& name, std::size_t size, std::size_t least, std::size_t most) {
  if (size < least || size > most)
    throw py::value_error(name + " is " + std::to_string(size) + ", want " + std::to_string(least) +
                          " to " + std::to_string(most));
}

NumericKind numeric_kind(const std::string& name) {
  std::string names;
  for (const NumericKind& kind : numeric_kinds()) {
    if (name == kind.name) return kind;
    names += (names.empty() ? "'" : ", '") + std::string(kind.name) + "'";
  }
  throw py::value_error("numeric_embedding is '" + name + "', want one of " + names);
}

CrossKind cross_kind(const std::string& name) {
  std::string names;
  for (const CrossKind& kind : cross_kinds()) {
    if (name == kind.name) return kind;
    names += (names.empty() ? "'" : ", '") + std::string(kind.name) + "'";
  }
  throw py::value_error("cross is '" + name + "', want one of " + names);
}

// In floating point, where nothing overflows.
double count_parameters(const NetworkConfig& c) {
  const auto number = [](std::size_t size) { return static_cast<double>(size); };
  const double D = number(c.width()), C = number(c.n_outputs);
  double tables = 0, deep = 0, head = 1 + D;
  for (std::size_t f = 0; f < c.fields.size(); ++f)
    if (c.owns_table(f)) tables += number(c.fields[f].rows) * (number(c.fields[f].width) + C + 1);
  for (const Branch& branch : topology_of(c).branches) {
    double inputs = D;
    for (const std::size_t O : branch.hidden) {
      deep += (inputs + 4) * number(O);
      inputs = number(O);
    }
    head += inputs;
  }
  const double layer =
      cross_kind(c.cross).weights(D, number(c.cross_rank), number(c.cross_experts));
  const double E = number(c.n_members);
  double numeric = 0;
  const NumericKind kind = numeric_kind(c.numeric_embedding);
  for (const std::size_t bins : c.numeric_bins)
    numeric += kind.count(number(bins), number(c.numeric_width), number(c.numeric_frequencies));
  return tables + numeric + number(c.cross_layers) * (layer + D) + deep + E * (C * (head + D) + D) +
         D;
}

// of W, which only the matrix form has
void check_structure(const NetworkConfig& c) {
  const bool matrix = c.cross == kMatrixCross.name;
  if (c.cross_symmetric && !matrix)
    throw py::value_error("cross_symmetric is True and cross is '" + c.cross + "', want 'matrix'");
  if (c.cross_forbidden.empty()) return;
  if (!matrix)
    throw py::value_error("cross_forbidden has pairs and cross is '" + c.cross +
                          "', want 'matrix'");
  const std::size_t n = c.column_widths().size();
  if (c.cross_forbidden.size() % 2 != 0)
    throw py::value_error("cross_forbidden has an odd number of columns, want pairs of them");
  std::set<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < c.cross_forbidden.size(); i += 2) {
    const auto [a, b] = std::minmax(c.cross_forbidden[i], c.cross_forbidden[i + 1]);
    if (b >= n)
      throw py::value_error("cross_forbidden has column " + std::to_string(b) +
                            ", want less than " + std::to_string(n) + ", the number of columns");
    pairs.insert({a, b});
  }
  if (pairs.size() == n * (n + 1) / 2)
    throw py::value_error("cross_forbidden has all pairs of columns, want one left at least");
}

void check_config(const NetworkConfig& c) {
  check_size("n_dense", c.n_dense, 0, kMostWidth);
  check_size("the number of numeric_bins", c.numeric_bins.size(), 0, kMostWidth);
  for (const std::size_t bins : c.numeric_bins) check_size("numeric_bins", bins, 1, kMostBins);
  if (c.numeric_scales.size() != c.numeric_bins.size())
    throw py::value_error("numeric_scales has " + std::to_string(c.numeric_scales.size()) +
                          " numbers, want " + std::to_string(c.numeric_bins.size()) +
                          ", as many as numeric_bins");
  for (const double scale : c.numeric_scales)
    check_number("NetworkConfig", "numeric_scales", scale, scale > 0 && scale <= 1,
                 "numbers above 0 and at most 1");
  const NumericKind numeric = numeric_kind(c.numeric_embedding);
  const bool embeds = !c.numeric_bins.empty();
  check_size("numeric_width", c.numeric_width, embeds ? numeric.least_width : 0, kMostBins);
  check_size("numeric_frequencies", c.numeric_frequencies, embeds ? numeric.least_frequencies : 0,
             kMostBins);
  check_size("n_members", c.n_members, 1, kMostBins);
  check_size("cross_layers", c.cross_layers, 0, kMostLayers);
  const bool ranked = cross_kind(c.cross).ranked() && c.cross_layers > 0;
  check_size("cross_rank", c.cross_rank, ranked ? 1 : 0, kMostWidth);
  const bool mixed = cross_kind(c.cross).has('E') && c.cross_layers > 0;
  check_size("cross_experts", c.cross_experts, mixed ? 1 : 0, kMostWidth);
  check_structure(c);
  check_size("n_outputs", c.n_outputs, 1, kMostWidth);
  check_size("the number of hidden layers", c.hidden.size(), 0, kMostLayers);
  for (std::size_t i = 0; i < c.hidden.size(); ++i)
    check_size("hidden[" + std::to_string(i) + "]", c.hidden[i], 1, kMostWidth);
  if (count_parameters(c) > kMostParameters)
    throw py::value_error(
        "the network would have more than 2^42 parameters, want at most what fits into "
        "memory: see hidden_layer_sizes, cross_layers, cross_rank and embedding_dim");
  check_constants("loss_constants", c.loss, c.loss_constants, c.n_outputs);
  const char* name = "NetworkConfig";
  check_finite(name, "diag_scale", c.diag_scale);
  for (const auto& [argument, share] : {std::pair{"dropout", c.dropout},
                                        {"cross_dropout", c.cross_dropout},
                                        {"label_smoothing", c.label_smoothing},
                                        {"ema_decay", c.ema_decay}})
    check_number(name, argument, share, share >= 0 && share < 1, "at least 0 and less than 1");
  for (const auto& [argument, alpha] : {std::pair{"alpha_embedding", c.alpha_embedding},
                                        {"alpha_cross", c.alpha_cross},
                                        {"alpha_deep", c.alpha_deep}})
    check_number(name, argument, alpha, alpha >= 0 && std::isfinite(alpha),
                 "a finite number, not negative");
}

NetworkConfig make_config(
    const std::vector<FieldTuple>& fields, const std::vector<std::string>& poolings,
    std::vector<std::size_t> table_of, std::vector<std::size_t> frozen, std::size_t n_dense,
    const std::string& numeric_embedding, std::vector<std::size_t> numeric_bins,
    std::vector<double> numeric_scales, std::size_t numeric_width, std::size_t numeric_frequencies,
    std::size_t n_members, bool learned_scale, bool wide, const std::string& cross,
    std::size_t cross_layers, std::size_t cross_rank, std::size_t cross_experts,
    const std::string& gating, bool shared_gate, bool cross_linear, bool cross_symmetric,
    std::vector<std::size_t> cross_forbidden, double diag_scale, bool cross_bias,
    const std::string& preactivation, std::vector<std::size_t> hidden,
    const std::string& activation, const std::string& structure, double dropout,
    double cross_dropout, bool parametric_activation, bool layer_norm, std::size_t n_outputs,
    const std::string& loss, std::vector<double> loss_constants, double label_smoothing,
    double alpha_embedding, double alpha_cross, double alpha_deep,
    const std::string& embedding_penalty, double ema_decay, const std::string& sparse_adam,
    const std::string& deterministic, bool collision_weights, bool branch_loss) {
  NetworkConfig c;
  std::size_t total = 0, columns = 0;
  for (const auto& [name, rows, width] : fields) {
    if (rows == 0 || width == 0)
      throw py::value_error("field '" + name + "' has " + std::to_string(rows) + " rows of width " +
                            std::to_string(width) + ", want at least 1 of each");
    check_size("the width of field '" + name + "'", width, 1, kMostWidth);
    c.fields.push_back({name, rows, width});
    total = rows > kMostRows - total ? kMostRows + 1 : total + rows;
    columns += width;  // at most 2^31 each
    check_size("the width of all fields", columns, 1, kMostWidth);
    if (total > kMostRows)
      throw py::value_error("the fields have more than " + std::to_string(kMostRows) +
                            " rows together, want less than 2^32");
  }
  if (poolings.size() > fields.size())
    throw py::value_error("poolings are " + std::to_string(poolings.size()) + ", want at most " +
                          std::to_string(fields.size()) + ", as many as fields");
  for (const std::string& pooling : poolings)
    c.poolings.push_back(
        choice<Pooling>("poolings", pooling, {{"sum", Pooling::sum}, {"max", Pooling::max}}));
  c.table_of = std::move(table_of);
  check_table_of(c);
  c.frozen = std::move(frozen);
  for (const std::size_t f : c.frozen)
    if (f >= fields.size() || !c.owns_table(f))
      throw py::value_error("frozen has " + std::to_string(f) +
                            ", want numbers of fields with rows of their own");
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
  c.cross = cross_kind(cross).name;
  c.cross_layers = cross_layers;
  c.cross_rank = cross_rank;
  c.cross_experts = cross_experts;
  c.gating = gating_named(gating);
  c.shared_gate = shared_gate;
  c.cross_linear = cross_linear;
  c.cross_symmetric = cross_symmetric;
  c.cross_forbidden = std::move(cross_forbidden);
  c.diag_scale = diag_scale;
  c.cross_bias = cross_bias;
  c.preactivation = activation_named(preactivation);
  c.hidden = std::move(hidden);
  c.activation = activation_named(activation);
  c.structure = choice<Structure>("structure", structure,
                                  {{"parallel", Structure::parallel},
                                   {"stacked", Structure::stacked},
                                   {"stacked_parallel", Structure::stacked_parallel}});
  c.dropout = dropout;
  c.cross_dropout = cross_dropout;
  c.parametric_activation = parametric_activation;
  c.layer_norm = layer_norm;
  c.n_outputs = n_outputs;
  c.loss = loss_named(loss);
  c.loss_constants = std::move(loss_constants);
  c.label_smoothing = label_smoothing;
  c.branch_loss = branch_loss;
  check_branch_loss(c);
  c.alpha_embedding = alpha_embedding;
  c.alpha_cross = alpha_cross;
  c.alpha_deep = alpha_deep;
  c.embedding_penalty = choice<EmbeddingPenalty>(
      "embedding_penalty", embedding_penalty,
      {{"batch", EmbeddingPenalty::batch}, {"table", EmbeddingPenalty::table}});
  c.ema_decay = ema_decay;
  c.sparse_adam = choice<SparseAdam>("sparse_adam", sparse_adam,
                                     {{"lazy", SparseAdam::lazy}, {"exact", SparseAdam::exact}});
  c.deterministic =
      choice<Deterministic>("deterministic", deterministic,
                            {{"threads", Deterministic::threads}, {"isa", Deterministic::isa}});
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
      py::arg("cross_linear"), py::arg("cross_symmetric"), py::arg("cross_forbidden"),
      py::arg("diag_scale"), py::arg("cross_bias"), py::arg("preactivation"), py::arg("hidden"),
      py::arg("activation"), py::arg("structure"), py::arg("dropout"), py::arg("cross_dropout"),
      py::arg("parametric_activation"), py::arg("layer_norm"), py::arg("n_outputs"),
      py::arg("loss"), py::arg("loss_constants"), py::arg("label_smoothing"),
      py::arg("alpha_embedding"), py::arg("alpha_cross"), py::arg("alpha_deep"),
      py::arg("embedding_penalty"), py::arg("ema_decay"), py::arg("sparse_adam"),
      py::arg("deterministic"), py::arg("collision_weights") = false,
      py::arg("branch_loss") = false);
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
