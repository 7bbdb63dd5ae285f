// PBLD (Holzmueller et al., 2024): (z, W^T cos(2 pi w z + phase) + b).
#pragma once

#include "network/numeric/waves.hpp"

namespace dcn {

template <class T> class PeriodicEmbedding final : public WaveEmbedding<T> {
 public:
  static constexpr NumericKind kind = {
      .name = "periodic",
      .least_width = 2,
      .least_frequencies = 1,
      .count = [](double, double K, double F) { return F * (K + 1) + 2 * K - 1; }};

  explicit PeriodicEmbedding(const NetworkConfig& config)
      : WaveEmbedding<T>(config, true, 1, config.numeric_width - 1) {}

  void forward(const KernelTable<T>& k, T* x, const T* dense, const std::int64_t* rows,
               std::size_t n) const override {
    k.periodic_forward(x, dense, rows, this->parameters(), this->sizes_, n);
  }
  void backward(const KernelTable<T>& k, T* sums, const T* dx, const T* x, const T* dense,
                const std::int64_t* rows, std::size_t n) const override {
    k.periodic_backward(this->sums(sums), dx, x, dense, rows, this->parameters(), this->sizes_, n);
  }
};

}  // namespace dcn
