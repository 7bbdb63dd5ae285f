#include "training/table_training.hpp"

#include <algorithm>
#include <numeric>

#include "base/thread_pool.hpp"
#include "base/tiling.hpp"

namespace dcn {

namespace {

// Rows that one task updates: enough to be worth a task, few enough to share evenly.
constexpr std::size_t kRowsPerTask = 256;

// Factors are free: what pulled at them would pull at the rows twice.
constexpr bool penalized(Role role) { return role != Role::collision_weight; }

}  // namespace

template <class T>
TableTraining<T>::TableTraining(const EmbeddingPart<T>& embedding, const NetworkConfig& config)
    : F_(config.n_single()), C_(config.n_outputs), width_(embedding.width()), groups_(config),
      wide_(embedding.wide()), penalizes_all_(config.penalizes_all_rows()),
      keeps_history_(penalizes_all_ || config.sparse_adam == SparseAdam::exact ||
                     config.ema_decay > 0) {
  std::size_t most = 0, widest = 0;
  for (const EmbeddingTable<T>& table : embedding.tables()) {
    const std::size_t kept = keeps_history_ ? table.V : 0;
    tables_.push_back({&table,
                       std::vector<std::uint32_t>(kept),
                       std::vector<std::uint32_t>(table.weighted ? kept : 0),
                       {},
                       {},
                       {},
                       {},
                       {}});
    list_groups(tables_.back(), config);
    list_moving(tables_.back(), config);
    most = std::max(most, table.V);
    widest = std::max(widest, table.K);
  }
  if (!penalizes_all_) return;
  all_squares_.resize(ceil_div(most, kRowsPerTask));
  zeros_ = Buffer<T>(widest);
}

template <class T>
void TableTraining<T>::list_groups(Table& table, const NetworkConfig& config) const {
  const std::vector<FieldOfTable>& fields = table.of->fields;
  std::vector<bool> grouped(fields.size(), false);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::vector<std::size_t>& of_group = groups_.items()[g].fields;
    GroupOfTable group{g, 0, {}, {}};
    for (std::size_t j = 0; j < fields.size(); ++j) {
      if (!std::binary_search(of_group.begin(), of_group.end(), fields[j].number)) continue;
      grouped[j] = true;
      group.first_row = fields[j].first_row;
      group.members.push_back({table.of->columns[j], groups_.is_max(fields[j].number)});
    }
    const bool learns = table.of->wide || !config.is_frozen(of_group.front());
    if (!group.members.empty() && learns) table.groups.push_back(std::move(group));
  }
  for (std::size_t j = 0; j < fields.size(); ++j) {
    if (grouped[j] || (!table.of->wide && config.is_frozen(fields[j].number))) continue;
    table.sorted.push_back(fields[j]);
    table.columns.push_back(table.of->columns[j]);
  }
  for (const GroupOfTable& group : table.groups)
    for (std::size_t j = 0; j < fields.size(); ++j)
      if (grouped[j] && fields[j].first_row == group.first_row) {
        table.sorted.push_back({F_ + group.number, group.first_row, fields[j].rows});
        break;
      }
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
  groups_.gather(ids, lists, rows, n, n_threads);
  for (Table& table : tables_) {
    table.touched.sort(table.sorted, ids, F_, rows, n, n_threads, groups_.items());
    for (GroupOfTable& group : table.groups)
      if (group.has_max()) group.max_items.resize(group.members.size() * n * table.of->K);
  }
  list_chunks(n_threads);
}

template <class T>
BatchLists<T> TableTraining<T>::lists_of_batch(const GroupOfTable& group) const noexcept {
  const BatchItems& items = groups_.items()[group.number];
  return {items.slots.data(),   items.ids.data(),     groups_.weights(group.number),
          group.members.data(), group.members.size(), n_};
}

template <class T>
void TableTraining<T>::find_max_items(const KernelTable<T>& k, std::size_t n_threads) noexcept {
  for (Table& table : tables_) {
    const std::size_t K = table.of->K;
    for (GroupOfTable& group : table.groups) {
      const BatchItems& items = groups_.items()[group.number];
      for (std::size_t m = 0; m < group.members.size(); ++m) {
        if (!group.members[m].max) continue;
        const T* factors = table.of->weighted ? table.of->factors + group.first_row : nullptr;
        parallel_for(n_threads, ceil_div(n_, kRowsPerTask), [&](std::size_t task, std::size_t) {
          const std::size_t first = task * kRowsPerTask;
          k.lists_max_items(group.max_items.data() + (m * n_ + first) * K,
                            table.of->rows + group.first_row * K, factors, items.ids.data(),
                            items.begins.data() + m * (n_ + 1) + first,
                            std::min(kRowsPerTask, n_ - first), K);
        });
      }
    }
  }
}

template <class T>
void TableTraining<T>::list_chunks_of(std::size_t table, std::size_t first, std::size_t last,
                                      std::size_t group) {
  for (std::size_t at = first; at < last; at += kRowsPerTask)
    chunks_.push_back({table, at, std::min(kRowsPerTask, last - at), group});
}

