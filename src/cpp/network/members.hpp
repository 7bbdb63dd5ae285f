// Stage 2, members: each member of the ensemble sees the columns of the table multiplied by numbers
// of its own, and has a head of its own; all between is shared.
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
      : E_(config.n_members), D_(config.width()), widths_(config.column_widths()),
        wide_(several() ? E_ * padded<T>(D_) : 0) {}

  // whether there is more than one; else there is nothing to do
  bool several() const noexcept { return E_ > 1; }
  std::size_t count() const noexcept { return E_; }

  // member_r (E, columns of the table)
  void add(Layout& layout) {
    if (several()) r_ = layout.add("member_r", {E_, widths_.size()}, Role::member_scale);
  }

  // From the flat parameters, once a step: a number for each column of x0.
  void prepare(const T* parameters) noexcept {
    if (!several()) return;
    const T* r = parameters + r_;
    for (std::size_t e = 0; e < E_; ++e) {
      T* to = wide_.data() + e * padded<T>(D_);
      for (const std::size_t width : widths_) to = std::fill_n(to, width, *r++);
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
  std::size_t E_, D_, r_ = 0;
  std::vector<std::size_t> widths_;  // of each column of the table in x0
  Buffer<T> wide_;                   // (E,padded(D))
};

}  // namespace dcn
