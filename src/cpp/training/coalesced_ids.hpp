// Which rows of a table a batch names, and where: one run of occurrences a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "network/embedding.hpp"

namespace dcn {

// The items of a column of lists in a batch of n rows, one behind the other.
struct BatchItems {
  std::vector<std::uint32_t> begins;  // (n+1) where each row's items begin
  std::vector<std::uint32_t> rows;    // of the batch
  std::vector<std::int32_t> ids;

  void gather(const std::int64_t* offsets, const std::int32_t* ids_of_table,
              const std::int64_t* numbers, std::size_t n);
};

struct TouchedRows {
  std::vector<std::uint32_t> rows, counts;  // (U), ascending, and how often each occurs
  std::vector<std::uint32_t> starts;        // (U+1) of the runs
  // i * (fields of the table) + j, of lists the number of the item, ascending in each run
  std::vector<std::uint32_t> occurrences;
  std::vector<std::size_t> first;  // (fields+1) number of each field's first run

  // ids (N,F), numbers (n) of its rows or null for the first n. The fields' rows follow each other
  // in the table, so each field is sorted by itself. Fields from number F on are lists.
  void sort(const std::vector<FieldOfTable>& fields, const std::int32_t* ids, std::size_t F,
            const std::int64_t* numbers, std::size_t n, std::size_t n_threads,
            const BatchItems* lists = nullptr);

 private:
  std::vector<std::uint64_t> keys_, scratch_;  // field by field, id above occurrence
  std::vector<std::size_t> begins_;            // (fields+1) of each field in these
  std::vector<const std::uint64_t*> sorted_;   // (fields) one or the other
};

}  // namespace dcn
