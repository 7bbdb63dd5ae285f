// Stage 5: combine. [xL (T,D), hN (T,H)] -> logits (T,C), and back.
#pragma once

#include "config.hpp"
#include "packed.hpp"
#include "parameters.hpp"

namespace dcn {

template <class T> class Head {
 public:
  Head() = default;
  // Adds head_W (C, D+H) and head_b (C). H is 0 without a deep part. D is 0 where the cross part
  // does not reach the head: in a stacked network, and in a deep network without cross layers.
  Head(const NetworkConfig& config, Layout& layout)
      : H_(config.hidden.empty() ? 0 : config.hidden.back()), C_(config.n_outputs) {
    const bool direct = config.structure == Structure::parallel && config.cross_layers > 0;
    D_ = H_ == 0 || direct ? config.width() : 0;
    w_ = layout.add("head_W", {C_, D_ + H_}, config.alpha);
    b_ = layout.add("head_b", {C_}, 0);
    if (D_ > 0) packed_x_ = PackedMatrix<T>(C_, D_);
    if (H_ > 0) packed_h_ = PackedMatrix<T>(C_, H_);
  }

  void pack(const KernelTable<T>& k, const T* parameters) {
    const std::size_t width = D_ + H_;
    if (D_ > 0) packed_x_.pack(k, parameters + w_, width, parameters + b_);
    if (H_ > 0) packed_h_.pack(k, parameters + w_ + D_, width, parameters + b_);
  }

  void forward(const KernelTable<T>& k, T* logits, const T* xL, const T* hN,
               std::size_t rows) const {
    k.combine_forward(logits, D_ > 0 ? xL : nullptr, H_ > 0 ? hN : nullptr, packed_x_.view(),
                      packed_h_.view(), rows, D_, H_, C_);
  }
  void backward(const KernelTable<T>& k, T* dxL, T* dhN, T* gradients, const T* dlogits,
                const T* xL, const T* hN, std::size_t rows) const {
    k.combine_backward(dxL, dhN, gradients + w_, gradients + b_, dlogits, D_ > 0 ? xL : nullptr,
                       H_ > 0 ? hN : nullptr, packed_x_.view(), packed_h_.view(), rows, D_, H_, C_);
  }

  bool reads_cross() const noexcept { return D_ > 0; }

 private:
  std::size_t D_ = 0, H_ = 0, C_ = 1;
  std::size_t w_ = 0, b_ = 0;
  PackedMatrix<T> packed_x_, packed_h_;
};

}  // namespace dcn
