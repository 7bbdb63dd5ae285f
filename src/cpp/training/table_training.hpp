// Stages 7 and 8 for the tables: only the rows that a batch names get a gradient and move; nothing
// here costs a pass over a table but flush, once an epoch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "network/embedding.hpp"
#include "training/optimizer.hpp"
#include "training/coalesced_ids.hpp"
#include "training/prior.hpp"
#include "training/shared_products.hpp"

namespace dcn {

// The flat buffers; averages is null where none are kept.
template <class T> struct TableState {
  T *parameters, *m, *v, *averages;
};

// One for tables of embeddings, one for those of the linear part, one for the factors of the rows:
// their learning rates may differ.
template <class S> struct OfTables {
  S embedding, linear, factor;
  const S& of(Role role) const noexcept {
    return role == Role::linear_embedding   ? linear
           : role == Role::collision_weight ? factor
                                            : embedding;
  }
};

template <class T> class TableTraining {
 public:
  // Of tables that outlive it.
  TableTraining(const EmbeddingPart<T>& embedding, const NetworkConfig& config);

  // ---- what a batch of n rows leaves for backward
  void reserve(std::size_t n);
  // Sorts the batch's ids into one run a table row, and makes room for all that follows below.
  void touch(const std::int32_t* ids, const ListColumns<T>& lists, const std::int64_t* rows,
             std::size_t n, std::size_t n_threads);
  // Notes which items of lists have the greatest numbers, where these are pooled; before update.
  void find_max_items(const KernelTable<T>& k, std::size_t n_threads) noexcept;
  std::vector<BatchField<T>> batch_fields() const;
  T* dx(std::size_t row) noexcept { return dx_.data() + row * width_; }        // (B, width())
  T* dlogits(std::size_t row) noexcept { return dlogits_.data() + row * C_; }  // (B,C)

  // Adds up the gradients of the touched rows and moves these; returns the penalty before the move.
  // Averages go average_rest of the way to the new rows. The gradients are multiplied by scale
  // first; those of the prior, where there is one, come on top, but for rows that it does not hold.
  double update(const KernelTable<T>& k, const SharedProducts<T>& shared,
                const TableState<T>& state, const OfTables<OptimizerStep<T>>& step,
                const OfTables<RowHistory>& history, double average_rest, T scale,
                const Prior<T>* prior, const FreeRows& free_rows, T strength,
                std::size_t n_threads) noexcept;
  // the sum of the squares of these gradients
  double squared_gradients(const KernelTable<T>& k, const SharedProducts<T>& shared,
                           std::size_t n_threads) noexcept;
  // Writes the gradients of the touched rows, zero elsewhere, into the flat buffer.
  void gradients(const KernelTable<T>& k, const SharedProducts<T>& shared, T* gradients,
                 std::size_t n_threads) noexcept;
  // Adds factor times their squares to those of the flat buffer.
  void add_squares(const KernelTable<T>& k, const SharedProducts<T>& shared, T* sums, T factor,
                   std::size_t n_threads) noexcept;
  // Brings the touched rows, or all, to history.now: what they missed while they were not touched.
  // Returns their penalty in these steps, each times the rows of its batch.
  double catch_up(const KernelTable<T>& k, const TableState<T>& state,
                  const OfTables<RowHistory>& history, std::size_t n_threads) noexcept;
  double flush(const KernelTable<T>& k, const TableState<T>& state,
               const OfTables<RowHistory>& history, std::size_t n_threads) noexcept;
  // All rows are as of this step.
  void set_step(std::uint64_t step);

  bool empty() const noexcept { return tables_.empty(); }

 private:
  // Fields that share rows, or one of lists.
  struct GroupOfTable {
    std::size_t number;  // among the groups of the batch
    std::size_t first_row;
    std::vector<Member> members;
    std::vector<std::uint32_t> max_items;  // (members,B,K), where any pools the maximum
    bool has_max() const noexcept {
      return std::any_of(members.begin(), members.end(), [](const Member& m) { return m.max; });
    }
  };
  struct Table {
    const EmbeddingTable<T>* of;
    std::vector<std::uint32_t> last;             // (V) the step each row is at, where anybody asks
    std::vector<std::uint32_t> last_of_factors;  // the same of the factors
    TouchedRows touched;
    // what is sorted: fields of one value with rows of their own, then the groups of the table
    std::vector<FieldOfTable> sorted;
    std::vector<std::size_t> columns;  // of these fields
    std::vector<GroupOfTable> groups;
    std::vector<std::pair<std::size_t, std::size_t>>
        moving;  // first and last + 1 of rows that learn
  };
  // What some rows have in the flat buffers, a row after the other: their K numbers, or their
  // factors.
  struct Piece {
    Role role;
    std::size_t offset, K;
    std::uint32_t* last;  // of the table
    T* g;                 // of these rows, where somebody asks
  };
  struct Chunk {
    std::size_t table, first, count;  // number of the table, touched rows
    std::size_t group;                // of the table, kNone for fields of one value
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  void list_groups(Table& table, const NetworkConfig& config) const;
  void list_moving(Table& table, const NetworkConfig& config) const;
  void list_chunks_of(std::size_t table, std::size_t first, std::size_t last, std::size_t group);
  BatchLists<T> lists_of_batch(const GroupOfTable& group) const noexcept;
  // Numbers of g of a chunk.
  static std::size_t numbers(const Table& table, std::size_t count) noexcept {
    return count * (table.of->K + (table.of->weighted ? 1 : 0));
  }
  // f(piece) of `count` rows, whose gradients lie one behind the other
  template <class F> static void each_piece(Table& table, T* g, std::size_t count, F&& f);
  // -> g (count,K), behind it that of the factors (count), if there are any
  void sum_gradients(const KernelTable<T>& k, const SharedProducts<T>& shared, T* g,
                     const Table& table, const Chunk& chunk);
  // Brings rows (count), or null for those from `first` on, to history.now; returns their squares.
  double bring(const KernelTable<T>& k, const TableState<T>& state,
               const OfTables<RowHistory>& history, Table& table, const std::uint32_t* rows,
               std::size_t first, std::size_t count) noexcept;
  void list_chunks(std::size_t n_threads);
  // f(table, first touched row, how many, slot, task)
  template <class F> void each_chunk(std::size_t n_threads, F&& f) noexcept;

  std::size_t F_, C_, width_;  // F: columns of ids
  std::size_t n_ = 0;          // rows of the batch
  BatchGroups<T> groups_;
  bool wide_, penalizes_all_, keeps_history_;
  std::vector<Table> tables_;
  Buffer<T> dx_, dlogits_;
  std::vector<Chunk> chunks_;        // of the batch's touched rows, one a task
  std::vector<double> squares_;      // one a chunk
  std::vector<double> pulls_;        // one a chunk, of the prior
  std::vector<double> all_squares_;  // of chunks of a whole table
  Buffer<T> zeros_;                  // as wide as the widest row
  std::vector<Buffer<T>> sums_;      // one a thread
};

extern template class TableTraining<float>;
extern template class TableTraining<double>;

}  // namespace dcn
