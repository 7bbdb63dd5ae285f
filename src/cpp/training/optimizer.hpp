// Stage 8: the numbers of one step, in double; the arithmetic on parameters is in
// kernels/optimizers/.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "dispatch/cpu.hpp"
#include "network/config.hpp"
#include "network/parameters.hpp"

namespace dcn {

// What the learning rate is multiplied by, by role.
class RateFactors {
 public:
  constexpr RateFactors() noexcept { factors_.fill(1); }
  double& of(Role role) noexcept { return factors_[static_cast<std::size_t>(role)]; }
  double of(Role role) const noexcept { return factors_[static_cast<std::size_t>(role)]; }

 private:
  std::array<double, kRoles> factors_{};
};

struct OptimizerOptions {
  Optimizer kind{};
  double learning_rate = 1e-3, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7, weight_decay = 0;
  double gradient_clip = 0;  // the most that the norm of all gradients may be; 0 without
  bool nesterov = false;
  double prior_strength = 0;  // of what holds parameters where an earlier training left them
  RateFactors rate_factors{};

  OptimizerOptions of(Role role) const {
    OptimizerOptions own = *this;
    own.learning_rate *= rate_factors.of(role);
    return own;
  }
  // the learning rate of step t with the kind's bias corrections folded in
  double step_size(std::uint64_t t) const {
    if (!compiled_kernels<float>().optimizers[kind].corrects_bias) return learning_rate;
    const double n = static_cast<double>(t);
    return learning_rate * std::sqrt(1 - std::pow(beta_2, n)) / (1 - std::pow(beta_1, n));
  }
  double kept() const { return 1 - learning_rate * weight_decay; }
  template <class T> OptimizerStep<T> step(std::uint64_t t, double l2, bool decays = true) const {
    return {.step_size = static_cast<T>(step_size(t)),
            .beta_1 = static_cast<T>(beta_1),
            .beta_2 = static_cast<T>(beta_2),
            .epsilon = static_cast<T>(epsilon),
            .rest_1 = static_cast<T>(1 - beta_1),
            .rest_2 = static_cast<T>(1 - beta_2),
            .l2 = static_cast<T>(l2),
            .kept = static_cast<T>(decays ? kept() : 1),
            .nesterov = nesterov};
  }
};

// the sum of the squares of g (n), and g times a number, for clipping
// In eight sums, which do not wait for one another.
template <class T> double sum_of_squares(const T* g, std::size_t n) {
  constexpr std::size_t kSums = 8;
  double sums[kSums] = {};
  const auto add = [&](std::size_t i, std::size_t k) {
    sums[k] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  };
  std::size_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (std::size_t k = 0; k < kSums; ++k) add(i + k, k);
  for (std::size_t k = 0; i + k < n; ++k) add(i + k, k);
  return std::accumulate(sums, sums + kSums, 0.0);
}
template <class T> void multiply(T* g, std::size_t n, T factor) {
  if (factor == T(1)) return;
  for (std::size_t i = 0; i < n; ++i) g[i] *= factor;
}

// The share of the old average after step t: TensorFlow's warm-up, so that the first steps, which
// are far from where training ends, are forgotten.
inline double average_share(double decay, std::uint64_t t) {
  const double n = static_cast<double>(t);
  return std::min(decay, (1 + n) / (10 + n));
}

// Biases, scales and shifts are free, and what stands for a missing number.
inline bool decays(Role role) {
  switch (role) {
    case Role::bias:
    case Role::scale:
    case Role::shift:
    case Role::collision_weight:
    case Role::numeric_bias:
    case Role::numeric_missing:
    case Role::member_scale:
    case Role::input_scale:
    case Role::activation:
      return false;
    default:
      return true;
  }
}

// alpha of a tensor: its gradient gets alpha times its values
inline double penalty(const NetworkConfig& config, Role role) {
  switch (role) {
    case Role::cross_weight:
      return config.alpha_cross;
    case Role::weight:
    case Role::linear:
      return config.alpha_deep;
    case Role::embedding:
    case Role::linear_embedding:
    case Role::numeric_weight:
    case Role::numeric_linear:
      return config.alpha_embedding;
    case Role::bias:
    case Role::scale:
    case Role::shift:
    case Role::collision_weight:
    case Role::numeric_bias:
    case Role::numeric_missing:
    case Role::member_scale:
    case Role::input_scale:
    case Role::activation:
      break;
  }
  return 0;
}

}  // namespace dcn
