// Piecewise linear (Gorishniy et al., 2022, eq. 1): b + s sum_t e_t W_t + z v, e_t = 0 below the
// t-th bin, 1 above it, and the share of it that a number has behind it within.
#pragma once

#include <numeric>

#include "network/numeric/numeric.hpp"

namespace dcn {

template <class T> class PiecewiseEmbedding final : public NumericEmbedding<T> {
 public:
  static constexpr NumericKind kind = {
      .name = "piecewise",
      .least_width = 1,
      .least_frequencies = 0,
      .count = [](double bins, double K, double) { return (bins + 3) * K; }};

  explicit PiecewiseEmbedding(const NetworkConfig& config)
      : bins_(config.numeric_bins), K_(config.numeric_width), M_(config.n_dense),
        D_(config.width()), blocks_(sums_size()) {
    for (const double scale : config.numeric_scales) scales_.push_back(static_cast<T>(scale));
  }

  // numeric_W (sum of bins, K), numeric_b, numeric_v and numeric_missing (J,K)
  void add(Layout& layout) override {
    W_ = layout.add("numeric_W", {all_bins(), K_}, Role::numeric_weight);
    b_ = layout.add("numeric_b", {J(), K_}, Role::numeric_bias);
    v_ = layout.add("numeric_v", {J(), K_}, Role::numeric_linear);
    missing_ = layout.add("numeric_missing", {J(), K_}, Role::numeric_missing);
  }

  void prepare(const KernelTable<T>& k, const T* p) noexcept override {
    k.piecewise_prepare(blocks_.data(), p + W_, p + b_, p + v_, p + missing_, scales_.data(),
                        bins_.data(), J(), K_);
  }

  void forward(const KernelTable<T>& k, T* x, const T* dense, const std::int64_t* rows,
               std::size_t n) const override {
    k.piecewise_forward(x, dense, rows, blocks_.data(), bins_.data(), n, J(), K_, M_, D_);
  }

  std::size_t sums_size() const override { return (all_bins() + 3 * J()) * padded<T>(K_); }
  void backward(const KernelTable<T>& k, T* sums, const T* dx, const T*, const T* dense,
                const std::int64_t* rows, std::size_t n) const override {
    k.piecewise_backward(sums, dx, dense, rows, bins_.data(), n, J(), K_, M_, D_);
  }
  void collect(const KernelTable<T>& k, T* g, T* sums) const override {
    k.piecewise_collect(g + W_, g + b_, g + v_, g + missing_, sums, scales_.data(), bins_.data(),
                        J(), K_);
  }

 private:
  std::size_t J() const { return bins_.size(); }
  std::size_t all_bins() const {
    return std::accumulate(bins_.begin(), bins_.end(), std::size_t{0});
  }

  std::vector<std::size_t> bins_;  // (J)
  std::vector<T> scales_;          // (J) of the pieces
  std::size_t K_, M_, D_, W_ = 0, b_ = 0, v_ = 0, missing_ = 0;
  Buffer<T> blocks_;  // see piecewise_prepare
};

}  // namespace dcn
