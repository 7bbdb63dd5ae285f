// Stage 2, members: each member of the ensemble sees the columns of the table multiplied by numbers
// of its own, and has a head of its own; all between is shared. All may be multiplied, column by
// column of x0, by learned numbers as well.
#pragma once

#include <algorithm>
#include <vector>

#include "base/buffer.hpp"
#include "network/config.hpp"
#include "network/parameters.hpp"

namespace dcn {

template <class T> class Members {
 public:
  explicit Members(const NetworkConfig& config)
      : E_(config.n_members), D_(config.width()), learned_(config.learned_scale),
        widths_(config.column_widths()), wide_(multiplies() ? E_ * padded<T>(D_) : 0) {}

  // whether there is more than one
  bool several() const noexcept { return E_ > 1; }
  // whether x0 is not x itself
  bool multiplies() const noexcept { return several() || learned_; }
  std::size_t count() const noexcept { return E_; }

  // input_scale (D), member_r (E, columns of the table)
  void add(Layout& layout) {
    if (learned_) s_ = layout.add("input_scale", {D_}, Role::input_scale);
    if (several()) r_ = layout.add("member_r", {E_, widths_.size()}, Role::member_scale);
  }

  // From the flat parameters, once a step: a number for each column of x0.
  void prepare(const T* parameters) noexcept {
    if (!multiplies()) return;
    in_use_ = parameters;
    const T* r = parameters + r_;
    for (std::size_t e = 0; e < E_; ++e) {
      T* const own = wide_.data() + e * padded<T>(D_);
      T* to = own;
      for (const std::size_t width : widths_) to = std::fill_n(to, width, several() ? *r++ : T(1));
      for (std::size_t d = 0; learned_ && d < D_; ++d) own[d] *= parameters[s_ + d];
    }
  }

  // x (T,D) -> x0 (E,T,D)
  void forward(const KernelTable<T>& k, T* x0, const T* x, std::size_t rows) const {
    k.members_forward(x0, x, wide_.data(), rows, E_, D_);
  }
  // dx0 (E,T,D) -> dx (T,D); scratch (E,padded(D))
  void backward(const KernelTable<T>& k, T* dx, T* gradients, T* scratch, const T* dx0, const T* x,
                std::size_t rows) const {
    k.members_backward(dx, scratch, dx0, x, wide_.data(), rows, E_, D_);
    if (learned_) split(gradients + s_, scratch);
    if (!several()) return;
    T* dr = gradients + r_;
    for (std::size_t e = 0; e < E_; ++e) {
      const T* from = scratch + e * padded<T>(D_);
      for (const std::size_t width : widths_) {
        T sum = T(0);
        for (std::size_t i = 0; i < width; ++i) sum += *from++;
        *dr++ += sum;
      }
    }
  }

 private:
  // The gradients (E,padded(D)) of the products r s -> those of r; what s gets is added to ds (D).
  void split(T* ds, T* gradients) const {
    const T* r = in_use_ + r_;
    for (std::size_t e = 0; e < E_; ++e, gradients += padded<T>(D_)) {
      std::size_t d = 0;
      for (const std::size_t width : widths_) {
        const T own = several() ? *r++ : T(1);
        for (const std::size_t end = d + width; d < end; ++d) {
          ds[d] += gradients[d] * own;
          gradients[d] *= in_use_[s_ + d];
        }
      }
    }
  }

  std::size_t E_, D_, r_ = 0, s_ = 0;
  bool learned_;
  const T* in_use_ = nullptr;        // parameters, as Network has them
  std::vector<std::size_t> widths_;  // of each column of the table in x0
  Buffer<T> wide_;                   // (E,padded(D))
};

}  // namespace dcn
