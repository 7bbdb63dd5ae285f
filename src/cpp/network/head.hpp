// Stage 5: combine. The parts of the model -> logits (T,C), and back.
#pragma once

#include <numeric>
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
  // widths: of the parts that reach the head, in the order in which their inputs will come; the
  // wide columns, M of them or none, come last.
  Head(const NetworkConfig& config, const std::vector<std::size_t>& widths,
       std::size_t wide_columns)
      : C_(config.n_outputs), width_(std::accumulate(widths.begin(), widths.end(), std::size_t{0})),
        wide_columns_(wide_columns) {
    for (const std::size_t part : widths)
      parts_.push_back({part, width_, 0, PackedMatrix<T>(C_, part)});
    if (wide_columns > 0)
      parts_.push_back({wide_columns, wide_columns, 0, PackedMatrix<T>(C_, wide_columns)});
  }

  // wide_W (C,M), head_W (C, sum of widths) and head_b (C)
  void add(Layout& layout) {
    if (wide_columns_ > 0)
      parts_.back().w = layout.add("wide_W", {C_, wide_columns_}, Role::linear);
    std::size_t w = layout.add("head_W", {C_, width_}, Role::weight);
    b_ = layout.add("head_b", {C_}, Role::bias);
    for (std::size_t i = 0; i < parts_.size() - (wide_columns_ > 0); w += parts_[i++].width)
      parts_[i].w = w;
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
  std::size_t C_, width_, wide_columns_, b_ = 0;
  std::vector<Part> parts_;
};

}  // namespace dcn