// The rows of the fields that learn, those of neighbours as one range.
template <class T>
void TableTraining<T>::list_moving(Table& table, const NetworkConfig& config) const {
  for (const FieldOfTable& field : table.of->fields) {
    if (!config.owns_table(field.number)) continue;
    if (!table.of->wide && config.is_frozen(field.number)) continue;
    if (!table.moving.empty() && table.moving.back().second == field.first_row)
      table.moving.back().second += field.rows;
    else
      table.moving.push_back({field.first_row, field.first_row + field.rows});
  }
}

template <class T> void TableTraining<T>::list_chunks(std::size_t n_threads) {
  chunks_.clear();
  std::size_t widest = 0;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Table& table = tables_[i];
    const std::vector<std::size_t>& first = table.touched.first;
    const std::size_t single = table.columns.size();
    list_chunks_of(i, 0, first[single], kNone);
    for (std::size_t g = 0; g < table.groups.size(); ++g)
      list_chunks_of(i, first[single + g], first[single + g + 1], g);
    widest = std::max(widest, numbers(table, 1));
  }
  squares_.resize(chunks_.size());
  pulls_.assign(chunks_.size(), 0);
  const std::size_t slots = most_slots(n_threads, chunks_.size());
  while (sums_.size() < slots) sums_.emplace_back(kRowsPerTask * widest);
}

template <class T> std::vector<BatchField<T>> TableTraining<T>::batch_fields() const {
  std::vector<BatchField<T>> fields;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Table& table = tables_[i];
    const TouchedRows& touched = table.touched;
    for (std::size_t j = 0; j < table.columns.size() && !table.of->wide; ++j) {
      const std::size_t first = touched.first[j];
      fields.push_back({i, first, touched.first[j + 1] - first, table.of->K, table.columns[j],
                        table.of->rows, touched.rows.data() + first, touched.starts.data() + first,
                        touched.occurrences.data(), table.sorted.size()});
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
template <class F>
void TableTraining<T>::each_piece(Table& table, T* g, std::size_t count, F&& f) {
  const EmbeddingTable<T>& of = *table.of;
  const Role role = of.wide ? Role::linear_embedding : Role::embedding;
  f(Piece{role, of.offset, of.K, table.last.data(), g});
  if (!of.weighted) return;
  T* behind = g != nullptr ? g + count * of.K : nullptr;
  f(Piece{Role::collision_weight, of.factors_offset, 1, table.last_of_factors.data(), behind});
}

template <class T>
void TableTraining<T>::sum_gradients(const KernelTable<T>& k, const SharedProducts<T>& shared, T* g,
                                     const Table& table, const Chunk& chunk) {
  const EmbeddingTable<T>& of = *table.of;
  const T* dx = of.wide ? dlogits_.data() : dx_.data();
  const std::size_t dx_ld = of.wide ? C_ : width_;
  const std::uint32_t *occurrences = table.touched.occurrences.data(),
                      *starts = table.touched.starts.data() + chunk.first;
  if (chunk.group != kNone) {
    const GroupOfTable& group = table.groups[chunk.group];
    k.lists_backward(g, dx, dx_ld, lists_of_batch(group), group.max_items.data(), occurrences,
                     starts, chunk.count, of.K);
  } else {
    k.embedding_backward(g, dx, dx_ld, table.columns.data(), occurrences, starts, chunk.count,
                         table.sorted.size(), of.K);
    if (!of.wide) shared.add_row_gradients(g, chunk.table, chunk.first, chunk.count);
  }
  if (of.weighted)
    k.collision_backward(g, g + chunk.count * of.K, of.rows, of.factors,
                         table.touched.rows.data() + chunk.first, chunk.count, of.K);
}

template <class T>
double TableTraining<T>::update(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                const TableState<T>& state, const OfTables<OptimizerStep<T>>& step,
                                const OfTables<RowHistory>& history, double average_rest, T scale,
                                const Prior<T>* prior, const FreeRows& free_rows, T strength,
                                std::size_t n_threads) noexcept {
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t slot,
                            std::size_t task) {
    T* g = sums_[slot].data();
    sum_gradients(k, shared, g, table, chunks_[task]);
    multiply(g, numbers(table, count), scale);
    const std::uint32_t* rows = table.touched.rows.data() + first;
    const std::size_t number = chunks_[task].table;
    const std::uint8_t* free = number < free_rows.size() && !free_rows[number].empty()
                                   ? free_rows[number].data()
                                   : nullptr;
    const std::uint32_t* counts = penalizes_all_ ? nullptr : table.touched.counts.data() + first;
    each_piece(table, g, count, [&](const Piece& piece) {
      const std::size_t K = piece.K;
      for (std::size_t u = 0; u < count && prior != nullptr; ++u) {
        if (free != nullptr && free[rows[u]] != 0) continue;
        const std::size_t at = piece.offset + rows[u] * K;
        pulls_[task] += pull(piece.g + u * K, state.parameters + at, prior->anchor.data() + at,
                             prior->fisher.data() + at, K, strength);
      }
      const RowHistory& own = history.of(piece.role);
      const double squares = k.optimizers[own.optimizer].update_rows(
          state.parameters + piece.offset, state.m + piece.offset, state.v + piece.offset, piece.g,
          rows, counts, count, K, step.of(piece.role));
      if (penalized(piece.role)) squares_[task] = squares;
      if (!keeps_history_) return;
      for (std::size_t u = 0; u < count; ++u) {
        const std::size_t at = piece.offset + rows[u] * K;
        if (state.averages != nullptr)
          k.average_update(state.averages + at, state.parameters + at, K,
                           static_cast<T>(average_rest));
        piece.last[rows[u]] = static_cast<std::uint32_t>(own.now);
      }
    });
  });
  double total = 0;
  for (const double s : squares_) total += s;
  const double pulled = std::accumulate(pulls_.begin(), pulls_.end(), 0.0);
  return 0.5 * static_cast<double>(step.embedding.l2) * total + pulled;
}

