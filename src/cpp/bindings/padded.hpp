// Arrays of the caller as the kernels want them: padded rows.
#pragma once

#include "arrays.hpp"
#include "buffer.hpp"
#include "kernel_table.hpp"

namespace dcn {

// One padded tile as large as the whole array: the kernels below are not worth cutting up.
template <class T> struct Padded {
  std::size_t rows, width;
  Buffer<T> memory;

  Padded(std::size_t rows_, std::size_t width_)
      : rows(rows_), width(width_), memory(rows_ * ld<T>(width_)) {}
  Padded(const KernelTable<T>& k, const Array<T>& a)
      : Padded(static_cast<std::size_t>(a.shape(0)), static_cast<std::size_t>(a.shape(1))) {
    k.stack_forward(memory.data(), a.data(), nullptr, rows, width, width);
  }
  Array<T> to_array(const KernelTable<T>& k) const {
    Array<T> out = empty<T>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(width)});
    k.unstack(out.mutable_data(), memory.data(), ld<T>(width), rows, width);
    return out;
  }
  T* data() { return memory.data(); }
};

template <class T> Array<T> zeros_like(const Array<T>& a) {
  Array<T> out(std::vector<py::ssize_t>(a.shape(), a.shape() + a.ndim()));
  std::fill_n(out.mutable_data(), out.size(), T(0));
  return out;
}

}  // namespace dcn
