// Which rows of a table a batch names, and where: one run of occurrences a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dcn {

struct FieldOfTable {
  std::size_t number;     // of the field, its column in ids
  std::size_t first_row;  // of the table
};

struct TouchedRows {
  std::vector<std::uint32_t> rows, counts;  // (U), ascending, and how often each occurs
  std::vector<std::uint32_t> starts;        // (U+1) of the runs
  std::vector<std::uint32_t> occurrences;   // i * (fields of the table) + j, ascending in each run

  // ids (N,F), numbers (n) of its rows or null for the first n; the table has V rows
  void sort(const std::vector<FieldOfTable>& fields, std::size_t V, const std::int32_t* ids,
            std::size_t F, const std::int64_t* numbers, std::size_t n);

 private:
  std::vector<std::uint64_t> keys_, scratch_;  // row above occurrence
};

}  // namespace dcn
