// What is known beforehand of the weights W (L,D,D) of the matrix form: blocks that stay 0, since
// their columns are not to be multiplied or are of several heads, and symmetry. Weights that begin
// so stay so to the bit if their gradients are so: optimizers treat equal numbers alike.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "network/config.hpp"

namespace dcn {

template <class T> class CrossStructure {
 public:
  explicit CrossStructure(const NetworkConfig& config)
      : L_(config.cross_layers), D_(config.width()), symmetric_(config.cross_symmetric) {
    std::vector<Columns> columns;
    std::size_t first = 0;
    for (const std::size_t width : config.column_widths()) {
      columns.push_back({first, width});
      first += width;
    }
    if (config.cross_heads > 1) head_ = config.heads_of_columns();
    for (std::size_t i = 0; i + 1 < config.cross_forbidden.size(); i += 2) {
      const Columns a = columns[config.cross_forbidden[i]];
      const Columns b = columns[config.cross_forbidden[i + 1]];
      forbidden_.push_back({a, b});
      forbidden_.push_back({b, a});
    }
  }

  bool any() const noexcept { return symmetric_ || !head_.empty() || !forbidden_.empty(); }

  void project(T* dW) const noexcept {
    for (std::size_t l = 0; l < L_; ++l, dW += D_ * D_) {
      if (symmetric_) make_symmetric(dW);
      if (!head_.empty()) part_heads(dW);
      for (const auto& [rows, columns] : forbidden_)
        for (std::size_t i = 0; i < rows.count; ++i)
          std::fill_n(dW + (rows.first + i) * D_ + columns.first, columns.count, T(0));
    }
  }

 private:
  struct Columns {
    std::size_t first, count;
  };

  void part_heads(T* dW) const noexcept {
    for (std::size_t i = 0; i < D_; ++i)
      for (std::size_t j = 0; j < D_; ++j)
        if (head_[i] != head_[j] && head_[i] != kEveryHead && head_[j] != kEveryHead)
          dW[i * D_ + j] = T(0);
  }

  // The mean of both gradients is that of a number which stands in both places. In blocks, whose
  // columns stay in the cache.
  void make_symmetric(T* dW) const noexcept {
    constexpr std::size_t kBlock = 32;
    for (std::size_t above = 0; above < D_; above += kBlock)
      for (std::size_t below = above; below < D_; below += kBlock)
        for (std::size_t i = below; i < std::min(below + kBlock, D_); ++i)
          for (std::size_t j = above; j < std::min(above + kBlock, i); ++j)
            dW[i * D_ + j] = dW[j * D_ + i] = T(0.5) * (dW[i * D_ + j] + dW[j * D_ + i]);
  }

  std::size_t L_, D_;
  bool symmetric_;
  std::vector<std::size_t> head_;                       // (D), where there are several
  std::vector<std::pair<Columns, Columns>> forbidden_;  // rows and columns of a block
};

}  // namespace dcn
