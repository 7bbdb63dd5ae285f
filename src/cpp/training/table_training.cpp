#include "training/table_training.hpp"

#include <algorithm>
#include <numeric>

#include "base/thread_pool.hpp"
#include "base/tiling.hpp"

namespace dcn {

namespace {

// Rows that one task updates: enough to be worth a task, few enough to share evenly.
constexpr std::size_t kRowsPerTask = 256;

}  // namespace

template <class T>
TableTraining<T>::TableTraining(const EmbeddingPart<T>& embedding, const NetworkConfig& config)
    : F_(config.n_single()), C_(config.n_outputs), width_(embedding.width()),
      poolings_(config.poolings), items_(poolings_.size()), item_weights_(poolings_.size()),
      wide_(embedding.wide()), penalizes_all_(config.penalizes_all_rows()),
      keeps_history_(penalizes_all_ || config.sparse_adam == SparseAdam::exact ||
                     config.ema_decay > 0) {
  std::size_t most = 0, widest = 0;
  for (const EmbeddingTable<T>& table : embedding.tables()) {
    const auto single = std::count_if(table.fields.begin(), table.fields.end(),
                                      [this](const FieldOfTable& f) { return f.number < F_; });
    tables_.push_back({&table,
                       std::vector<std::uint32_t>(keeps_history_ ? table.V : 0),
                       {},
                       static_cast<std::size_t>(single),
                       std::vector<std::vector<std::uint32_t>>(table.fields.size() -
                                                               static_cast<std::size_t>(single))});
    most = std::max(most, table.V);
    widest = std::max(widest, table.K);
  }
  if (!penalizes_all_) return;
  all_squares_.resize(ceil_div(most, kRowsPerTask));
  zeros_ = Buffer<T>(widest);
}

// ---- the rows that a batch touches

template <class T> void TableTraining<T>::reserve(std::size_t n) {
  if (dx_.size() < n * width_) dx_ = Buffer<T>(n * width_);
  if (wide_ && dlogits_.size() < n * C_) dlogits_ = Buffer<T>(n * C_);
}

template <class T>
void TableTraining<T>::touch(const std::int32_t* ids, const ListColumns<T>& lists,
                             const std::int64_t* rows, std::size_t n, std::size_t n_threads) {
  n_ = n;
  parallel_for(n_threads, items_.size(), [&](std::size_t i, std::size_t) {
    const Lists<T> column = lists[i];
    items_[i].gather(column.offsets, column.ids, rows, n);
    std::vector<T>& weights = item_weights_[i];
    weights.resize(column.weights == nullptr ? 0 : items_[i].ids.size());
    for (std::size_t r = 0, at = 0; r < n && !weights.empty(); ++r) {
      const std::size_t row = rows != nullptr ? static_cast<std::size_t>(rows[r]) : r;
      for (std::int64_t item = column.offsets[row]; item < column.offsets[row + 1]; ++item)
        weights[at++] = column.weights[item];
    }
  });
  for (Table& table : tables_) {
    table.touched.sort(table.of->fields, ids, F_, rows, n, n_threads, items_.data());
    for (std::size_t j = 0; j < table.max_items.size(); ++j)
      if (poolings_[table.of->fields[table.n_single + j].number - F_] == Pooling::max)
        table.max_items[j].resize(n * table.of->K);
  }
  list_chunks(n_threads);
}

template <class T> BatchLists<T> TableTraining<T>::lists_of_batch(std::size_t i) const noexcept {
  const BatchItems& items = items_[i];
  const std::vector<T>& weights = item_weights_[i];
  return {items.begins.data(), items.rows.data(), items.ids.data(),
          weights.empty() ? nullptr : weights.data()};
}

template <class T>
void TableTraining<T>::find_max_items(const KernelTable<T>& k, std::size_t n_threads) noexcept {
  for (Table& table : tables_) {
    const std::size_t K = table.of->K;
    for (std::size_t j = 0; j < table.max_items.size(); ++j) {
      if (table.max_items[j].empty()) continue;
      const FieldOfTable& field = table.of->fields[table.n_single + j];
      parallel_for(n_threads, ceil_div(n_, kRowsPerTask), [&](std::size_t task, std::size_t) {
        const std::size_t first = task * kRowsPerTask;
        k.lists_max_items(table.max_items[j].data(), table.of->rows + field.first_row * K,
                          lists_of_batch(field.number - F_), first,
                          std::min(kRowsPerTask, n_ - first), K);
      });
    }
  }
}

template <class T>
void TableTraining<T>::list_chunks_of(std::size_t table, std::size_t first, std::size_t last,
                                      std::size_t list) {
  for (std::size_t at = first; at < last; at += kRowsPerTask)
    chunks_.push_back({table, at, std::min(kRowsPerTask, last - at), list});
}

template <class T> void TableTraining<T>::list_chunks(std::size_t n_threads) {
  chunks_.clear();
  std::size_t widest = 0;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Table& table = tables_[i];
    const std::vector<std::size_t>& first = table.touched.first;
    list_chunks_of(i, 0, first[table.n_single], kNone);
    for (std::size_t j = 0; j < table.max_items.size(); ++j)
      list_chunks_of(i, first[table.n_single + j], first[table.n_single + j + 1], j);
    widest = std::max(widest, table.of->K);
  }
  squares_.resize(chunks_.size());
  const std::size_t slots = most_slots(n_threads, chunks_.size());
  while (sums_.size() < slots) sums_.emplace_back(kRowsPerTask * widest);
}

