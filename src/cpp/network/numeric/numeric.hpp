// Stage 2 for numbers: embeddings that are functions of one number each. Each kind is a class in a
// file of its own, each backward below its forward; kinds.cpp lists them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/buffer.hpp"
#include "network/config.hpp"
#include "network/parameters.hpp"

namespace dcn {

template <class T> class NumericEmbedding {
 public:
  virtual ~NumericEmbedding() = default;

  // Adds its tensors to the layout.
  virtual void add(Layout& layout) = 0;
  // From the flat parameters, once a step.
  virtual void prepare(const KernelTable<T>& k, const T* parameters) noexcept = 0;
  // dense (N, M + 2 J) -> the last columns of x (T,D)
  virtual void forward(const KernelTable<T>& k, T* x, const T* dense, const std::int64_t* rows,
                       std::size_t n) const = 0;
  // numbers of a thread's sums, in which the tiles of a shard leave what gradients are made of
  virtual std::size_t sums_size() const = 0;
  // dx and what forward made, x (T,D) -> added to sums
  virtual void backward(const KernelTable<T>& k, T* sums, const T* dx, const T* x, const T* dense,
                        const std::int64_t* rows, std::size_t n) const = 0;
  // sums, which are overwritten -> added to the flat gradients
  virtual void collect(const KernelTable<T>& k, T* gradients, T* sums) const = 0;
};

struct NumericKind {
  const char* name;
  std::size_t least_width, least_frequencies;
  // parameters for a number, in floating point, where nothing overflows
  double (*count)(double bins, double K, double F);
};

// The kinds there are, in the order of kinds.cpp.
std::vector<NumericKind> numeric_kinds();
// Null without embedded numbers. The configuration names a kind that there is.
template <class T> std::unique_ptr<NumericEmbedding<T>> make_numeric(const NetworkConfig& config);

}  // namespace dcn
