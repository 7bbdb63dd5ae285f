// What every binding does with an array: check its shape in words a user understands, take
// pointers.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "bindings/gil.hpp"
#include "base/thread_pool.hpp"

namespace dcn {

namespace py = pybind11;

// What does not lie in memory as its type wants it is copied.
inline constexpr int kArrayFlags = static_cast<int>(py::array::c_style) |
                                   static_cast<int>(py::detail::npy_api::NPY_ARRAY_ALIGNED_);
template <class T> using Array = py::array_t<T, kArrayFlags>;

inline std::string shape_text(const py::array& a) {
  std::string text = "(";
  for (py::ssize_t i = 0; i < a.ndim(); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(a.shape(i));
  return text + (a.ndim() == 1 ? ",)" : ")");
}

inline std::string number_text(double value) {
  std::string text(32, ' ');
  text.resize(static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.6g", value)));
  return text;
}

// One dimension of a wanted shape: its letter and, where it is known already, its size.
struct Dim {
  const char* letter;
  py::ssize_t size = -1;
};

// "cross_matrix: W has shape (3, 40, 40), want (L, D, D) with D = 48"
inline void check_shape(const char* function, const char* argument, const py::array& a,
                        const std::vector<Dim>& want) {
  bool ok = a.ndim() == static_cast<py::ssize_t>(want.size());
  py::ssize_t axis = 0;
  for (const Dim& dim : want) {
    ok = ok && (dim.size < 0 || a.shape(axis) == dim.size);
    ++axis;
  }
  if (ok) return;
  std::string letters, sizes;
  for (const Dim& dim : want) {
    letters += (letters.empty() ? "" : ", ") + std::string(dim.letter);
    const std::string size = std::string(dim.letter) + " = " + std::to_string(dim.size);
    if (dim.size >= 0 && sizes.find(size) == std::string::npos)
      sizes += (sizes.empty() ? " with " : ", ") + size;
  }
  throw py::value_error(std::string(function) + ": " + argument + " has shape " + shape_text(a) +
                        ", want (" + letters + (want.size() == 1 ? ",)" : ")") + sizes);
}

// "train_epoch: beta_1 is nan, want at least 0 and less than 1"
inline void check_number(const char* function, const char* argument, double value, bool ok,
                         const char* want) {
  if (!ok)
    throw py::value_error(std::string(function) + ": " + argument + " is " + number_text(value) +
                          ", want " + want);
}

inline void check_finite(const char* function, const char* argument, double value) {
  check_number(function, argument, value, std::isfinite(value), "a finite number");
}

// No call has more threads than the pool.
inline std::size_t check_threads(const char* function, std::size_t n_threads) {
  if (n_threads == 0)
    throw py::value_error(std::string(function) + ": n_threads is 0, want at least 1");
  return std::min(n_threads, kMostThreads);
}

// Whether a number that came as floating point is one of 0 to n_classes - 1.
template <class T> bool is_class(T number, std::size_t n_classes) {
  return number >= 0 && number < static_cast<T>(n_classes) && number == std::floor(number);
}

// What a column of ids may hold.
struct FieldRows {
  std::string name;
  std::size_t rows;
};

inline bool is_row(std::int32_t id, const FieldRows& field) {
  return id >= 0 && static_cast<std::size_t>(id) < field.rows;
}

// "predict: ids has 12 in row 3 of field 'city', want less than 10, the rows of its vocabulary,
// ..."
[[noreturn]] inline void refuse_row_of_ids(const char* function, const std::int32_t* ids,
                                           std::size_t row, const std::vector<FieldRows>& fields) {
  for (const FieldRows& field : fields) {
    const std::int32_t value = *ids++;
    if (is_row(value, field)) continue;
    throw py::index_error(std::string(function) + ": ids has " + std::to_string(value) +
                          " in row " + std::to_string(row) + " of field '" + field.name +
                          "', want less than " + std::to_string(field.rows) +
                          ", the rows of its vocabulary, and not negative");
  }
  throw py::index_error(std::string(function) + ": ids were changed while they were checked");
}

// ids (N,F), each less than the rows of its field
inline void check_rows_of_ids(const char* function, const std::int32_t* ids, std::size_t N,
                              const std::vector<FieldRows>& fields) {
  if (fields.empty()) return;
  for (std::size_t i = 0; i < N; ++i, ids += fields.size()) {
    bool ok = true;
    for (std::size_t f = 0; f < fields.size(); ++f) ok = ok && is_row(ids[f], fields[f]);
    if (!ok) refuse_row_of_ids(function, ids, i, fields);
  }
}

inline void check_ids(const char* function, const Array<std::int32_t>& ids,
                      const std::vector<FieldRows>& fields) {
  const auto F = static_cast<py::ssize_t>(fields.size());
  check_shape(function, "ids", ids, {{"B"}, {"F", F}});
  check_rows_of_ids(function, ids.data(), static_cast<std::size_t>(ids.shape(0)), fields);
}

// Places in a batch are counted in 32 bits.
inline void check_batch(const char* function, std::size_t B, std::size_t F) {
  if (F > 0 && B > std::numeric_limits<std::uint32_t>::max() / F)
    throw py::value_error(std::string(function) + ": a batch of " + std::to_string(B) +
                          " rows of " + std::to_string(F) + " fields, want less than 2^32 ids");
}

// An array to be written. A large one lies on whole cache lines, and its memory is used again once
// it is dropped.
template <class T> Array<T> empty(std::vector<py::ssize_t> shape) {
  std::size_t size = 1;
  for (const py::ssize_t n : shape) size *= static_cast<std::size_t>(n);
  constexpr std::size_t kLargeArray = std::size_t{1} << 20;
  if (size * sizeof(T) < kLargeArray) return Array<T>(shape);
  auto memory = std::make_unique<Memory>(size * sizeof(T), Contents::anything);
  T* data = static_cast<T*>(memory->data());
  const py::capsule owner(memory.get(), [](void* p) { delete static_cast<Memory*>(p); });
  (void)memory.release();  // the capsule has it
  return Array<T>(shape, data, owner);
}

}  // namespace dcn
