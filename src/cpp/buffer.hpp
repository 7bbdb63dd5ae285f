// The only allocator: 64-byte aligned, zeroed, freed with its owner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>

#include "shapes.hpp"

namespace dcn {

struct AlignedDelete {
  void operator()(void* p) const noexcept { ::operator delete(p, std::align_val_t{64}); }
};

template <class T> class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size > std::numeric_limits<std::size_t>::max() / (2 * sizeof(T))) throw std::bad_alloc();
    const std::size_t bytes = std::max<std::size_t>(size, 1) * sizeof(T);
    data_.reset(static_cast<T*>(::operator new(bytes, std::align_val_t{64})));
    std::fill_n(data_.get(), size, T(0));
  }

  T* data() noexcept { return data_.get(); }
  const T* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<T[], AlignedDelete> data_;
  std::size_t size_ = 0;
};

// Hands out 64-byte aligned pieces of one buffer. Without a base it only counts, so the same code
// that lays the pieces out also says how much to allocate.
template <class T> class Carver {
 public:
  explicit Carver(T* base = nullptr) : base_(base) {}

  T* take(std::size_t size) {
    T* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += padded<T>(size);
    return piece;
  }
  std::size_t used() const noexcept { return used_; }

 private:
  T* base_;
  std::size_t used_ = 0;
};

}  // namespace dcn
