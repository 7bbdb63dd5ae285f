// What the periodic kinds share: tensors in one piece of the parameters, and sums of that shape.
#pragma once

#include <algorithm>
#include <numbers>

#include "network/numeric/numeric.hpp"

namespace dcn {

template <class T> class WaveEmbedding : public NumericEmbedding<T> {
 public:
  void add(Layout& layout) override {
    const auto [J, F, K, M, D] = sizes_;
    first_ = layout.add("numeric_w", {J, F}, Role::numeric_linear);
    if (has_phase_) layout.add("numeric_phase", {J, F}, Role::numeric_bias);
    layout.add("numeric_W", {J, waves_ * F, O_}, Role::numeric_weight);
    layout.add("numeric_b", {J, O_}, Role::numeric_bias);
    layout.add("numeric_missing", {J, K}, Role::numeric_missing);
  }

  // from turns to angles
  void prepare(const KernelTable<T>&, const T* p) noexcept override {
    std::copy_n(p + first_, count(), parameters_.data());
    for (std::size_t i = 0; i < frequencies(); ++i) parameters_.data()[i] *= kTurn;
  }

  std::size_t sums_size() const override { return count() * kLanes<T>; }
  void collect(const KernelTable<T>& k, T* g, T* sums) const override {
    const std::size_t n = frequencies();
    k.add_lanes(g + first_, sums, n, kTurn);
    k.add_lanes(g + first_ + n, sums + n * kLanes<T>, count() - n, T(1));
  }

 protected:
  static constexpr T kTurn = 2 * std::numbers::pi_v<T>;

  // waves of each frequency, and O outputs that are learned
  WaveEmbedding(const NetworkConfig& c, bool has_phase, std::size_t waves, std::size_t O)
      : sizes_{c.numeric_bins.size(), c.numeric_frequencies, c.numeric_width, c.n_dense, c.width()},
        has_phase_(has_phase), waves_(waves), O_(O), parameters_(count()) {}

  // each number of a tensor takes `lanes`
  template <class P> Waves<P> tensors(P* first, std::size_t lanes) const {
    P* phase = first + frequencies() * lanes;
    P* W = phase + (has_phase_ ? frequencies() * lanes : 0);
    P* b = W + frequencies() * waves_ * O_ * lanes;
    return {first, has_phase_ ? phase : nullptr, W, b, b + sizes_.J * O_ * lanes};
  }
  Waves<const T> parameters() const { return tensors<const T>(parameters_.data(), 1); }
  Waves<T> sums(T* first) const { return tensors(first, kLanes<T>); }

  WaveSizes sizes_;

 private:
  std::size_t frequencies() const { return sizes_.J * sizes_.F; }
  std::size_t count() const {
    return frequencies() * (1 + has_phase_ + waves_ * O_) + sizes_.J * (O_ + sizes_.K);
  }

  bool has_phase_;
  std::size_t waves_, O_, first_ = 0;
  Buffer<T> parameters_;
};

}  // namespace dcn
