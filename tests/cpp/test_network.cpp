// A whole network on each instruction set: it learns, and the number of threads changes no bit.
#include <numeric>

#include "check.hpp"
#include "training/training_state.hpp"
#include "small_networks.hpp"

namespace {

template <class T> struct Trained {
  std::vector<double> losses;
  std::vector<T> parameters, averages, gradients, logits;

  bool operator==(const Trained&) const = default;
};

template <class T> Trained<T> train(const dcn::NetworkConfig& config, std::size_t n_threads) {
  dcn::Network<T> network(config);
  dcn::TrainingState<T> training(network);
  training.set_sharing({.least_repeats = 2, .least_width = 1, .least_saved = 0});
  Draw draw;
  initialize(network, draw);
  const Data<T> data(config, draw);
  const dcn::Table<T> table = data.table();
  const std::size_t size = network.layout().size();
  Trained<T> result;
  for (int epoch = 0; epoch < 12; ++epoch)
    result.losses.push_back(training
                                .train_epoch(
                                    table, data.order.data(), kRows, 128, {.learning_rate = 0.03},
                                    {}, 7, n_threads, [](void*) { return false; }, nullptr)
                                .loss);
  result.losses.push_back(
      training.compute_gradients(table, data.order.data(), kRows, 7, n_threads));
  result.parameters.assign(network.parameters(), network.parameters() + size);
  result.averages.assign(network.averages(), network.averages() + size);
  result.gradients.assign(training.gradients(), training.gradients() + size);
  if (!config.fields.empty() && config.cross != "vector") CHECK(training.shared_fields() > 0);
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
  using dcn::Structure;
  for (const char* cross : {"vector", "matrix", "lowrank"})
    for (const auto structure : {Structure::parallel, Structure::stacked})
      learns<T>(small_network(cross, structure));
  learns<T>(full_network("vector", Structure::stacked));
  learns<T>(full_network("matrix", Structure::parallel));
  learns<T>(full_network("lowrank", Structure::stacked_parallel));
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
  const auto config = full_network("matrix", dcn::Structure::parallel);
  dcn::Network<float> network(config);
  dcn::TrainingState<float> training(network);
  Draw draw;
  initialize(network, draw);
  const Data<float> data(config, draw);
  int calls = 0;
  const dcn::EpochResult result = training.train_epoch(
      data.table(), data.order.data(), kRows, 70, {}, {}, 1, 2,
      [](void* n) { return ++*static_cast<int*>(n) == 3; }, &calls);
  CHECK(result.stop == dcn::Stop::interrupted);
  CHECK(result.n_batches == 2 && training.step() == 2);
}

// The last batch may have fewer shards of larger tiles than the others: there must be workspaces
// for both.
TEST(network_trains_batches_of_unequal_size) {
  dcn::NetworkConfig config = small_network("matrix", dcn::Structure::parallel);
  constexpr std::size_t n = 1500, batch = 700;
  Draw draw;
  const std::vector<float> dense = draw.many<float>(n * config.n_dense, 1.0);
  const std::vector<float> target = draw.many<float>(n, 1.0);
  std::vector<std::int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::vector<double> losses;
  for (const std::size_t n_threads : {1, 7}) {
    dcn::Network<float> network(config);
    dcn::TrainingState<float> training(network);
    Draw again;
    initialize(network, again);
    CHECK(network.tiling(batch).shards > 1 && network.tiling(n % batch).shards == 1);
    CHECK(network.tiling(batch).rows < network.tiling(n % batch).rows);
    for (int epoch = 0; epoch < 2; ++epoch)
      losses.push_back(training
                           .train_epoch(
                               {nullptr, dense.data(), target.data(), nullptr, n}, order.data(), n,
                               batch, {.learning_rate = 0.03}, {}, 7, n_threads,
                               [](void*) { return false; }, nullptr)
                           .loss);
  }
  CHECK(losses[0] == losses[2] && losses[1] == losses[3]);
}
