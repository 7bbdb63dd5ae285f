// A whole network on each instruction set: it learns, and the number of threads changes no bit.
#include <algorithm>
#include <numeric>

#include "check.hpp"
#include "network.hpp"

namespace {

// Numbers in [-1, 1) that every platform draws alike.
struct Draw {
  std::uint32_t state = 1;

  double operator()() {
    state = state * 1664525U + 1013904223U;
    return static_cast<double>(state >> 8) / (1U << 23) - 1.0;
  }
  template <class T> std::vector<T> many(std::size_t n, double scale) {
    std::vector<T> out(n);
    for (T& x : out) x = static_cast<T>(scale * (*this)());
    return out;
  }
};

dcn::NetworkConfig small_network(dcn::CrossKind cross, dcn::Structure structure) {
  dcn::NetworkConfig config;
  config.n_dense = 9;
  config.cross = cross;
  config.cross_layers = 2;
  config.cross_rank = cross == dcn::CrossKind::lowrank ? 3 : 0;
  config.hidden = {17, 5};
  config.activation = dcn::Activation::gelu;
  config.structure = structure;
  config.alpha_cross = config.alpha_deep = 1e-3;
  return config;
}

// the same with all that a network may have
dcn::NetworkConfig full_network(dcn::CrossKind cross, dcn::Structure structure) {
  dcn::NetworkConfig config = small_network(cross, structure);
  config.fields = {{"city", 40, 3}, {"day", 7, 1}, {"user", 90, 3}};
  config.wide = true;
  if (cross != dcn::CrossKind::vector) config.preactivation = dcn::Activation::gelu;
  config.cross_bias = cross == dcn::CrossKind::vector;
  config.dropout = 0.1;
  config.layer_norm = true;
  config.alpha_embedding = 1e-3;
  config.ema_decay = 0.9;
  config.sparse_adam =
      structure == dcn::Structure::parallel ? dcn::SparseAdam::exact : dcn::SparseAdam::lazy;
  return config;
}

constexpr std::size_t kRows = 200;  // two batches, the second of them a part

template <class T> struct Data {
  std::vector<std::int32_t> ids;
  std::vector<T> dense, target;
  std::vector<std::int64_t> order;

  Data(const dcn::NetworkConfig& config, Draw& draw)
      : dense(draw.many<T>(kRows * config.n_dense, 1.0)), target(kRows), order(kRows) {
    for (std::size_t t = 0; t < kRows; ++t) {
      target[t] = dense[t * config.n_dense] * dense[t * config.n_dense + 1];
      for (const dcn::FieldConfig& field : config.fields)
        ids.push_back(static_cast<std::int32_t>((draw() + 1) / 2 *
                                                static_cast<double>(t % 2 == 0 ? field.rows : 3)));
    }
    std::iota(order.rbegin(), order.rend(), 0);
  }
  dcn::Table<T> table() const { return {ids.data(), dense.data(), target.data(), nullptr, kRows}; }
};

template <class T> struct Trained {
  std::vector<double> losses;
  std::vector<T> parameters, averages, gradients, logits;

  bool operator==(const Trained&) const = default;
};

template <class T> void initialize(dcn::Network<T>& network, Draw& draw) {
  std::vector<T> values(network.layout().size());
  for (const dcn::Tensor& tensor : network.layout().tensors()) {
    const bool scale = tensor.name.find("_scale_") != std::string::npos;
    for (std::size_t i = 0; i < tensor.size; ++i)
      values[tensor.offset + i] = scale ? T(1) : static_cast<T>(0.3 * draw());
  }
  network.set_parameters(values.data());
}

template <class T> Trained<T> train(const dcn::NetworkConfig& config, std::size_t n_threads) {
  dcn::Network<T> network(config);
  network.set_sharing({.least_repeats = 2, .least_width = 1, .least_saved = 0});
  Draw draw;
  initialize(network, draw);
  const Data<T> data(config, draw);
  const dcn::Table<T> table = data.table();
  const std::size_t size = network.layout().size();
  Trained<T> result;
  for (int epoch = 0; epoch < 12; ++epoch)
    result.losses.push_back(network
                                .train_epoch(
                                    table, data.order.data(), kRows, 128, {0.03}, 7, n_threads,
                                    [](void*) { return false; }, nullptr)
                                .loss);
  result.losses.push_back(network.compute_gradients(table, data.order.data(), kRows, 7, n_threads));
  result.parameters.assign(network.parameters(), network.parameters() + size);
  result.averages.assign(network.averages(), network.averages() + size);
  result.gradients.assign(network.gradients(), network.gradients() + size);
  if (!config.fields.empty() && config.cross != dcn::CrossKind::vector)
    CHECK(network.shared_fields() > 0);
  result.logits.resize(kRows);
  network.predict(result.logits.data(), table, n_threads);
  CHECK_NEAR(network.evaluate(table, n_threads), network.evaluate(table, 1), 0);
  return result;
}

template <class T> void learns(const dcn::NetworkConfig& config) {
  const Trained<T> one = train<T>(config, 1);
  CHECK(one.losses.back() < 0.5 * one.losses.front());
  CHECK(one == train<T>(config, 3));
}

template <class T> void all_learn() {
  using dcn::CrossKind;
  using dcn::Structure;
  for (const auto cross : {CrossKind::vector, CrossKind::matrix, CrossKind::lowrank})
    for (const auto structure : {Structure::parallel, Structure::stacked})
      learns<T>(small_network(cross, structure));
  learns<T>(full_network(CrossKind::vector, Structure::stacked));
  learns<T>(full_network(CrossKind::matrix, Structure::parallel));
  learns<T>(full_network(CrossKind::lowrank, Structure::stacked_parallel));
}

}  // namespace

