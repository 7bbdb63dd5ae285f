#include "training/shared_products.hpp"

#include <algorithm>

#include "base/thread_pool.hpp"
#include "base/tiling.hpp"

namespace dcn {

namespace {

// Distinct rows of all shared fields: their products, a block of columns wide, stay in cache.
constexpr std::size_t kMostUnits = 8192;

template <class T> void grow(Buffer<T>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer = Buffer<T>(size);
}

}  // namespace

template <class T>
void SharedProducts<T>::choose(const std::vector<BatchField<T>>& fields, std::size_t n) {
  n_ = n;
  std::size_t outputs = 0, units = 0;
  for (const FirstLayer<T>& layer : layers_) outputs += layer.packed != nullptr ? layer.O : 0;
  std::vector<const BatchField<T>*> order, taken;
  for (const BatchField<T>& f : fields)
    if (f.K >= sharing_.least_width && f.U * sharing_.least_repeats <= n) order.push_back(&f);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->U < b->U; });
  double saved = 0;
  for (const BatchField<T>* f : order) {
    if (units + f->U > kMostUnits) break;
    units += f->U;
    saved += static_cast<double>(n - f->U) * static_cast<double>(f->K * outputs);
    taken.push_back(f);
  }
  if (saved < sharing_.least_saved || outputs == 0) taken.clear();
  std::sort(taken.begin(), taken.end(), [](auto* a, auto* b) { return a->column < b->column; });
  take(taken);
}

// What is left of x0, and where everything goes.
template <class T> void SharedProducts<T>::take(const std::vector<const BatchField<T>*>& fields) {
  chosen_.clear();
  fields_.clear();
  offsets_.clear();
  left_.clear();
  blocks_.clear();
  if (fields.empty()) return;
  keep_.assign(padded<T>(D_), T(1));
  std::size_t at = 0, unit = 0, column = 0;
  for (const BatchField<T>* f : fields) {
    if (column < f->column) left_.push_back({column, f->column});
    column = f->column + f->K;
    std::fill_n(keep_.begin() + static_cast<std::ptrdiff_t>(f->column), f->K, T(0));
    chosen_.push_back(*f);
    offsets_.push_back(at);
    fields_.push_back({nullptr, f->K, f->column, unit, f->U, f->starts, nullptr});
    at += f->U * ld<T>(f->K);
    unit += f->U;
  }
  units_ = unit;
  if (column < D_) left_.push_back({column, D_});
  std::fill(keep_.begin() + static_cast<std::ptrdiff_t>(D_), keep_.end(), T(0));
  offsets_.push_back(at);
  grow(rows_, at);
  for (std::size_t i = 0; i < fields_.size(); ++i) fields_[i].rows = rows_.data() + offsets_[i];
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (layers_[l].packed == nullptr) continue;
    grow(sums_[l], n_ * ld<T>(layers_[l].O));
    for (std::size_t v = 0; v < vectors<T>(layers_[l].O); v += kSharedVectors)
      blocks_.push_back({l, v});
  }
  grow(row_gradients_, blocks_.size() * at);
}

template <class T> void SharedProducts<T>::copy_rows(std::size_t n_threads) {
  const std::size_t H = chosen_.size();
  index_.resize(n_ * H);
  places_.resize(n_ * H);
  parallel_for(n_threads, H, [&](std::size_t h, std::size_t) {
    const BatchField<T>& f = chosen_[h];
    std::uint32_t* places = places_.data() + h * n_;
    fields_[h].places = places;
    for (std::size_t u = 0; u < f.U; ++u) {
      std::copy_n(f.rows + f.numbers[u] * f.K, f.K, rows_.data() + offsets_[h] + u * ld<T>(f.K));
      for (std::size_t i = f.starts[u]; i < f.starts[u + 1]; ++i) {
        const std::size_t place = f.occurrences[i] / f.n_fields;
        *places++ = static_cast<std::uint32_t>(place);
        index_[place * H + h] = static_cast<std::uint32_t>(fields_[h].first + u);
      }
    }
  });
}

template <class T> void SharedProducts<T>::forward(const KernelTable<T>& k, std::size_t n_threads) {
  if (chosen_.empty()) return;
  copy_rows(n_threads);
  std::size_t widest = 0;
  for (const BatchField<T>& f : chosen_) widest = std::max(widest, f.K);
  const std::size_t block = kSharedVectors * kLanes<T>;
  scratch_.resize(std::max(scratch_.size(), most_slots(n_threads, blocks_.size())));
  for (Buffer<T>& scratch : scratch_)
    grow(scratch, block * std::max(units_, kSharedUnits + padded<T>(widest)));
  parallel_for(n_threads, blocks_.size(), [&](std::size_t i, std::size_t slot) {
    const auto [l, v] = blocks_[i];
    k.shared_forward(sums_[l].data(), scratch_[slot].data(), fields_.data(), index_.data(),
                     layers_[l].packed->view(), n_, fields_.size(), D_, layers_[l].O, v);
  });
}

template <class T> Shared<T> SharedProducts<T>::part(std::size_t layer, std::size_t row) {
  T* at = sums_[layer].data() + row * ld<T>(layers_[layer].O);
  return {left_.data(), left_.size(), keep_.data(), at, at};
}

template <class T>
void SharedProducts<T>::backward(const KernelTable<T>& k, T* gradients, const T* parameters,
                                 std::size_t n_threads) {
  if (chosen_.empty()) return;
  parallel_for(n_threads, blocks_.size(), [&](std::size_t i, std::size_t slot) {
    const auto [l, v] = blocks_[i];
    const FirstLayer<T>& layer = layers_[l];
    k.shared_backward(row_gradients_.data() + i * offsets_.back(), gradients + layer.offset,
                      scratch_[slot].data(), sums_[l].data(), fields_.data(),
                      parameters + layer.offset, fields_.size(), D_, layer.O, v);
  });
}

template <class T>
void SharedProducts<T>::add_row_gradients(T* g, std::size_t table, std::size_t first,
                                          std::size_t count) const {
  for (std::size_t h = 0; h < chosen_.size(); ++h) {
    const BatchField<T>& f = chosen_[h];
    if (f.table != table) continue;
    const std::size_t begin = std::max(first, f.first),
                      end = std::min(first + count, f.first + f.U);
    for (std::size_t u = begin; u < end; ++u) {
      const T* from = row_gradients_.data() + offsets_[h] + (u - f.first) * ld<T>(f.K);
      for (std::size_t block = 0; block < blocks_.size(); ++block, from += offsets_.back())
        for (std::size_t i = 0; i < f.K; ++i) g[(u - first) * f.K + i] += from[i];
    }
  }
}

template class SharedProducts<float>;
template class SharedProducts<double>;

}  // namespace dcn