template <class T> std::vector<BatchField<T>> TableTraining<T>::batch_fields() const {
  std::vector<BatchField<T>> fields;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Table& table = tables_[i];
    const TouchedRows& touched = table.touched;
    for (std::size_t j = 0; j < table.n_single && !table.of->wide; ++j) {
      const std::size_t first = touched.first[j];
      fields.push_back({i, first, touched.first[j + 1] - first, table.of->K, table.of->columns[j],
                        table.of->rows, touched.rows.data() + first, touched.starts.data() + first,
                        touched.occurrences.data(), table.of->fields.size()});
    }
  }
  return fields;
}

template <class T>
template <class F>
void TableTraining<T>::each_chunk(std::size_t n_threads, F&& f) noexcept {
  parallel_for(n_threads, chunks_.size(), [&](std::size_t task, std::size_t slot) {
    const Chunk& chunk = chunks_[task];
    f(tables_[chunk.table], chunk.first, chunk.count, slot, task);
  });
}

template <class T>
void TableTraining<T>::sum_gradients(const KernelTable<T>& k, const SharedProducts<T>& shared, T* g,
                                     const Table& table, const Chunk& chunk) {
  const EmbeddingTable<T>& of = *table.of;
  const T* dx = of.wide ? dlogits_.data() : dx_.data();
  const std::size_t dx_ld = of.wide ? C_ : width_;
  const std::uint32_t *occurrences = table.touched.occurrences.data(),
                      *starts = table.touched.starts.data() + chunk.first;
  if (chunk.list != kNone) {
    const std::size_t j = table.n_single + chunk.list;
    const std::vector<std::uint32_t>& max_items = table.max_items[chunk.list];
    k.lists_backward(g, dx + of.columns[j], dx_ld, lists_of_batch(of.fields[j].number - F_),
                     max_items.empty() ? nullptr : max_items.data(), occurrences, starts,
                     chunk.count, of.K);
    return;
  }
  k.embedding_backward(g, dx, dx_ld, of.columns.data(), occurrences, starts, chunk.count,
                       of.fields.size(), of.K);
  if (!of.wide) shared.add_row_gradients(g, chunk.table, chunk.first, chunk.count);
}

template <class T>
double TableTraining<T>::update(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                const TableState<T>& state, const OfTables<OptimizerStep<T>>& step,
                                const OfTables<RowHistory>& history, double average_rest, T scale,
                                std::size_t n_threads) noexcept {
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t slot,
                            std::size_t task) {
    T* g = sums_[slot].data();
    sum_gradients(k, shared, g, table, chunks_[task]);
    multiply(g, count * table.of->K, scale);
    const std::uint32_t* rows = table.touched.rows.data() + first;
    const RowHistory& own = history.of(table.of->wide);
    squares_[task] = k.optimizers[own.optimizer].update_rows(
        state.parameters + table.of->offset, state.m + table.of->offset, state.v + table.of->offset,
        g, rows, penalizes_all_ ? nullptr : table.touched.counts.data() + first, count, table.of->K,
        step.of(table.of->wide));
    if (!keeps_history_) return;
    for (std::size_t u = 0; u < count; ++u) {
      const std::size_t at = table.of->offset + rows[u] * table.of->K;
      if (state.averages != nullptr)
        k.average_update(state.averages + at, state.parameters + at, table.of->K,
                         static_cast<T>(average_rest));
      table.last[rows[u]] = static_cast<std::uint32_t>(own.now);
    }
  });
  double total = 0;
  for (const double s : squares_) total += s;
  return 0.5 * static_cast<double>(step.embedding.l2) * total;
}