TEST(network_learns_the_same_with_any_number_of_threads) {
  for (const dcn::IsaKernels* isa : dcn::available_isas()) {
    dcn::force_isa(isa->name);
    all_learn<float>();
    all_learn<double>();
  }
  dcn::force_isa(dcn::available_isas().front()->name);
}

TEST(network_interrupted_between_batches) {
  const auto config = full_network(dcn::CrossKind::matrix, dcn::Structure::parallel);
  dcn::Network<float> network(config);
  Draw draw;
  initialize(network, draw);
  const Data<float> data(config, draw);
  int calls = 0;
  const dcn::EpochResult result = network.train_epoch(
      data.table(), data.order.data(), kRows, 70, {}, 1, 2,
      [](void* n) { return ++*static_cast<int*>(n) == 3; }, &calls);
  CHECK(result.stop == dcn::Stop::interrupted);
  CHECK(result.n_batches == 2 && network.step() == 2);
}

// The last batch may have fewer lanes of larger tiles than the others: there must be workspaces for
// both.
TEST(network_trains_batches_of_unequal_size) {
  dcn::NetworkConfig config = small_network(dcn::CrossKind::matrix, dcn::Structure::parallel);
  constexpr std::size_t n = 1500, batch = 700;
  Draw draw;
  const std::vector<float> dense = draw.many<float>(n * config.n_dense, 1.0);
  const std::vector<float> target = draw.many<float>(n, 1.0);
  std::vector<std::int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::vector<double> losses;
  for (const std::size_t n_threads : {1, 7}) {
    dcn::Network<float> network(config);
    Draw again;
    initialize(network, again);
    CHECK(network.tiling(batch).lanes > 1 && network.tiling(n % batch).lanes == 1);
    CHECK(network.tiling(batch).rows < network.tiling(n % batch).rows);
    for (int epoch = 0; epoch < 2; ++epoch)
      losses.push_back(network
                           .train_epoch(
                               {nullptr, dense.data(), target.data(), nullptr, n}, order.data(), n,
                               batch, {0.03}, 7, n_threads, [](void*) { return false; }, nullptr)
                           .loss);
  }
  CHECK(losses[0] == losses[2] && losses[1] == losses[3]);
}
