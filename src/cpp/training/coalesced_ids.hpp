// Which rows of a table a batch names, and where: one run of occurrences a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "network/embedding.hpp"

namespace dcn {

struct TouchedRows {
  std::vector<std::uint32_t> rows, counts;  // (U), ascending, and how often each occurs
  std::vector<std::uint32_t> starts;        // (U+1) of the runs
  std::vector<std::uint32_t> occurrences;   // i * (fields of the table) + j, ascending in each run
  std::vector<std::size_t> first;           // (fields+1) number of each field's first run

  // ids (N,F), numbers (n) of its rows or null for the first n. The fields' rows follow each other
  // in the table, so each field is sorted by itself.
  void sort(const std::vector<FieldOfTable>& fields, const std::int32_t* ids, std::size_t F,
            const std::int64_t* numbers, std::size_t n, std::size_t n_threads);

 private:
  std::vector<std::uint64_t> keys_, scratch_;  // (fields,n) id above occurrence
  std::vector<const std::uint64_t*> sorted_;   // (fields) one or the other
};

}  // namespace dcn