template <class T>
double TableTraining<T>::squared_gradients(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                           std::size_t n_threads) noexcept {
  each_chunk(n_threads,
             [&](Table& table, std::size_t, std::size_t count, std::size_t slot, std::size_t task) {
               T* g = sums_[slot].data();
               sum_gradients(k, shared, g, table, chunks_[task]);
               squares_[task] = sum_of_squares(g, count * table.of->K);
             });
  return std::accumulate(squares_.begin(), squares_.end(), 0.0);
}

template <class T>
void TableTraining<T>::gradients(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                 T* gradients, std::size_t n_threads) noexcept {
  for (const Table& table : tables_)
    std::fill_n(gradients + table.of->offset, table.of->V * table.of->K, T(0));
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t slot,
                            std::size_t task) {
    T* g = sums_[slot].data();
    sum_gradients(k, shared, g, table, chunks_[task]);
    for (std::size_t u = 0; u < count; ++u)
      std::copy_n(g + u * table.of->K, table.of->K,
                  gradients + table.of->offset + table.touched.rows[first + u] * table.of->K);
  });
}

// ---- the rows that it does not touch

template <class T>
double TableTraining<T>::bring(const KernelTable<T>& k, const TableState<T>& state,
                               const RowHistory& history, Table& table, const std::uint32_t* rows,
                               std::size_t first, std::size_t count) noexcept {
  const std::size_t K = table.of->K, at = table.of->offset + first * K;
  T *p = state.parameters + at, *m = state.m + at, *v = state.v + at;
  T* averages = state.averages != nullptr ? state.averages + at : nullptr;
  std::uint32_t* last = table.last.data() + first;
  const OptimizerKernels<T>& optimizer = k.optimizers[history.optimizer];
  if (penalizes_all_)
    return optimizer.replay_rows(p, m, v, averages, last, rows, zeros_.data(), count, K, history);
  optimizer.catch_up_rows(p, m, v, averages, last, rows, count, K, history);
  return 0;
}

template <class T>
double TableTraining<T>::catch_up(const KernelTable<T>& k, const TableState<T>& state,
                                  const OfTables<RowHistory>& history,
                                  std::size_t n_threads) noexcept {
  if (!keeps_history_) return 0;
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t,
                            std::size_t task) {
    squares_[task] = bring(k, state, history.of(table.of->wide), table,
                           table.touched.rows.data() + first, 0, count);
  });
  const double total = std::accumulate(squares_.begin(), squares_.end(), 0.0);
  return 0.5 * history.embedding.l2 * total;
}

template <class T>
double TableTraining<T>::flush(const KernelTable<T>& k, const TableState<T>& state,
                               const OfTables<RowHistory>& history,
                               std::size_t n_threads) noexcept {
  if (!keeps_history_) return 0;
  double total = 0;
  for (Table& table : tables_) {
    const std::size_t chunk = penalizes_all_ ? kRowsPerTask : kChunk;
    const std::size_t n_chunks = ceil_div(table.of->V, chunk);
    parallel_for(n_threads, n_chunks, [&](std::size_t i, std::size_t) {
      const std::size_t first = i * chunk;
      const double squares = bring(k, state, history.of(table.of->wide), table, nullptr, first,
                                   std::min(chunk, table.of->V - first));
      if (penalizes_all_) all_squares_[i] = squares;
    });
    for (std::size_t i = 0; penalizes_all_ && i < n_chunks; ++i) total += all_squares_[i];
  }
  return 0.5 * history.embedding.l2 * total;
}

template <class T> void TableTraining<T>::set_step(std::uint64_t step) {
  for (Table& table : tables_)
    std::fill(table.last.begin(), table.last.end(), static_cast<std::uint32_t>(step));
}

template class TableTraining<float>;
template class TableTraining<double>;

}  // namespace dcn
