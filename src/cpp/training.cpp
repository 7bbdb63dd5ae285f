// Stages 7 and 8 for a whole batch: tiles into lanes, lanes into one gradient, one Adam pass.
#include <algorithm>
#include <cmath>

#include "network.hpp"
#include "thread_pool.hpp"

namespace dcn {

template <class T> void Network<T>::reserve(const Tiling& cut, std::size_t n_threads) {
  const std::size_t wanted = cut.lanes * padded<T>(layout_.size());
  if (lane_gradients_.size() < wanted) lane_gradients_ = Buffer<T>(wanted);
  lane_losses_.resize(std::max(lane_losses_.size(), cut.lanes));
  if (slot_rows_ < cut.rows) slots_.clear();
  slot_rows_ = std::max(slot_rows_, cut.rows);
  while (slots_.size() < std::max<std::size_t>(1, std::min(n_threads, cut.lanes)))
    slots_.push_back(make_workspace(slot_rows_, true));
}

template <class T>
double Network<T>::accumulate(const KernelTable<T>& k, const Table<T>& table,
                              const std::int64_t* rows, std::size_t n, std::size_t n_threads) {
  const Tiling cut = tiling(n);
  const std::size_t stride = padded<T>(layout_.size());
  const T scale = T(1) / static_cast<T>(n);
  parallel_for(n_threads, cut.lanes, [&](std::size_t lane, std::size_t slot) {
    Workspace<T>& ws = slots_[slot];
    T* gradients = lane_gradients_.data() + lane * stride;
    std::fill_n(gradients, layout_.size(), T(0));
    double sum = 0;
    for (std::size_t tile = cut.first_tile(lane); tile < cut.first_tile(lane + 1); ++tile) {
      const std::size_t first = cut.first_row(tile), count = cut.n_rows(tile);
      forward(k, ws, table, rows + first, count);
      sum += loss(k, ws, table, rows + first, count);
      backward(k, ws, gradients, table, rows + first, count, scale);
    }
    lane_losses_[lane] = sum;
  });
  double sum = 0;
  for (std::size_t lane = 0; lane < cut.lanes; ++lane) sum += lane_losses_[lane];
  return sum;
}

template <class T>
double Network<T>::update(const KernelTable<T>& k, std::size_t n_lanes, const AdamOptions& adam,
                          std::size_t n_threads) {
  ++step_;
  const double t = static_cast<double>(step_);
  const double rate =
      adam.learning_rate * std::sqrt(1 - std::pow(adam.beta_2, t)) / (1 - std::pow(adam.beta_1, t));
  const std::size_t stride = padded<T>(layout_.size());
  auto move = [&](std::size_t i, std::size_t) {
    const Chunk& c = chunks_[i];
    T* g = gradients_.data() + c.begin;
    k.reduce_lanes(g, lane_gradients_.data() + c.begin, stride, n_lanes, c.size);
    const double squares = k.adam_update(
        parameters_.data() + c.begin, m_.data() + c.begin, v_.data() + c.begin, g, c.size,
        {static_cast<T>(rate), static_cast<T>(adam.beta_1), static_cast<T>(adam.beta_2),
         static_cast<T>(adam.epsilon), c.l2});
    penalties_[i] = 0.5 * static_cast<double>(c.l2) * squares;
  };
  parallel_for(layout_.size() > kChunk ? n_threads : 1, chunks_.size(), move);
  double penalty = 0;
  for (const double p : penalties_) penalty += p;
  return penalty;
}

template <class T>
double Network<T>::compute_gradients(const Table<T>& table, const std::int64_t* rows, std::size_t n,
                                     std::size_t n_threads) {
  const KernelTable<T>& k = table_of<T>(active_isa());
  reserve(tiling(n), n_threads);
  const double sum = accumulate(k, table, rows, n, n_threads);
  k.reduce_lanes(gradients_.data(), lane_gradients_.data(), padded<T>(layout_.size()),
                 tiling(n).lanes, layout_.size());
  return sum / static_cast<double>(n);
}

template <class T>
EpochResult Network<T>::train_epoch(const Table<T>& table, const std::int64_t* order, std::size_t n,
                                    std::size_t batch_size, const AdamOptions& adam,
                                    std::size_t n_threads, bool (*interrupted)(void*),
                                    void* context) {
  const KernelTable<T>& k = table_of<T>(active_isa());
  reserve(tiling(std::min(n, batch_size)), n_threads);
  if (n % batch_size != 0) reserve(tiling(n % batch_size), n_threads);
  double total = 0;
  std::size_t seen = 0, n_batches = 0;
  const auto result = [&](Stop stop) {
    return EpochResult{seen == 0 ? 0 : total / static_cast<double>(seen), n_batches, stop};
  };
  for (std::size_t first = 0; first < n; first += batch_size) {
    if (interrupted(context)) return result(Stop::interrupted);
    const std::size_t count = std::min(batch_size, n - first);
    const double sum = accumulate(k, table, order + first, count, n_threads);
    if (!std::isfinite(sum)) return result(Stop::not_finite);
    const double penalty = update(k, tiling(count).lanes, adam, n_threads);
    pack(k);
    total += sum + penalty * static_cast<double>(count);
    seen += count;
    ++n_batches;
  }
  return result(Stop::finished);
}

template class Network<float>;
template class Network<double>;

}  // namespace dcn
