// The only allocator: 64-byte aligned, zeroed, freed with its owner. Pages that nobody writes cost
// no memory, so a large table's gradients and moments are free until its rows are touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "shapes.hpp"

namespace dcn {

template <class T> class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    constexpr std::size_t kAlign = 64;
    if (size > std::numeric_limits<std::size_t>::max() / (2 * sizeof(T))) throw std::bad_alloc();
    memory_.reset(std::calloc(size * sizeof(T) + kAlign, 1));
    if (memory_ == nullptr) throw std::bad_alloc();
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
    const std::size_t skip = (kAlign - address % kAlign) % kAlign;
    data_ = reinterpret_cast<T*>(static_cast<char*>(memory_.get()) + skip);
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Free {
    void operator()(void* p) const noexcept { std::free(p); }
  };
  void swap(Buffer& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::unique_ptr<void, Free> memory_;
  T* data_ = nullptr;
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
