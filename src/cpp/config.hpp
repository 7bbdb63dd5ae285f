// What a network is, in numbers; made by dcnfast.config and validated there and in the bindings.
#pragma once

#include <cstddef>
#include <vector>

#include "kernel_table.hpp"

namespace dcn {

enum class CrossKind : int { vector, matrix, lowrank };
enum class Structure : int { parallel, stacked };
enum class Loss : int { squared_error, log_loss, softmax };

struct NetworkConfig {
  std::size_t n_dense = 0;  // M
  CrossKind cross = CrossKind::matrix;
  std::size_t cross_layers = 0;  // L
  std::size_t cross_rank = 0;    // R
  double diag_scale = 0;
  std::vector<std::size_t> hidden;
  Activation activation = Activation::relu;
  Structure structure = Structure::parallel;
  std::size_t n_outputs = 1;  // C
  Loss loss = Loss::squared_error;
  double alpha = 0;  // objective has alpha / 2 times the sum of squared weights

  std::size_t width() const noexcept { return n_dense; }  // D; embeddings will add theirs
};

}  // namespace dcn
