// Arrays of the caller as the kernels want them: padded rows.
#pragma once

#include "bindings/arrays.hpp"
#include "base/buffer.hpp"
#include "dispatch/kernel_table.hpp"

namespace dcn {

// Where an array of two dimensions lies: to be read without the GIL, while others may give the
// array another shape.
template <class T> struct Matrix {
  const T* data;
  std::size_t rows, width;

  explicit Matrix(const Array<T>& a)
      : data(a.data()), rows(static_cast<std::size_t>(a.shape(0))),
        width(static_cast<std::size_t>(a.shape(1))) {}
};

// One padded tile as large as the whole array: the kernels below are not worth cutting up.
template <class T> struct Padded {
  std::size_t rows, width;
  Buffer<T> memory;

  Padded(std::size_t rows_, std::size_t width_)
      : rows(rows_), width(width_), memory(rows_ * ld<T>(width_)) {}
  Padded(const KernelTable<T>& k, const Matrix<T>& a) : Padded(a.rows, a.width) {
    k.stack_forward(memory.data(), a.data, width, nullptr, rows, width, 0, width);
  }
  void copy_to(const KernelTable<T>& k, T* out) const {
    k.unstack(out, memory.data(), ld<T>(width), rows, width);
  }
  T* data() { return memory.data(); }
};

template <class T> Array<T> empty_matrix(std::size_t rows, std::size_t width) {
  return empty<T>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(width)});
}

template <class T> Array<T> empty_like(const Array<T>& a) {
  return empty<T>(std::vector<py::ssize_t>(a.shape(), a.shape() + a.ndim()));
}

}  // namespace dcn
