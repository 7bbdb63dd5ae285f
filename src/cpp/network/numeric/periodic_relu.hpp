// PLR (Gorishniy et al., 2022, section 3.3): max(0, W^T (sin 2 pi w z, cos 2 pi w z) + b).
#pragma once

#include "network/numeric/waves.hpp"

namespace dcn {

template <class T> class PeriodicReluEmbedding final : public WaveEmbedding<T> {
 public:
  static constexpr NumericKind kind = {
      .name = "periodic_relu",
      .least_width = 1,
      .least_frequencies = 1,
      .count = [](double, double K, double F) { return F * (1 + 2 * K) + 2 * K; }};

  explicit PeriodicReluEmbedding(const NetworkConfig& config)
      : WaveEmbedding<T>(config, false, 2, config.numeric_width) {}

  void forward(const KernelTable<T>& k, T* x, const T* dense, const std::int64_t* rows,
               std::size_t n) const override {
    k.periodic_relu_forward(x, dense, rows, this->parameters(), this->sizes_, n);
  }
  void backward(const KernelTable<T>& k, T* sums, const T* dx, const T* x, const T* dense,
                const std::int64_t* rows, std::size_t n) const override {
    k.periodic_relu_backward(this->sums(sums), dx, x, dense, rows, this->parameters(), this->sizes_,
                             n);
  }
};

}  // namespace dcn
