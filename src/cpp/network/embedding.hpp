// Stage 2 for categories: tables of embeddings, and the table of the linear part. Only the rows
// that a batch names are read, get a gradient and move; nothing here costs a pass over a table but
// flush, once an epoch.
#pragma once

#include <cstdint>
#include <vector>

#include "network/config.hpp"
#include "network/parameters.hpp"
#include "network/coalesced_ids.hpp"

namespace dcn {

// The flat buffers; averages is null where none are kept.
template <class T> struct TableState {
  T *parameters, *m, *v, *averages;
};

// A field's distinct rows in a batch, one run of occurrences each.
template <class T> struct BatchField {
  std::size_t table, first;      // number of its table, and of its first run among the table's
  std::size_t U, K, column;      // runs, width, where it begins in x0
  const T* rows;                 // (V,K) the table's
  const std::uint32_t* numbers;  // (U) of the rows
  const std::uint32_t *starts, *occurrences;  // (U+1), and i * n_fields + j
  std::size_t n_fields;
};

template <class T> class SharedProducts;

template <class T> class EmbeddingPart {
 public:
  explicit EmbeddingPart(const NetworkConfig& config);

  // embedding_K (V,K), one for all fields of width K, and wide (V,C)
  void add(Layout& layout);

  // Forward reads from these flat parameters from now on.
  void point(const T* parameters) noexcept;
  // ids (N,F) -> the first columns of x0 (T,D)
  void forward(const KernelTable<T>& k, T* x0, const std::int32_t* ids, const std::int64_t* rows,
               std::size_t n) const;
  // adds the linear part to logits (T,C)
  void forward_wide(const KernelTable<T>& k, T* logits, const std::int32_t* ids,
                    const std::int64_t* rows, std::size_t n) const;

  // ---- training: what a batch of n rows leaves for backward
  void reserve(std::size_t n);
  // Sorts the batch's ids into one run a table row, and makes room for all that follows below.
  void touch(const std::int32_t* ids, const std::int64_t* rows, std::size_t n,
             std::size_t n_threads);
  std::vector<BatchField<T>> batch_fields() const;
  T* dx(std::size_t row) noexcept { return dx_.data() + row * width_; }        // (B, width())
  T* dlogits(std::size_t row) noexcept { return dlogits_.data() + row * C_; }  // (B,C)

  // Adds up the gradients of the touched rows and moves these; returns the penalty before the move.
  // Averages go average_rest of the way to the new rows.
  double update(const KernelTable<T>& k, const SharedProducts<T>& shared,
                const TableState<T>& state, const OptimizerStep<T>& step, const RowHistory& history,
                double average_rest, std::size_t n_threads) noexcept;
  // Writes the gradients of the touched rows, zero elsewhere, into the flat buffer.
  void gradients(const KernelTable<T>& k, const SharedProducts<T>& shared, T* gradients,
                 std::size_t n_threads) noexcept;
  // Brings the touched rows, or all, to history.now: what they missed while they were not touched.
  void catch_up(const KernelTable<T>& k, const TableState<T>& state, const RowHistory& history,
                std::size_t n_threads) noexcept;
  void flush(const KernelTable<T>& k, const TableState<T>& state, const RowHistory& history,
             std::size_t n_threads) noexcept;
  // All rows are as of this step.
  void set_step(std::uint64_t step);

  bool empty() const noexcept { return tables_.empty(); }
  bool wide() const noexcept { return !wide_fields_.empty(); }
  std::size_t width() const noexcept { return width_; }

 private:
  struct Table {
    const T* rows = nullptr;   // (V,K) that forward reads
    bool wide = false;         // gradient comes from the logits, not from x0
    std::size_t K = 0, V = 0;  // row width, rows
    std::size_t offset = 0;
    std::vector<FieldOfTable> fields;
    std::vector<std::size_t> columns;  // of x0, where each field begins; 0 for the linear part
    std::vector<std::uint32_t> last;   // (V) the step each row is at, where anybody asks
    TouchedRows touched;
  };
  struct Chunk {
    std::size_t table, first;  // number of the table, touched row
  };
  void list_table(const NetworkConfig& config, std::size_t K, bool wide);
  void sum_gradients(const KernelTable<T>& k, const SharedProducts<T>& shared, T* g,
                     const Table& table, std::size_t first, std::size_t count);
  void list_chunks(std::size_t n_threads);
  // f(table, first touched row, how many, slot, task)
  template <class F> void each_chunk(std::size_t n_threads, F&& f) noexcept;

  std::size_t F_, C_, width_, D_;
  bool keeps_history_;
  std::vector<Table> tables_;
  std::vector<Field<T>> fields_, wide_fields_;
  Buffer<T> dx_, dlogits_;
  std::vector<Chunk> chunks_;    // of the batch's touched rows, one a task
  std::vector<double> squares_;  // one a chunk
  std::vector<Buffer<T>> sums_;  // one a thread
};

extern template class EmbeddingPart<float>;
extern template class EmbeddingPart<double>;

}  // namespace dcn
