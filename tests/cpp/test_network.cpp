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
  config.alpha = 1e-3;
  return config;
}

constexpr std::size_t kRows = 200;  // two batches, the second of them a part

template <class T> struct Trained {
  std::vector<double> losses;
  std::vector<T> parameters, logits;

  bool operator==(const Trained&) const = default;
};

template <class T> Trained<T> train(const dcn::NetworkConfig& config, std::size_t n_threads) {
  dcn::Network<T> network(config);
  Draw draw;
  network.set_parameters(draw.many<T>(network.layout().size(), 0.3).data());
  const std::vector<T> dense = draw.many<T>(kRows * config.n_dense, 1.0);
  std::vector<T> target(kRows);
  for (std::size_t t = 0; t < kRows; ++t) target[t] = dense[t * 9] * dense[t * 9 + 1];
  std::vector<std::int64_t> order(kRows);
  std::iota(order.rbegin(), order.rend(), 0);
  const dcn::Table<T> table{dense.data(), target.data(), nullptr, kRows};
  Trained<T> result;
  for (int epoch = 0; epoch < 12; ++epoch)
    result.losses.push_back(network
                                .train_epoch(
                                    table, order.data(), kRows, 128, {0.03}, n_threads,
                                    [](void*) { return false; }, nullptr)
                                .loss);
  result.parameters.assign(network.parameters(), network.parameters() + network.layout().size());
  result.logits.resize(kRows);
  network.predict(result.logits.data(), table, n_threads);
  CHECK_NEAR(network.evaluate(table, n_threads), network.evaluate(table, 1), 0);
  return result;
}

template <class T> void learns() {
  for (const auto cross : {dcn::CrossKind::vector, dcn::CrossKind::matrix, dcn::CrossKind::lowrank})
    for (const auto structure : {dcn::Structure::parallel, dcn::Structure::stacked}) {
      const Trained<T> one = train<T>(small_network(cross, structure), 1);
      CHECK(one.losses.back() < 0.5 * one.losses.front());
      CHECK(one == train<T>(small_network(cross, structure), 3));
    }
}

}  // namespace

TEST(network_learns_the_same_with_any_number_of_threads) {
  for (const dcn::IsaKernels* isa : dcn::available_isas()) {
    dcn::force_isa(isa->name);
    learns<float>();
    learns<double>();
  }
  dcn::force_isa(dcn::available_isas().front()->name);
}

TEST(network_interrupted_between_batches) {
  dcn::Network<float> network(small_network(dcn::CrossKind::matrix, dcn::Structure::parallel));
  Draw draw;
  const std::vector<float> dense = draw.many<float>(kRows * 9, 1.0), target(kRows, 1.0F);
  std::vector<std::int64_t> order(kRows);
  std::iota(order.begin(), order.end(), 0);
  int calls = 0;
  const dcn::EpochResult result = network.train_epoch(
      {dense.data(), target.data(), nullptr, kRows}, order.data(), kRows, 70, {}, 2,
      [](void* n) { return ++*static_cast<int*>(n) == 3; }, &calls);
  CHECK(result.stop == dcn::Stop::interrupted);
  CHECK(result.n_batches == 2 && network.step() == 2);
}
