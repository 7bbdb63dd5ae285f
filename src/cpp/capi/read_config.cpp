#include "capi/read_config.hpp"

#include <stdexcept>

#include "network/config_checks.hpp"

namespace dcn {
namespace {

constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;
constexpr std::int64_t kMostRows = (std::int64_t{1} << 32) - 1;

// Takes a value of the state, if it has one with that name.
class Reader {
 public:
  explicit Reader(State& state) : state_(state) {}

  void operator()(const char* name, std::size_t& to) {
    if (state_.names(name)) to = static_cast<std::size_t>(state_.integer(name, 0, kMost));
  }
  void operator()(const char* name, bool& to) {
    if (state_.names(name)) to = state_.flag(name);
  }
  void operator()(const char* name, double& to) {
    if (state_.names(name)) to = state_.number(name);
  }
  void operator()(const char* name, std::string& to) {
    if (state_.names(name)) to = state_.text(name);
  }
  void operator()(const char* name, std::vector<std::size_t>& to) {
    if (state_.names(name)) to = state_.integers(name, kMost);
  }
  void operator()(const char* name, std::vector<double>& to) {
    if (state_.names(name)) to = state_.numbers(name);
  }
  template <class E> void operator()(const char* name, E& to, E (*named)(const std::string&)) {
    if (state_.names(name)) to = named(state_.text(name));
  }

 private:
  State& state_;
};

std::vector<FieldConfig> read_fields(State& state) {
  std::vector<FieldConfig> fields;
  for (const Json& json : state.list("fields")) {
    const JsonList* field = json.list();
    const auto* name =
        field == nullptr || field->size() != 3 ? nullptr : (*field)[0].as<std::string>();
    const auto* rows = name == nullptr ? nullptr : (*field)[1].as<std::int64_t>();
    const auto* width = name == nullptr ? nullptr : (*field)[2].as<std::int64_t>();
    if (rows == nullptr || width == nullptr || *rows < 1 || *rows > kMostRows || *width < 1 ||
        *width > kMost)
      state.refuse("fields of a name, rows and width");
    fields.push_back({*name, static_cast<std::size_t>(*rows), static_cast<std::size_t>(*width)});
  }
  return fields;
}

void read_shape(Reader& read, NetworkConfig& c) {
  read("table_of", c.table_of);
  read("frozen", c.frozen);
  read("collision_weights", c.collision_weights);
  read("n_dense", c.n_dense);
  read("numeric_embedding", c.numeric_embedding);
  read("numeric_bins", c.numeric_bins);
  read("numeric_scales", c.numeric_scales);
  read("numeric_width", c.numeric_width);
  read("numeric_frequencies", c.numeric_frequencies);
  read("n_members", c.n_members);
  read("learned_scale", c.learned_scale);
  read("wide", c.wide);
  read("wide_numeric", c.wide_numeric);
  read("cross", c.cross);
  read("cross_layers", c.cross_layers);
  read("cross_rank", c.cross_rank);
  read("cross_experts", c.cross_experts);
  read("gating", c.gating, gating_named);
  read("shared_gate", c.shared_gate);
  read("cross_linear", c.cross_linear);
  read("cross_factor", c.cross_factor);
  read("cross_symmetric", c.cross_symmetric);
  read("cross_forbidden", c.cross_forbidden);
  read("cross_heads", c.cross_heads);
  read("shared_heads", c.shared_heads);
  read("diag_scale", c.diag_scale);
  read("cross_bias", c.cross_bias);
  read("preactivation", c.preactivation, activation_named);
  read("hidden", c.hidden);
  read("activation", c.activation, activation_named);
  read("structure", c.structure, structure_named);
  read("parametric_activation", c.parametric_activation);
  read("layer_norm", c.layer_norm);
  read("n_outputs", c.n_outputs);
  read("loss", c.loss, loss_named);
  read("loss_constants", c.loss_constants);
}

// What training does; `deterministic` says which kernels predict as well.
void read_training(Reader& read, NetworkConfig& c) {
  read("dropout", c.dropout);
  read("cross_dropout", c.cross_dropout);
  read("label_smoothing", c.label_smoothing);
  read("branch_loss", c.branch_loss);
  read("alpha_embedding", c.alpha_embedding);
  read("alpha_cross", c.alpha_cross);
  read("alpha_deep", c.alpha_deep);
  read("embedding_penalty", c.embedding_penalty, embedding_penalty_named);
  read("ema_decay", c.ema_decay);
  read("sparse_adam", c.sparse_adam, sparse_adam_named);
  read("deterministic", c.deterministic, deterministic_named);
}

}  // namespace

SavedConfig read_config(State state) {
  SavedConfig config;
  NetworkConfig& c = config.network;
  c.activation = activation_named("relu");
  c.loss = loss_named("squared_error");
  c.fields = read_fields(state);
  if (state.names("poolings"))
    for (const std::string& pooling : state.texts("poolings"))
      c.poolings.push_back(pooling_named(pooling));
  Reader read(state);
  read_shape(read, c);
  read_training(read, c);
  const std::string dtype = state.names("dtype") ? state.text("dtype") : "float32";
  if (dtype != "float32" && dtype != "float64") state.refuse("dtype 'float32' or 'float64'");
  config.single = dtype == "float32";
  state.done();
  check_config(c);
  return config;
}

}  // namespace dcn