template <class T>
double TableTraining<T>::squared_gradients(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                           std::size_t n_threads) noexcept {
  each_chunk(n_threads,
             [&](Table& table, std::size_t, std::size_t count, std::size_t slot, std::size_t task) {
               T* g = sums_[slot].data();
               sum_gradients(k, shared, g, table, chunks_[task]);
               squares_[task] = sum_of_squares(g, numbers(table, count));
             });
  return std::accumulate(squares_.begin(), squares_.end(), 0.0);
}

template <class T>
void TableTraining<T>::gradients(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                 T* gradients, std::size_t n_threads) noexcept {
  for (Table& table : tables_)
    each_piece(table, nullptr, 0, [&](const Piece& piece) {
      std::fill_n(gradients + piece.offset, table.of->V * piece.K, T(0));
    });
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t slot,
                            std::size_t task) {
    T* g = sums_[slot].data();
    sum_gradients(k, shared, g, table, chunks_[task]);
    each_piece(table, g, count, [&](const Piece& piece) {
      for (std::size_t u = 0; u < count; ++u)
        std::copy_n(piece.g + u * piece.K, piece.K,
                    gradients + piece.offset + table.touched.rows[first + u] * piece.K);
    });
  });
}

template <class T>
void TableTraining<T>::add_squares(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                   T* sums, T factor, std::size_t n_threads) noexcept {
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t slot,
                            std::size_t task) {
    T* g = sums_[slot].data();
    sum_gradients(k, shared, g, table, chunks_[task]);
    each_piece(table, g, count, [&](const Piece& piece) {
      for (std::size_t u = 0; u < count; ++u)
        dcn::add_squares(sums + piece.offset + table.touched.rows[first + u] * piece.K,
                         piece.g + u * piece.K, piece.K, factor);
    });
  });
}

// ---- the rows that it does not touch

template <class T>
double TableTraining<T>::bring(const KernelTable<T>& k, const TableState<T>& state,
                               const OfTables<RowHistory>& history, Table& table,
                               const std::uint32_t* rows, std::size_t first,
                               std::size_t count) noexcept {
  double squares = 0;
  each_piece(table, nullptr, 0, [&](const Piece& piece) {
    const std::size_t K = piece.K, at = piece.offset + first * K;
    T *p = state.parameters + at, *m = state.m + at, *v = state.v + at;
    T* averages = state.averages != nullptr ? state.averages + at : nullptr;
    std::uint32_t* last = piece.last + first;
    const RowHistory& own = history.of(piece.role);
    const OptimizerKernels<T>& optimizer = k.optimizers[own.optimizer];
    if (!penalizes_all_)
      return optimizer.catch_up_rows(p, m, v, averages, last, rows, count, K, own);
    const double of_piece =
        optimizer.replay_rows(p, m, v, averages, last, rows, zeros_.data(), count, K, own);
    if (penalized(piece.role)) squares = of_piece;
  });
  return squares;
}

template <class T>
double TableTraining<T>::catch_up(const KernelTable<T>& k, const TableState<T>& state,
                                  const OfTables<RowHistory>& history,
                                  std::size_t n_threads) noexcept {
  if (!keeps_history_) return 0;
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t,
                            std::size_t task) {
    squares_[task] = bring(k, state, history, table, table.touched.rows.data() + first, 0, count);
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
    for (const auto& [begin, end] : table.moving) {
      const std::size_t n_chunks = ceil_div(end - begin, chunk);
      parallel_for(n_threads, n_chunks, [&, begin = begin, end = end](std::size_t i, std::size_t) {
        const std::size_t first = begin + i * chunk;
        const double squares =
            bring(k, state, history, table, nullptr, first, std::min(chunk, end - first));
        if (penalizes_all_) all_squares_[i] = squares;
      });
      for (std::size_t i = 0; penalizes_all_ && i < n_chunks; ++i) total += all_squares_[i];
    }
  }
  return 0.5 * history.embedding.l2 * total;
}

template <class T> void TableTraining<T>::set_step(std::uint64_t step) {
  for (Table& table : tables_)
    for (std::vector<std::uint32_t>* last : {&table.last, &table.last_of_factors})
      std::fill(last->begin(), last->end(), static_cast<std::uint32_t>(step));
}

template class TableTraining<float>;
template class TableTraining<double>;

}  // namespace dcn
