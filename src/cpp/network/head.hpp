// Stage 5: combine. The parts of the model -> logits (T,C), and back.
#pragma once

#include <vector>

#include "network/config.hpp"
#include "network/packed.hpp"
#include "network/parameters.hpp"

namespace dcn {

// One input of the head: x (T,width) with row stride ld, and where its gradient goes.
template <class T> struct HeadInput {
  const T* x;
  T* dx;  // (T,width) or null
  std::size_t ld;
};

template <class T> class Head {
 public:
  Head() = default;
  // Adds wide_W (C,M) where wide_columns is M > 0, head_W (C, sum of widths) and head_b (C).
  // widths: of the parts that reach the head, in the order in which their inputs will come; the
  // wide columns come last.
  Head(const NetworkConfig& config, Layout& layout, const std::vector<std::size_t>& widths,
       std::size_t wide_columns)
      : C_(config.n_outputs) {
    std::size_t wide = 0, width = 0;
    if (wide_columns > 0) wide = layout.add("wide_W", {C_, wide_columns}, config.alpha_deep);
    for (const std::size_t w : widths) width += w;
    std::size_t w = layout.add("head_W", {C_, width}, config.alpha_deep);
    b_ = layout.add("head_b", {C_}, 0);
    for (const std::size_t part : widths) {
      parts_.push_back({part, width, w, PackedMatrix<T>(C_, part)});
      w += part;
    }
    if (wide_columns > 0)
      parts_.push_back({wide_columns, wide_columns, wide, PackedMatrix<T>(C_, wide_columns)});
  }

  void pack(Packings<T>& packings, const T* parameters) {
    for (Part& part : parts_)
      packings.push_back({&part.packed, parameters + part.w, part.stride, parameters + b_});
  }

  void forward(const KernelTable<T>& k, T* logits, const std::vector<HeadInput<T>>& inputs,
               std::size_t rows) const {
    for (std::size_t i = 0; i < parts_.size(); ++i)
      k.combine_forward(logits, inputs[i].x, inputs[i].ld, parts_[i].packed.view(), rows,
                        parts_[i].width, C_, i > 0);
  }
  void backward(const KernelTable<T>& k, T* gradients, const T* dlogits,
                const std::vector<HeadInput<T>>& inputs, std::size_t rows) const {
    for (std::size_t i = 0; i < parts_.size(); ++i)
      k.combine_backward(inputs[i].dx, gradients + parts_[i].w, parts_[i].stride,
                         i == 0 ? gradients + b_ : nullptr, dlogits, inputs[i].x, inputs[i].ld,
                         parts_[i].packed.view(), rows, parts_[i].width, C_);
  }

 private:
  struct Part {
    std::size_t width, stride;  // columns of its piece of the weights, and of the whole matrix
    std::size_t w;              // offset of the piece
    PackedMatrix<T> packed;
  };
  std::size_t C_ = 1, b_ = 0;
  std::vector<Part> parts_;
};

}  // namespace dcn
