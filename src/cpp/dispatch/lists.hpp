// Columns of lists as the kernels read them: of a table, and of a batch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dcn {

// A column of lists: row i has the items offsets[i] to offsets[i + 1] - 1.
template <class T> struct Lists {
  const std::int64_t* offsets;  // (N+1)
  const std::int32_t* ids;      // rows of the field's table
  const T* weights;             // of the items; null where all are 1
};

// A field among those that share rows of a table.
struct Member {
  std::size_t column;  // of x0 (or of the logits)
  bool max;            // whether it pools the maximum
};

// The items of a batch of B rows, field by field of those that share a table, one behind the other.
template <class T> struct BatchLists {
  const std::uint32_t* slots;  // of each item: number of its field times B, plus its row
  const std::int32_t* ids;
  const T* weights;       // null where all are 1
  const Member* members;  // (n_members)
  std::size_t n_members, B;
};

}  // namespace dcn
