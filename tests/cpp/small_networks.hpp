// Small networks that have all that a network may have, and tables for them.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

#include "network/network.hpp"

// What is slow under the thread sanitizer is run there as far as threads have a part in it.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#else
inline constexpr bool kThreadSanitizer = false;
#endif

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

inline dcn::NetworkConfig small_network(const char* cross, dcn::Structure structure) {
  dcn::NetworkConfig config;
  config.n_dense = 9;
  config.cross = cross;
  config.cross_layers = 2;
  config.cross_rank = config.cross == "lowrank" || config.cross == "mixture" ? 3 : 0;
  config.cross_experts = config.cross == "mixture" ? 2 : 0;
  config.hidden = {17, 5};
  config.activation = dcn::activation_named("gelu");
  config.structure = structure;
  config.alpha_cross = config.alpha_deep = 1e-3;
  return config;
}

// the same with all that a network may have
inline dcn::NetworkConfig full_network(const char* cross, dcn::Structure structure) {
  dcn::NetworkConfig config = small_network(cross, structure);
  config.fields = {
      {"city", 40, 3}, {"day", 7, 1}, {"user", 90, 3}, {"tags", 30, 3}, {"friends", 90, 3}};
  config.poolings = {dcn::Pooling::sum, dcn::Pooling::max};
  config.table_of = {0, 1, 2, 3, 2};
  config.numeric_embedding = structure == dcn::Structure::parallel  ? "periodic"
                             : structure == dcn::Structure::stacked ? "piecewise"
                                                                    : "periodic_relu";
  config.numeric_bins = {3, 1};
  config.numeric_scales = {0.5, 1};
  config.numeric_width = 3;
  config.numeric_frequencies = 5;
  config.wide = true;
  if (config.cross != "vector") config.preactivation = dcn::activation_named("gelu");
  config.cross_bias = config.cross == "vector";
  config.dropout = 0.1;
  config.layer_norm = true;
  config.parametric_activation = true;
  config.learned_scale = structure == dcn::Structure::stacked;
  config.collision_weights = structure == dcn::Structure::stacked_parallel;
  config.branch_loss = structure == dcn::Structure::parallel;
  config.alpha_embedding = 1e-3;
  config.ema_decay = 0.9;
  config.sparse_adam =
      structure == dcn::Structure::parallel ? dcn::SparseAdam::exact : dcn::SparseAdam::lazy;
  return config;
}

inline constexpr std::size_t kRows = 200;  // two batches, the second of them a part

template <class T> struct Data {
  std::vector<std::int32_t> ids;
  std::vector<T> dense, target;
  std::vector<std::int64_t> order;
  // of lists with 0 to 3 items, the first column with weights
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> items;
  std::vector<T> weights;
  std::vector<dcn::Lists<T>> lists;

  Data(const dcn::NetworkConfig& config, Draw& draw)
      : dense(draw.many<T>(kRows * config.dense_columns(), 1.0)), target(kRows), order(kRows) {
    for (std::size_t t = 0; t < kRows; ++t) {
      const T* row = dense.data() + t * config.dense_columns();
      target[t] = row[0] * row[1];
      for (std::size_t f = 0; f < config.n_single(); ++f)
        ids.push_back(static_cast<std::int32_t>(
            (draw() + 1) / 2 * static_cast<double>(t % 2 == 0 ? config.fields[f].rows : 3)));
    }
    offsets.push_back(0);
    for (std::size_t t = 0; t < kRows; ++t) {
      for (std::size_t i = 0; i < t % 4; ++i) {
        items.push_back(static_cast<std::int32_t>(15 * (draw() + 1)));
        weights.push_back(static_cast<T>(1 + draw()));
      }
      offsets.push_back(static_cast<std::int64_t>(items.size()));
    }
    for (std::size_t i = 0; i < config.poolings.size(); ++i)
      lists.push_back({offsets.data(), items.data(), i == 0 ? weights.data() : nullptr});
    std::iota(order.rbegin(), order.rend(), 0);
  }
  dcn::Table<T> table() const {
    return {ids.data(), dense.data(), target.data(), nullptr, kRows, {lists.data(), 0}};
  }
};

template <class T> void initialize(dcn::Network<T>& network, Draw& draw) {
  std::vector<T> values(network.layout().size());
  for (const dcn::Tensor& tensor : network.layout().tensors()) {
    const bool scale = tensor.role == dcn::Role::scale;
    for (std::size_t i = 0; i < tensor.size; ++i)
      values[tensor.offset + i] = scale ? T(1) : static_cast<T>(0.3 * draw());
  }
  network.set_parameters(values.data());
}
