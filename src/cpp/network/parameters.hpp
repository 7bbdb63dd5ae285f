// Named views over one flat buffer. Parameters, gradients and both Adam moments share a layout, so
// the optimizer, a save, a norm or a check for NaN is one loop over one array.
#pragma once

#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.hpp"

namespace dcn {

// What a tensor is for: how it begins, and what pulls at it, follow from it.
enum class Role : int {
  cross_weight,
  weight,  // of hidden layers and head
  bias,
  scale,  // of layer normalisation, as the next
  shift,
  linear,            // weights of the linear part on dense columns
  embedding,         // a table
  linear_embedding,  // the linear part on categories, a table too
  collision_weight,  // what a row of a table of embeddings is multiplied by
  numeric_weight,    // of embeddings of numbers
  numeric_linear,    // their slopes and frequencies
  numeric_bias,
  numeric_missing,  // what stands for a missing number
  member_scale,     // what a member multiplies the columns with
  input_scale,      // what all members multiply them with
  activation,       // the share of a unit's activation
};
inline constexpr const char* kRoleNames[] = {"cross_weight",
                                             "weight",
                                             "bias",
                                             "scale",
                                             "shift",
                                             "linear",
                                             "embedding",
                                             "linear_embedding",
                                             "collision_weight",
                                             "numeric_weight",
                                             "numeric_linear",
                                             "numeric_bias",
                                             "numeric_missing",
                                             "member_scale",
                                             "input_scale",
                                             "activation"};
inline constexpr std::size_t kRoles = std::size(kRoleNames);
static_assert(kRoles == static_cast<std::size_t>(Role::activation) + 1);

// Which part of the network a tensor belongs to.
enum class Part : int { numeric, members, cross, deep, head, tables };
inline constexpr const char* kPartNames[] = {"numeric", "members", "cross",
                                             "deep",    "head",    "tables"};
static_assert(std::size(kPartNames) == static_cast<std::size_t>(Part::tables) + 1);

struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::size_t offset;
  std::size_t size;
  Role role;
  Part part;
};

class Layout {
 public:
  // What is added from now on belongs to this part.
  void begin(Part part) noexcept { part_ = part; }
  // Returns the offset of the new tensor. An aligned one starts a cache line, so that a table row
  // of 64 bytes is one line; the numbers skipped stay 0.
  std::size_t add(std::string name, std::vector<std::size_t> shape, Role role,
                  std::size_t align = 1) {
    const std::size_t size =
        std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
    size_ = (size_ + align - 1) / align * align;
    tensors_.push_back({std::move(name), std::move(shape), size_, size, role, part_});
    size_ += size;
    count_ += size;
    return tensors_.back().offset;
  }
  const std::vector<Tensor>& tensors() const noexcept { return tensors_; }
  std::size_t size() const noexcept { return size_; }    // of the flat buffer
  std::size_t count() const noexcept { return count_; }  // of the parameters

 private:
  std::vector<Tensor> tensors_;
  std::size_t size_ = 0, count_ = 0;
  Part part_ = Part::cross;
};

// What comes from outside, an old file say, may have been made without FlushDenormals.
template <class T> void copy_without_denormals(Buffer<T>& to, const T* from) {
  for (std::size_t i = 0; i < to.size(); ++i)
    to.data()[i] = std::abs(from[i]) < std::numeric_limits<T>::min() ? T(0) : from[i];
}

}  // namespace dcn
