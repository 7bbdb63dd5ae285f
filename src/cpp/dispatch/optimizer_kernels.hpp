// What the kernels of an optimizer are, a part of the kernel table: steps of all parameters, and of
// the rows of tables.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dcn {

enum class Optimizer : std::size_t {};

// What a step of an optimizer takes; a kind leaves alone what it has no use for.
template <class T> struct OptimizerStep {
  T step_size;  // learning rate with the kind's bias corrections folded in
  T beta_1, beta_2, epsilon;
  T rest_1, rest_2;  // 1 - beta, subtracted in double: in float 1 - 0.999 is off by 1e-5
  T l2;              // gradient gets l2 * parameter
  T kept;            // 1 - learning rate * weight decay: what decay leaves of a parameter
  bool nesterov;     // whether the momentum looks a step ahead
};

// What happened to the rows of a table while nobody looked at them.
struct RowHistory {
  const double *step_sizes, *kept;  // of the steps first_step + 1, first_step + 2, ...
  std::uint64_t first_step, now;
  double beta_1, beta_2, epsilon;
  bool exact;        // dense Adam: the moments of a row decay and move it in every step
  double ema_decay;  // 0 without averages
  Optimizer optimizer{};
  bool nesterov = false;
  bool rising = false;  // learning rates rise: a row that does not change now may change later
  double l2 = 0;        // of every row in every step
  const double* counts = nullptr;  // rows of these steps' batches
};

template <class T> struct OptimizerKernels {
  const char* name;
  bool corrects_bias;  // whether the step size has Adam's corrections of both moments
  // g (n) -> parameters, both moments (n); returns the sum of squared parameters before the step
  double (*update)(T* parameters, T* m, T* v, const T* g, std::size_t n, OptimizerStep<T> step);
  // The rows (U) of a table (V,K) and its moments, g (U,K), counts (U), null for 1: update with l2
  // times the row's count; returns the sum of count times squares before the step
  double (*update_rows)(T* table, T* m, T* v, const T* g, const std::uint32_t* rows,
                        const std::uint32_t* counts, std::size_t U, std::size_t K,
                        OptimizerStep<T> step);
  // Makes up for the steps since last[row] (V): rows (U), or null for the first U
  void (*catch_up_rows)(T* table, T* m, T* v, T* average, std::uint32_t* last,
                        const std::uint32_t* rows, std::size_t U, std::size_t K,
                        RowHistory history);
  // The same where the penalty alone moved these rows: takes each of the steps, with the gradient
  // zeros (K); returns the sum over rows and steps of the squares before the step times counts
  double (*replay_rows)(T* table, T* m, T* v, T* average, std::uint32_t* last,
                        const std::uint32_t* rows, const T* zeros, std::size_t U, std::size_t K,
                        RowHistory history);
};

}  // namespace dcn
