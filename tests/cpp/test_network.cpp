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
                                    table, data.order.data(), {kRows, 128}, {.learning_rate = 0.03},
                                    {}, 7, n_threads, [](void*) { return false; }, nullptr)
                                .loss);
  result.losses.push_back(
      training.compute_gradients(table, data.order.data(), kRows, 7, n_threads));
  result.parameters.assign(network.parameters(), network.parameters() + size);
  result.averages.assign(network.averages(), network.averages() + size);
  result.gradients.assign(training.gradients(), training.gradients() + size);
  const bool shares = network.multiplies_rows() && config.cross != "vector";
  if (!config.fields.empty() && shares) CHECK(training.shared_fields() > 0);
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
  for (const char* cross : {"mixture", "exponential", "onlydense"}) {
    learns<T>(small_network(cross, Structure::stacked));
    learns<T>(full_network(cross, Structure::parallel));
  }
  learns<T>(full_network("vector", Structure::stacked));
  learns<T>(full_network("matrix", Structure::parallel));
  learns<T>(full_network("lowrank", Structure::stacked_parallel));
  for (const bool shared : {false, true}) {
    dcn::NetworkConfig heads = full_network("matrix", Structure::parallel);
    heads.cross_heads = 3;
    heads.shared_heads = shared;
    learns<T>(heads);
  }
}

}  // namespace

TEST(network_learns_the_same_with_any_number_of_threads) {
  for (const dcn::IsaKernels* isa : dcn::available_isas()) {
    dcn::force_isa(isa->name);
    all_learn<float>();
    all_learn<double>();
    if (kThreadSanitizer) break;  // threads share the same memory whatever the kernels
  }
  dcn::force_isa(dcn::available_isas().front()->name);
}

// W stays symmetric and 0 where it has to be, to the bit.
TEST(network_keeps_what_is_known_of_its_weights) {
  dcn::NetworkConfig config = small_network("matrix", dcn::Structure::parallel);
  config.cross_symmetric = true;
  config.cross_forbidden = {0, 3, 5, 5};
  dcn::Network<float> network(config);
  dcn::TrainingState<float> training(network);
  Draw draw;
  const Data<float> data(config, draw);
  const std::size_t D = config.width();
  std::vector<float> start(network.layout().size());
  for (std::size_t i = 0; i < start.size(); ++i) start[i] = static_cast<float>(i % 7) * 0.02F;
  const dcn::Tensor& W = network.layout().tensors().front();
  CHECK(W.name == "cross_W" && W.size == 2 * D * D);
  const auto forbidden = [](std::size_t i, std::size_t j) {
    return (i == 0 && j == 3) || (i == 3 && j == 0) || (i == 5 && j == 5);
  };
  for (std::size_t at = 0; at < W.size; ++at) {
    const std::size_t i = at / D % D, j = at % D;
    start[W.offset + at] = forbidden(i, j) ? 0 : static_cast<float>((i + j) % 5) * 0.03F;
  }
  network.set_parameters(start.data());
  (void)training.train_epoch(
      data.table(), data.order.data(), {kRows, 70}, {}, {}, 1, 2, [](void*) { return false; },
      nullptr);
  const float* w = network.parameters() + W.offset;
  bool moved = false;
  for (std::size_t l = 0; l < 2; ++l, w += D * D)
    for (std::size_t i = 0; i < D; ++i)
      for (std::size_t j = 0; j < D; ++j) {
        CHECK(w[i * D + j] == w[j * D + i]);
        CHECK(!forbidden(i, j) || w[i * D + j] == 0);
        moved = moved || w[i * D + j] != start[W.offset + (l * D + i) * D + j];
      }
  CHECK(moved);
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
      data.table(), data.order.data(), {kRows, 70}, {}, {}, 1, 2,
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
                               {nullptr, dense.data(), target.data(), nullptr, n}, order.data(),
                               {n, batch}, {.learning_rate = 0.03}, {}, 7, n_threads,
                               [](void*) { return false; }, nullptr)
                           .loss);
  }
  CHECK(losses[0] == losses[2] && losses[1] == losses[3]);
}
