// What a model that lives needs beside epochs: rows for new categories, the state of before in
// another network, and the Fisher information of what was learned.
#include "training/training_state.hpp"

#include <algorithm>

namespace dcn {

template <class T>
template <class F>
void TrainingState<T>::each_piece(const TrainingState& from, const std::vector<RowNumbers>& rows,
                                  F&& f) const {
  f(0, 0, dense_size_);
  const auto &own = network_.embedding().tables(), &other = from.network_.embedding().tables();
  for (std::size_t i = 0; i < own.size(); ++i)
    for (std::size_t j = 0; j < own[i].fields.size(); ++j) {
      const FieldOfTable &to = own[i].fields[j], &of = other[i].fields[j];
      const auto piece = [&](std::size_t K, std::size_t at, std::size_t begin) {
        at += to.first_row * K;
        begin += of.first_row * K;
        if (rows.empty()) return f(at, begin, std::min(to.rows, of.rows) * K);
        const RowNumbers& named = rows[to.number];
        for (std::size_t u = 0; u < named.count; ++u) {
          const std::size_t row = static_cast<std::size_t>(named.rows[u]) * K;
          f(at + row, begin + row, K);
        }
      };
      piece(own[i].K, own[i].offset, other[i].offset);
      if (own[i].weighted) piece(1, own[i].factors_offset, other[i].factors_offset);
    }
}

template <class T> bool TrainingState<T>::takes(const TrainingState& other) const {
  const auto &own = network_.embedding().tables(), &from = other.network_.embedding().tables();
  const bool averages = network_.config().ema_decay > 0;
  if (dense_size_ != other.dense_size_ || own.size() != from.size() ||
      averages != (other.network_.config().ema_decay > 0))
    return false;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (own[i].K != from[i].K || own[i].wide != from[i].wide ||
        own[i].weighted != from[i].weighted || own[i].fields.size() != from[i].fields.size())
      return false;
    for (std::size_t j = 0; j < own[i].fields.size(); ++j)
      if (own[i].fields[j].number != from[i].fields[j].number) return false;
  }
  return true;
}

template <class T>
void TrainingState<T>::take_over(const TrainingState& other, const std::vector<RowNumbers>& rows) {
  const bool same = network_.layout().size() == other.network_.layout().size();
  std::shared_ptr<const Prior<T>> prior = other.prior_;
  if (prior != nullptr && !same) {
    auto grown = std::make_shared<Prior<T>>(network_.layout().size());
    Prior<T> held(other.network_.layout().size());
    other.get_prior(held.anchor.data(), held.fisher.data());
    each_piece(other, {}, [&](std::size_t to, std::size_t from, std::size_t n) {
      std::copy_n(held.anchor.data() + from, n, grown->anchor.data() + to);
      std::copy_n(held.fisher.data() + from, n, grown->fisher.data() + to);
    });
    prior = std::move(grown);
  }
  FreeRows free_rows = same ? other.free_rows_ : FreeRows();
  const TableState<T> own = table_state();
  each_piece(other, rows, [&](std::size_t to, std::size_t from, std::size_t n) {
    std::copy_n(other.network_.parameters() + from, n, own.parameters + to);
    std::copy_n(other.m_.data() + from, n, own.m + to);
    std::copy_n(other.v_.data() + from, n, own.v + to);
    if (own.averages != nullptr)
      std::copy_n(other.network_.averages() + from, n, own.averages + to);
  });
  prior_ = std::move(prior);
  free_rows_ = std::move(free_rows);
  step_ = other.step_;
  tables_.set_step(step_);
  network_.use_what_predicts();
}

template <class T> void TrainingState<T>::begin_rows(std::size_t field, const RowNumbers& rows) {
  const TableState<T> own = table_state();
  const auto& tables = network_.embedding().tables();
  FreeRows free_rows = free_rows_;
  if (prior_ != nullptr) free_rows.resize(tables.size());
  for (std::size_t i = 0; i < tables.size(); ++i)
    for (const FieldOfTable& of : tables[i].fields) {
      if (of.number != field) continue;
      const EmbeddingTable<T>& table = tables[i];
      const std::size_t K = table.K, unseen = table.offset + of.first_row * K;
      if (prior_ != nullptr) free_rows[i].resize(table.V);
      for (std::size_t u = 0; u < rows.count; ++u) {
        const auto row = static_cast<std::size_t>(rows.rows[u]);
        if (prior_ != nullptr) free_rows[i][of.first_row + row] = 1;
        const std::size_t at = unseen + row * K;
        std::copy_n(own.parameters + unseen, K, own.parameters + at);
        if (own.averages != nullptr) std::copy_n(own.averages + unseen, K, own.averages + at);
        std::fill_n(own.m + at, K, T(0));
        std::fill_n(own.v + at, K, T(0));
        if (!table.weighted) continue;
        // what row 0 is multiplied by already, and a factor that is 1
        const std::size_t factor = table.factors_offset + of.first_row;
        for (T* flat : {own.parameters, own.averages}) {
          if (flat == nullptr) continue;
          multiply(flat + at, K, flat[factor]);
          flat[factor + row] = T(1);
        }
        own.m[factor + row] = own.v[factor + row] = T(0);
      }
    }
  free_rows_ = std::move(free_rows);
}

