// The only allocator: 64-byte aligned, zeroed if wanted, freed with its owner. Pages that nobody
// writes cost no memory, so a large table's gradients and moments are free until its rows are
// touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include "base/shapes.hpp"

namespace dcn {

enum class Contents { zeros, anything };

// Tests make memory end: where set, it is asked before each allocation whether this one fails.
inline bool (*memory_ends)() noexcept = nullptr;

// 64-byte aligned; throws std::bad_alloc.
class Memory {
 public:
  Memory() = default;
  explicit Memory(std::size_t bytes, Contents contents = Contents::zeros);
  ~Memory();
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    swap(other);
    return *this;
  }

  void* data() const noexcept { return data_; }

 private:
  void swap(Memory& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  void *memory_ = nullptr, *data_ = nullptr;
  std::size_t bytes_ = 0;
};

template <class T> class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : memory_(checked(size) * sizeof(T)), size_(size) {}
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    memory_ = std::move(other.memory_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  T* data() noexcept { return static_cast<T*>(memory_.data()); }
  const T* data() const noexcept { return static_cast<const T*>(memory_.data()); }
  std::size_t size() const noexcept { return size_; }

 private:
  static std::size_t checked(std::size_t size) {
    if (size > std::numeric_limits<std::size_t>::max() / (2 * sizeof(T))) throw std::bad_alloc();
    return size;
  }

  Memory memory_;
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
