// Stage 5: combine. The parts of the model -> logits (T,C), and back.
#pragma once

#include <array>
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
  bool of_members = true;  // (E,T,width): else all members read the same
};

template <class T> class Head {
 public:
  // widths: of the parts that reach the head, in the order in which their inputs will come; the
  // wide columns, M of them or none, come last.
  Head(const NetworkConfig& config, const std::vector<std::size_t>& widths,
       std::size_t wide_columns)
      : E_(config.n_members), C_(config.n_outputs),
        width_(std::accumulate(widths.begin(), widths.end(), std::size_t{0})),
        wide_columns_(wide_columns) {
    for (const std::size_t part : widths) parts_.push_back({part, width_, 0, C_ * width_, {}});
    if (wide_columns > 0) parts_.push_back({wide_columns, wide_columns, 0, 0, {}});
    for (Part& part : parts_)
      for (std::size_t e = 0; e < E_; ++e) part.packed.emplace_back(C_, part.width);
  }

  // wide_W (C,M), head_W (C, sum of widths) and head_b (C), of several members (E,C,..) and (E,C)
  void add(Layout& layout) {
    if (wide_columns_ > 0)
      parts_.back().w = layout.add("wide_W", {C_, wide_columns_}, Role::linear);
    std::size_t w = layout.add("head_W", of_members({C_, width_}), Role::weight);
    b_ = layout.add("head_b", of_members({C_}), Role::bias);
    for (std::size_t i = 0; i < parts_.size() - (wide_columns_ > 0); w += parts_[i++].width)
      parts_[i].w = w;
  }

  void pack(Packings<T>& packings, const T* parameters) {
    for (Part& part : parts_)
      for (std::size_t e = 0; e < E_; ++e)
        packings.push_back({&part.packed[e], parameters + part.w + e * part.step, part.stride,
                            parameters + b_ + e * C_});
  }

  // inputs of `rows` rows -> logits (E,T,C)
  void forward(const KernelTable<T>& k, T* logits, const std::vector<HeadInput<T>>& inputs,
               std::size_t rows) const {
    for (std::size_t e = 0; e < E_; ++e, logits += rows * ld<T>(C_))
      for (std::size_t i = 0; i < parts_.size(); ++i)
        k.combine_forward(logits, inputs[i].x + first(inputs[i], e, rows), inputs[i].ld,
                          parts_[i].packed[e].view(), rows, parts_[i].width, C_, i > 0);
  }
  void backward(const KernelTable<T>& k, T* gradients, const T* dlogits,
                const std::vector<HeadInput<T>>& inputs, std::size_t rows) const {
    for (std::size_t e = 0, at = 0; e < E_; ++e, at += rows * ld<T>(C_))
      for (std::size_t i = 0; i < parts_.size(); ++i)
        part_backward(k, gradients, i == 0 ? gradients + b_ + e * C_ : nullptr, dlogits + at,
                      inputs, {i, e, rows});
  }

  // What each of the first two inputs gives the logits by itself, with the bias: (E,T,C) each.
  void forward_alone(const KernelTable<T>& k, const std::array<T*, 2>& logits,
                     const std::vector<HeadInput<T>>& inputs, std::size_t rows) const {
    for (std::size_t e = 0, at = 0; e < E_; ++e, at += rows * ld<T>(C_))
      for (std::size_t i = 0; i < 2; ++i)
        k.combine_forward(logits[i] + at, inputs[i].x + first(inputs[i], e, rows), inputs[i].ld,
                          parts_[i].packed[e].view(), rows, parts_[i].width, C_, false);
  }
  // Of gradients for each of these two, and of those for all else.
  void backward_alone(const KernelTable<T>& k, T* gradients, const T* dlogits,
                      const std::array<const T*, 2>& own, const std::vector<HeadInput<T>>& inputs,
                      std::size_t rows) const {
    for (std::size_t e = 0, at = 0; e < E_; ++e, at += rows * ld<T>(C_)) {
      for (std::size_t i = 0; i < parts_.size(); ++i)
        part_backward(k, gradients, nullptr, (i < own.size() ? own[i] : dlogits) + at, inputs,
                      {i, e, rows});
      for (std::size_t t = 0; t < rows; ++t)
        for (std::size_t c = 0; c < C_; ++c)
          gradients[b_ + e * C_ + c] += dlogits[at + t * ld<T>(C_) + c];
    }
  }

 private:
  struct Part {
    std::size_t width, stride;  // columns of its piece of the weights, and of the whole matrix
    std::size_t w;              // offset of the piece
    std::size_t step;           // to that of the next member; 0 where it is the same
    std::vector<PackedMatrix<T>> packed;  // one a member
  };
  struct Place {
    std::size_t part, member, rows;
  };
  void part_backward(const KernelTable<T>& k, T* gradients, T* db, const T* dlogits,
                     const std::vector<HeadInput<T>>& inputs, const Place& at) const {
    const Part& part = parts_[at.part];
    const HeadInput<T>& input = inputs[at.part];
    const std::size_t from = first(input, at.member, at.rows);
    T* dx = input.dx != nullptr ? input.dx + from : nullptr;
    k.combine_backward(dx, gradients + part.w + at.member * part.step, part.stride, db, dlogits,
                       input.x + from, input.ld, part.packed[at.member].view(), at.rows, part.width,
                       C_);
  }
  std::vector<std::size_t> of_members(std::vector<std::size_t> shape) const {
    if (E_ > 1) shape.insert(shape.begin(), E_);
    return shape;
  }
  static std::size_t first(const HeadInput<T>& input, std::size_t e, std::size_t rows) {
    return input.of_members ? e * rows * input.ld : 0;
  }

  std::size_t E_, C_, width_, wide_columns_, b_ = 0;
  std::vector<Part> parts_;
};

}  // namespace dcn
