// Columns of lists -> rows of their fields' tables, and what each item counts in its list: the
// counterpart of dcnfast/table/lists.py and encode/lists.py.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capi/columns.hpp"
#include "capi/vocabulary.hpp"
#include "dispatch/kernel_table.hpp"

namespace dcn {

// The lists of some rows, as the network reads them.
template <class T> struct ListItems {
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> ids;
  std::vector<T> weights;
  bool weighted = false;

  Lists<T> view() const noexcept {
    return {offsets.data(), ids.data(), weighted ? weights.data() : nullptr};
  }
};

class ListColumn {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  std::string name;
  std::size_t place = 0;        // among the columns of the table
  std::size_t weights = kNone;  // that of the column with weights
  std::string weights_name;     // "" without one
  std::string separator;        // "" where it has lists
  std::string pooling;          // "mean", "sum", "sqrtn" or "max"
  std::shared_ptr<const Vocabulary> vocabulary;

  // All such columns of a state "lists".
  static std::vector<ListColumn> read_all(State state);

  // Throws Failure if a value is one that predictions refuse. n rows of all columns; largest: what
  // the network's type holds.
  void check(const dcnfast_column* columns, std::size_t n, double largest) const;
  // Rows from `first` on, of columns that are checked.
  template <class T>
  void encode(ListItems<T>& out, const dcnfast_column* columns, std::size_t first,
              std::size_t n) const;

 private:
  template <class F> void each_item(const dcnfast_column& column, std::size_t i, F&& f) const;
  void check_items(const dcnfast_column& column, std::size_t n) const;
  void check_weights(const dcnfast_column& column, const dcnfast_column& given, std::size_t n,
                     double largest) const;
};

extern template void ListColumn::encode(ListItems<float>&, const dcnfast_column*, std::size_t,
                                        std::size_t) const;
extern template void ListColumn::encode(ListItems<double>&, const dcnfast_column*, std::size_t,
                                        std::size_t) const;

}  // namespace dcn
