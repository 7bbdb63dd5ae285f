// Columns of lists as a caller gives them: for each offsets (N+1), ids (n_items) and weights
// (n_items) or None.
#pragma once

#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "bindings/arrays.hpp"
#include "dispatch/kernel_table.hpp"
#include "network/config.hpp"

namespace dcn {

template <class T>
using ListArrays =
    std::vector<std::tuple<Array<std::int64_t>, Array<std::int32_t>, std::optional<Array<T>>>>;

// Places in a batch are counted in 32 bits.
inline constexpr std::int64_t kMostItems = std::numeric_limits<std::uint32_t>::max();

// The lists that the arrays hold; they must stay. offsets and ids say where the engine reads, and
// are looked at by check_lists.
template <class T>
std::vector<Lists<T>> lists_of(const char* function, const ListArrays<T>& arrays,
                               const NetworkConfig& config, py::ssize_t N) {
  if (arrays.size() != config.poolings.size())
    throw py::value_error(std::string(function) + ": lists are " + std::to_string(arrays.size()) +
                          " columns, want " + std::to_string(config.poolings.size()));
  std::vector<Lists<T>> lists;
  for (const auto& [offsets, ids, weights] : arrays) {
    check_shape(function, "offsets", offsets, {{"N + 1", N + 1}});
    check_shape(function, "items", ids, {{"n_items"}});
    if (weights.has_value())
      check_shape(function, "weights", *weights, {{"n_items", ids.shape(0)}});
    if (ids.shape(0) > kMostItems)
      throw py::value_error(std::string(function) + ": a column of lists has " +
                            std::to_string(ids.shape(0)) + " items, want less than 2^32");
    lists.push_back({offsets.data(), ids.data(), weights.has_value() ? weights->data() : nullptr});
  }
  return lists;
}

// offsets (N+1) that begin with 0, ascend and end with the number of items, ids below the rows of
// their field; returns the length of the longest list.
template <class T>
std::size_t check_lists(const char* function, const Lists<T>& lists, std::size_t N,
                        std::size_t n_items, const FieldRows& field) {
  const std::int64_t* offsets = lists.offsets;
  std::int64_t longest = 0, last = 0;
  bool ok = offsets[0] == 0;
  for (std::size_t i = 0; i < N; ++i) {
    const std::int64_t next = offsets[i + 1];
    ok = ok && next >= last;
    longest = std::max(longest, next - last);
    last = next;
  }
  if (!ok || last != static_cast<std::int64_t>(n_items))
    throw py::value_error(std::string(function) + ": offsets of field '" + field.name +
                          "' want to begin with 0, ascend and end with " + std::to_string(n_items) +
                          ", the number of items");
  for (std::size_t i = 0; i < n_items; ++i)
    if (!is_row(lists.ids[i], field))
      throw py::index_error(std::string(function) + ": item " + std::to_string(i) + " of field '" +
                            field.name + "' is " + std::to_string(lists.ids[i]) +
                            ", want less than " + std::to_string(field.rows) +
                            ", the rows of its vocabulary, and not negative");
  return static_cast<std::size_t>(longest);
}

}  // namespace dcn