template <class T>
void TrainingState<T>::settle(std::size_t field, const std::int64_t* counts, std::size_t n) {
  const FlushDenormals flush;
  const TableState<T> own = table_state();
  const std::size_t known = n > 0 && counts[0] > 0 ? 1 : n;  // rows that the others are like
  for (const EmbeddingTable<T>& table : network_.embedding().tables())
    for (const FieldOfTable& of : table.fields) {
      if (of.number != field) continue;
      const std::size_t K = table.K;
      for (T* flat : {own.parameters, own.averages}) {
        if (flat == nullptr) continue;
        T* rows = flat + table.offset + of.first_row * K;
        T* factors = table.weighted ? flat + table.factors_offset + of.first_row : nullptr;
        std::vector<double> total(K);
        double seen = 0;
        for (std::size_t r = 0; r < known; ++r) {
          const double count = static_cast<double>(counts[r]);
          if (count == 0) continue;
          seen += count;
          const double times = factors != nullptr ? count * static_cast<double>(factors[r]) : count;
          for (std::size_t k = 0; k < K; ++k)
            total[k] += times * static_cast<double>(rows[r * K + k]);
        }
        for (std::size_t r = 0; r < n && seen > 0; ++r) {
          for (std::size_t k = 0; k < K && counts[r] == 0; ++k)
            rows[r * K + k] = static_cast<T>(total[k] / seen);
          if (factors != nullptr && counts[r] == 0) factors[r] = T(1);
        }
      }
    }
}

template <class T> void TrainingState<T>::set_prior(const T* anchor, const T* fisher) {
  auto prior = std::make_shared<Prior<T>>(network_.layout().size());
  copy_without_denormals(prior->anchor, anchor);
  copy_without_denormals(prior->fisher, fisher);
  prior_ = std::move(prior);
  free_rows_.clear();
}

template <class T> void TrainingState<T>::get_prior(T* anchor, T* fisher) const {
  std::copy_n(prior_->anchor.data(), prior_->anchor.size(), anchor);
  std::copy_n(prior_->fisher.data(), prior_->fisher.size(), fisher);
  for (std::size_t i = 0; i < free_rows_.size(); ++i) {
    const EmbeddingTable<T>& table = network_.embedding().tables()[i];
    for (std::size_t row = 0; row < free_rows_[i].size(); ++row) {
      if (free_rows_[i][row] == 0) continue;
      for (T* flat : {anchor, fisher}) {
        std::fill_n(flat + table.offset + row * table.K, table.K, T(0));
        if (table.weighted) flat[table.factors_offset + row] = T(0);
      }
    }
  }
}

// Of batches of one row it is the mean over the rows of their squared gradients, the diagonal of
// the empirical Fisher information; of larger ones an estimate of it.
template <class T>
bool TrainingState<T>::fisher(T* out, const Table<T>& table, const std::int64_t* order,
                              const Batches& batches, std::size_t n_threads,
                              bool (*interrupted)(void*), void* context) {
  const FlushDenormals flush;
  const KernelTable<T>& k = network_.kernels();
  reserve(batches, n_threads);
  const AtParameters scope(*this);
  for (std::size_t i = 0; i < batches.count(); ++i) {
    if (interrupted(context)) return false;
    const std::size_t first = batches.first(i), count = batches.rows(i);
    tables_.touch(table.ids, table.lists, order + first, count, n_threads);
    accumulate(k, table, order + first, count, 0, 0, n_threads);
    k.reduce_shards(gradients_.data(), shard_gradients_.data(), padded<T>(dense_size_),
                    network_.tiling(count).shards, dense_size_);
    network_.project(gradients_.data());
    const double rows = static_cast<double>(count);  // gradients are of their mean loss
    const T factor = static_cast<T>(rows * rows / static_cast<double>(batches.n));
    add_squares(out, gradients_.data(), dense_size_, factor);
    tables_.add_squares(k, shared_, out, factor, n_threads);
  }
  return true;
}

#define DCN_INSTANTIATE(T)                                                                         \
  template bool TrainingState<T>::takes(const TrainingState&) const;                               \
  template void TrainingState<T>::take_over(const TrainingState&, const std::vector<RowNumbers>&); \
  template void TrainingState<T>::begin_rows(std::size_t, const RowNumbers&);                      \
  template void TrainingState<T>::settle(std::size_t, const std::int64_t*, std::size_t);           \
  template void TrainingState<T>::set_prior(const T*, const T*);                                   \
  template void TrainingState<T>::get_prior(T*, T*) const;                                         \
  template bool TrainingState<T>::fisher(T*, const Table<T>&, const std::int64_t*, const Batches&, \
                                         std::size_t, bool (*)(void*), void*);
DCN_INSTANTIATE(float)
DCN_INSTANTIATE(double)

}  // namespace dcn
