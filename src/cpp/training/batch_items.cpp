#include "training/batch_items.hpp"

#include <algorithm>

#include "base/thread_pool.hpp"

namespace dcn {

namespace {

std::size_t row_at(const std::int64_t* rows, std::size_t i) {
  return rows != nullptr ? static_cast<std::size_t>(rows[i]) : i;
}

}  // namespace

template <class T>
BatchGroups<T>::BatchGroups(const NetworkConfig& config)
    : F_(config.n_single()), poolings_(config.poolings) {
  for (std::size_t owner = 0; owner < config.fields.size(); ++owner) {
    std::vector<std::size_t> fields;
    for (std::size_t f = owner; f < config.fields.size(); ++f)
      if (config.table_owner(f) == owner) fields.push_back(f);
    if (fields.size() > 1 || (fields.size() == 1 && owner >= F_))
      items_.push_back({std::move(fields), {}, {}, {}});
  }
  weights_.resize(items_.size());
}

template <class T>
std::uint32_t BatchGroups<T>::count(BatchItems& items, std::size_t place, std::uint32_t begin,
                                    const ListColumns<T>& lists, const std::int64_t* rows,
                                    std::size_t n) const {
  const std::size_t field = items.fields[place];
  std::uint32_t* begins = items.begins.data() + place * (n + 1);
  begins[0] = begin;
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t items_of_row = 1;
    if (field >= F_) {
      const std::int64_t* offsets = lists[field - F_].offsets + row_at(rows, i);
      items_of_row = offsets[1] - offsets[0];
    }
    begins[i + 1] = begins[i] + static_cast<std::uint32_t>(items_of_row);
  }
  return begins[n];
}

template <class T>
void BatchGroups<T>::fill(std::size_t group, const std::int32_t* ids, const ListColumns<T>& lists,
                          const std::int64_t* rows, std::size_t n) noexcept {
  BatchItems& items = items_[group];
  T* weights = weights_[group].empty() ? nullptr : weights_[group].data();
  for (std::size_t place = 0; place < items.fields.size(); ++place) {
    const std::size_t field = items.fields[place];
    const std::uint32_t* begins = items.begins.data() + place * (n + 1);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t row = row_at(rows, i);
      std::uint32_t at = begins[i];
      std::fill(items.slots.data() + at, items.slots.data() + begins[i + 1],
                static_cast<std::uint32_t>(place * n + i));
      if (field < F_) {
        items.ids[at] = ids[row * F_ + field];
        if (weights != nullptr) weights[at] = T(1);
        continue;
      }
      const Lists<T> column = lists[field - F_];
      for (std::int64_t item = column.offsets[row]; item < column.offsets[row + 1]; ++item, ++at) {
        items.ids[at] = column.ids[item];
        if (weights != nullptr)
          weights[at] = column.weights != nullptr ? column.weights[item] : T(1);
      }
    }
  }
}

// Room is made first: tasks allocate nothing.
template <class T>
void BatchGroups<T>::gather(const std::int32_t* ids, const ListColumns<T>& lists,
                            const std::int64_t* rows, std::size_t n, std::size_t n_threads) {
  for (std::size_t group = 0; group < items_.size(); ++group) {
    BatchItems& items = items_[group];
    items.begins.resize(items.fields.size() * (n + 1));
    std::uint32_t end = 0;
    bool weighted = false;
    for (std::size_t place = 0; place < items.fields.size(); ++place) {
      end = count(items, place, end, lists, rows, n);
      const std::size_t field = items.fields[place];
      weighted = weighted || (field >= F_ && lists[field - F_].weights != nullptr);
    }
    items.slots.resize(end);
    items.ids.resize(end);
    weights_[group].resize(weighted ? end : 0);
  }
  parallel_for(n_threads, items_.size(),
               [&](std::size_t group, std::size_t) { fill(group, ids, lists, rows, n); });
}

template class BatchGroups<float>;
template class BatchGroups<double>;

}  // namespace dcn
