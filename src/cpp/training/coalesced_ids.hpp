// Which rows of a table a batch names, and where: one run of occurrences a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "training/batch_items.hpp"

namespace dcn {

struct TouchedRows {
  std::vector<std::uint32_t> rows, counts;  // (U), ascending, and how often each occurs
  std::vector<std::uint32_t> starts;        // (U+1) of the runs
  // i * (fields of the table) + j, of groups the number of the item, ascending in each run
  std::vector<std::uint32_t> occurrences;
  std::vector<std::size_t> first;  // (fields+1) number of each field's first run

  // ids (N,F), numbers (n) of its rows or null for the first n. The fields' rows follow each other
  // in the table, so each field is sorted by itself. Number F + g is a group of fields.
  void sort(const std::vector<FieldOfTable>& fields, const std::int32_t* ids, std::size_t F,
            const std::int64_t* numbers, std::size_t n, std::size_t n_threads,
            const BatchItems* groups = nullptr);

 private:
  std::vector<std::uint64_t> keys_, scratch_;  // field by field, id above occurrence
  std::vector<std::size_t> begins_;            // (fields+1) of each field in these
  std::vector<const std::uint64_t*> sorted_;   // (fields) one or the other
};

}  // namespace dcn
