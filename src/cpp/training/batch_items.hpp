// What a batch names of a table that is not one id a row: the items of a column of lists, and those
// of all fields that share the rows of a table, which have one run a row together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "network/embedding.hpp"

namespace dcn {

struct BatchItems {
  std::vector<std::size_t> fields;    // by number, ascending
  std::vector<std::uint32_t> begins;  // of each field (n+1), where each row's items begin
  std::vector<std::uint32_t> slots;   // of each item: place among the fields times n, plus the row
  std::vector<std::int32_t> ids;
};

// The groups of fields whose items are gathered, and those that are not: fields of one value with
// rows of their own.
template <class T> class BatchGroups {
 public:
  explicit BatchGroups(const NetworkConfig& config);

  // ids (N,F) and lists, rows (n) numbers of their rows or null for the first n
  void gather(const std::int32_t* ids, const ListColumns<T>& lists, const std::int64_t* rows,
              std::size_t n, std::size_t n_threads);

  std::size_t size() const noexcept { return items_.size(); }
  const BatchItems* items() const noexcept { return items_.data(); }
  // null where all are 1
  const T* weights(std::size_t group) const noexcept {
    return weights_[group].empty() ? nullptr : weights_[group].data();
  }
  bool is_max(std::size_t field) const noexcept {
    return field >= F_ && poolings_[field - F_] == Pooling::max;
  }

 private:
  // Where the items of a field begin, after those before; returns where they end.
  std::uint32_t count(BatchItems& items, std::size_t place, std::uint32_t begin,
                      const ListColumns<T>& lists, const std::int64_t* rows, std::size_t n) const;
  void fill(std::size_t group, const std::int32_t* ids, const ListColumns<T>& lists,
            const std::int64_t* rows, std::size_t n) noexcept;

  std::size_t F_;  // columns of ids
  std::vector<Pooling> poolings_;
  std::vector<BatchItems> items_;
  std::vector<std::vector<T>> weights_;  // empty where all are 1
};

extern template class BatchGroups<float>;
extern template class BatchGroups<double>;

}  // namespace dcn
