// Stage 2 for categories: tables of embeddings, and the table of the linear part. Only the rows
// that ids name are read; what training does to them is in training/table_training.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "network/config.hpp"
#include "network/parameters.hpp"

namespace dcn {

struct FieldOfTable {
  std::size_t number;     // of the field: its column in ids, then come those of lists
  std::size_t first_row;  // of the table; fields may have the same rows
  std::size_t rows;       // V_f
};

// One a field that is lists. Their row `first` is row 0 of the table that they belong to.
template <class T> struct ListColumns {
  const Lists<T>* columns = nullptr;
  std::size_t first = 0;

  Lists<T> operator[](std::size_t i) const noexcept {
    return {columns[i].offsets + first, columns[i].ids, columns[i].weights};
  }
};

template <class T> struct EmbeddingTable {
  const T* rows = nullptr;     // (V,K) that forward reads
  const T* factors = nullptr;  // (V) what it multiplies them by, or null
  bool wide = false;           // gradient comes from the logits, not from x0
  bool weighted = false;       // whether its rows have factors
  std::size_t K = 0, V = 0;    // row width, rows
  std::size_t offset = 0;      // in the flat parameters
  std::size_t factors_offset = 0;
  std::vector<FieldOfTable> fields;
  std::vector<std::size_t> columns;  // of x0, where each field begins; 0 for the linear part
};

// The rows of a table that only predicts, in memory of somebody else.
struct StoredTable {
  const unsigned char* rows = nullptr;  // (V, row_bytes)
  RowCode code{};
};

template <class T> class EmbeddingPart {
 public:
  explicit EmbeddingPart(const NetworkConfig& config);

  // embedding_K (V,K), one for all fields of width K, perhaps collision_K (V); and wide (V,C)
  void add(Layout& layout);

  // Forward reads from these flat parameters from now on.
  void point(const T* parameters) noexcept;
  // Forward reads these from now on, one for each of tables(); the flat parameters have none. There
  // are no factors then.
  void store(const std::vector<StoredTable>& tables);
  bool stored() const noexcept { return !stored_fields_.empty(); }
  // ids (N,F) and lists, one a column of lists -> the first columns of x0 (T,D)
  void forward(const KernelTable<T>& k, T* x0, const std::int32_t* ids, const ListColumns<T>& lists,
               const std::int64_t* rows, std::size_t n) const;
  // adds the linear part to logits (T,C)
  void forward_wide(const KernelTable<T>& k, T* logits, const std::int32_t* ids,
                    const ListColumns<T>& lists, const std::int64_t* rows, std::size_t n) const;

  const std::vector<EmbeddingTable<T>>& tables() const noexcept { return tables_; }
  const std::vector<Pooling>& poolings() const noexcept { return poolings_; }
  bool wide() const noexcept { return !wide_fields_.empty(); }
  std::size_t width() const noexcept { return width_; }

 private:
  void list_table(const NetworkConfig& config, std::size_t K, bool wide);

  // Of a field of lists, a Field or a StoredField, to its columns of out.
  template <class F>
  using Pool = void (*)(T* out, const F& field, const Lists<T>& lists, const std::int64_t* rows,
                        std::size_t n, std::size_t stride, bool add);

  template <class F>
  void pool(Pool<F> sum, Pool<F> max, T* out, const std::vector<F>& fields,
            const ListColumns<T>& lists, const std::int64_t* rows, std::size_t n, std::size_t width,
            bool add) const;

  std::size_t F_, S_, C_, width_, D_;  // S: fields of one value a row
  std::vector<Pooling> poolings_;      // of the others
  std::vector<EmbeddingTable<T>> tables_;
  std::vector<Field<T>> fields_, wide_fields_;
  std::vector<StoredField> stored_fields_, stored_wide_fields_;
};

extern template class EmbeddingPart<float>;
extern template class EmbeddingPart<double>;

}  // namespace dcn
