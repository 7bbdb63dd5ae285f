#include "network/embedding.hpp"

#include <algorithm>
#include <set>

#include "network/shared_products.hpp"
#include "base/thread_pool.hpp"
#include "base/tiling.hpp"

namespace dcn {

namespace {

// Rows that one task updates: enough to be worth a task, few enough to share evenly.
constexpr std::size_t kRowsPerTask = 256;

}  // namespace

template <class T>
EmbeddingPart<T>::EmbeddingPart(const NetworkConfig& config)
    : F_(config.fields.size()), C_(config.n_outputs), width_(config.embedding_width()),
      D_(config.width()),
      keeps_history_(config.sparse_adam == SparseAdam::exact || config.ema_decay > 0) {
  std::set<std::size_t> widths;
  for (const FieldConfig& field : config.fields) widths.insert(field.width);
  for (const std::size_t K : widths) list_table(config, K, false);
  if (config.wide && F_ > 0) list_table(config, C_, true);
  fields_.resize(F_);
  wide_fields_.resize(config.wide ? F_ : 0);
}

template <class T>
void EmbeddingPart<T>::list_table(const NetworkConfig& config, std::size_t K, bool wide) {
  Table table;
  table.wide = wide;
  table.K = K;
  std::size_t column = 0;
  for (std::size_t f = 0; f < F_; ++f) {
    const FieldConfig& field = config.fields[f];
    if (wide || field.width == K) {
      table.fields.push_back({f, table.V, field.rows});
      table.columns.push_back(wide ? 0 : column);
      table.V += field.rows;
    }
    column += field.width;
  }
  if (keeps_history_) table.last.resize(table.V);
  tables_.push_back(std::move(table));
}

template <class T> void EmbeddingPart<T>::add(Layout& layout) {
  for (Table& table : tables_) {
    const std::string name = table.wide ? "wide" : "embedding_" + std::to_string(table.K);
    const Role role = table.wide ? Role::linear_embedding : Role::embedding;
    table.offset = layout.add(name, {table.V, table.K}, role, kLanes<T>);
  }
}

template <class T> void EmbeddingPart<T>::point(const T* parameters) noexcept {
  for (Table& table : tables_) {
    table.rows = parameters + table.offset;
    std::vector<Field<T>>& to = table.wide ? wide_fields_ : fields_;
    for (std::size_t j = 0; j < table.fields.size(); ++j)
      to[table.fields[j].number] = {table.rows + table.fields[j].first_row * table.K, table.K,
                                    table.columns[j]};
  }
}

template <class T>
void EmbeddingPart<T>::forward(const KernelTable<T>& k, T* x0, const std::int32_t* ids,
                               const std::int64_t* rows, std::size_t n) const {
  if (F_ > 0) k.embedding_forward(x0, fields_.data(), ids, rows, n, F_, D_);
}

template <class T>
void EmbeddingPart<T>::forward_wide(const KernelTable<T>& k, T* logits, const std::int32_t* ids,
                                    const std::int64_t* rows, std::size_t n) const {
  if (wide()) k.wide_forward(logits, wide_fields_.data(), ids, rows, n, F_, C_);
}

// ---- the rows that a batch touches

template <class T> void EmbeddingPart<T>::reserve(std::size_t n) {
  if (dx_.size() < n * width_) dx_ = Buffer<T>(n * width_);
  if (wide() && dlogits_.size() < n * C_) dlogits_ = Buffer<T>(n * C_);
}

template <class T>
void EmbeddingPart<T>::touch(const std::int32_t* ids, const std::int64_t* rows, std::size_t n,
                             std::size_t n_threads) {
  for (Table& table : tables_) table.touched.sort(table.fields, ids, F_, rows, n, n_threads);
  list_chunks(n_threads);
}

template <class T> void EmbeddingPart<T>::list_chunks(std::size_t n_threads) {
  chunks_.clear();
  std::size_t widest = 0;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    for (std::size_t at = 0; at < tables_[i].touched.rows.size(); at += kRowsPerTask)
      chunks_.push_back({i, at});
    widest = std::max(widest, tables_[i].K);
  }
  squares_.resize(chunks_.size());
  const std::size_t slots = most_slots(n_threads, chunks_.size());
  while (sums_.size() < slots) sums_.emplace_back(kRowsPerTask * widest);
}

template <class T> std::vector<BatchField<T>> EmbeddingPart<T>::batch_fields() const {
  std::vector<BatchField<T>> fields;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Table& table = tables_[i];
    const TouchedRows& touched = table.touched;
    for (std::size_t j = 0; j < table.fields.size() && !table.wide; ++j) {
      const std::size_t first = touched.first[j];
      fields.push_back({i, first, touched.first[j + 1] - first, table.K, table.columns[j],
                        table.rows, touched.rows.data() + first, touched.starts.data() + first,
                        touched.occurrences.data(), table.fields.size()});
    }
  }
  return fields;
}

template <class T>
template <class F>
void EmbeddingPart<T>::each_chunk(std::size_t n_threads, F&& f) noexcept {
  parallel_for(n_threads, chunks_.size(), [&](std::size_t task, std::size_t slot) {
    const auto [number, first] = chunks_[task];
    Table& table = tables_[number];
    f(table, first, std::min(kRowsPerTask, table.touched.rows.size() - first), slot, task);
  });
}

template <class T>
void EmbeddingPart<T>::sum_gradients(const KernelTable<T>& k, const SharedProducts<T>& shared, T* g,
                                     const Table& table, std::size_t first, std::size_t count) {
  k.embedding_backward(g, table.wide ? dlogits_.data() : dx_.data(), table.wide ? C_ : width_,
                       table.columns.data(), table.touched.occurrences.data(),
                       table.touched.starts.data() + first, count, table.fields.size(), table.K);
  const auto number = static_cast<std::size_t>(&table - tables_.data());
  if (!table.wide) shared.add_row_gradients(g, number, first, count);
}

template <class T>
double EmbeddingPart<T>::update(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                const TableState<T>& state, const OptimizerStep<T>& step,
                                const RowHistory& history, double average_rest,
                                std::size_t n_threads) noexcept {
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t slot,
                            std::size_t task) {
    T* g = sums_[slot].data();
    sum_gradients(k, shared, g, table, first, count);
    const std::uint32_t* rows = table.touched.rows.data() + first;
    squares_[task] = k.optimizers[history.optimizer].update_rows(
        state.parameters + table.offset, state.m + table.offset, state.v + table.offset, g, rows,
        table.touched.counts.data() + first, count, table.K, step);
    if (!keeps_history_) return;
    for (std::size_t u = 0; u < count; ++u) {
      const std::size_t at = table.offset + rows[u] * table.K;
      if (state.averages != nullptr)
        k.average_update(state.averages + at, state.parameters + at, table.K,
                         static_cast<T>(average_rest));
      table.last[rows[u]] = static_cast<std::uint32_t>(history.now);
    }
  });
  double total = 0;
  for (const double s : squares_) total += s;
  return 0.5 * static_cast<double>(step.l2) * total;
}

template <class T>
void EmbeddingPart<T>::gradients(const KernelTable<T>& k, const SharedProducts<T>& shared,
                                 T* gradients, std::size_t n_threads) noexcept {
  for (const Table& table : tables_) std::fill_n(gradients + table.offset, table.V * table.K, T(0));
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t slot,
                            std::size_t) {
    T* g = sums_[slot].data();
    sum_gradients(k, shared, g, table, first, count);
    for (std::size_t u = 0; u < count; ++u)
      std::copy_n(g + u * table.K, table.K,
                  gradients + table.offset + table.touched.rows[first + u] * table.K);
  });
}

// ---- the rows that it does not touch

template <class T>
void EmbeddingPart<T>::catch_up(const KernelTable<T>& k, const TableState<T>& state,
                                const RowHistory& history, std::size_t n_threads) noexcept {
  if (!keeps_history_) return;
  each_chunk(n_threads, [&](Table& table, std::size_t first, std::size_t count, std::size_t,
                            std::size_t) {
    T* averages = state.averages != nullptr ? state.averages + table.offset : nullptr;
    k.optimizers[history.optimizer].catch_up_rows(
        state.parameters + table.offset, state.m + table.offset, state.v + table.offset, averages,
        table.last.data(), table.touched.rows.data() + first, count, table.K, history);
  });
}

template <class T>
void EmbeddingPart<T>::flush(const KernelTable<T>& k, const TableState<T>& state,
                             const RowHistory& history, std::size_t n_threads) noexcept {
  if (!keeps_history_) return;
  for (Table& table : tables_) {
    const std::size_t chunk = kChunk, n_chunks = ceil_div(table.V, chunk);
    parallel_for(n_threads, n_chunks, [&](std::size_t i, std::size_t) {
      const std::size_t first = i * chunk, at = table.offset + first * table.K;
      T* averages = state.averages != nullptr ? state.averages + at : nullptr;
      k.optimizers[history.optimizer].catch_up_rows(
          state.parameters + at, state.m + at, state.v + at, averages, table.last.data() + first,
          nullptr, std::min(chunk, table.V - first), table.K, history);
    });
  }
}

template <class T> void EmbeddingPart<T>::set_step(std::uint64_t step) {
  for (Table& table : tables_)
    std::fill(table.last.begin(), table.last.end(), static_cast<std::uint32_t>(step));
}

template class EmbeddingPart<float>;
template class EmbeddingPart<double>;

}  // namespace dcn
