#include "network.hpp"

#include <algorithm>

#include "thread_pool.hpp"

namespace dcn {

template <class T>
Network<T>::Network(const NetworkConfig& config)
    : config_(config), cross_(config_, layout_), deep_(config_, layout_), head_(config_, layout_),
      most_rows_(most_rows(bytes_per_row())), parameters_(layout_.size()),
      gradients_(layout_.size()), m_(layout_.size()), v_(layout_.size()) {
  for (const Tensor& tensor : layout_.tensors())
    for (std::size_t at = 0; at < tensor.size; at += kChunk)
      chunks_.push_back(
          {tensor.offset + at, std::min(kChunk, tensor.size - at), static_cast<T>(tensor.l2)});
  penalties_.resize(chunks_.size());
  pack(table_of<T>(active_isa()));
}

template <class T> void Network<T>::set_parameters(const T* values) {
  std::copy_n(values, layout_.size(), parameters_.data());
  pack(table_of<T>(active_isa()));
}

template <class T> void Network<T>::set_optimizer(const T* m, const T* v, std::uint64_t step) {
  std::copy_n(m, layout_.size(), m_.data());
  std::copy_n(v, layout_.size(), v_.data());
  step_ = step;
}

template <class T> void Network<T>::pack(const KernelTable<T>& k) {
  cross_.pack(k, parameters_.data());
  deep_.pack(k, parameters_.data());
  head_.pack(k, parameters_.data());
}

template <class T>
void Network<T>::carve(Workspace<T>& ws, Carver<T>& carver, std::size_t rows, bool backward) const {
  const std::size_t wide = rows * ld<T>(config_.width()), narrow = rows * ld<T>(config_.n_outputs);
  ws.x0 = carver.take(wide);
  ws.cross = cross_.carve(carver, ws.x0, rows);
  ws.deep =
      deep_.carve(carver, config_.structure == Structure::stacked ? ws.cross.xL() : ws.x0, rows);
  ws.logits = carver.take(narrow);
  if (!backward) return;
  ws.dlogits = carver.take(narrow);
  ws.dxL = carver.take(wide);
}

template <class T> std::size_t Network<T>::bytes_per_row() const {
  Workspace<T> ws;
  Carver<T> count;
  carve(ws, count, kRowStep, true);
  return count.used() * sizeof(T) / kRowStep;
}

template <class T> Workspace<T> Network<T>::make_workspace(std::size_t rows, bool backward) const {
  Workspace<T> ws;
  Carver<T> count;
  carve(ws, count, rows, backward);
  ws.memory = Buffer<T>(count.used());
  Carver<T> carver(ws.memory.data());
  carve(ws, carver, rows, backward);
  return ws;
}

// ---- one tile: stages 2 to 6, and back

template <class T>
void Network<T>::forward(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table,
                         const std::int64_t* rows, std::size_t n) const {
  k.stack_forward(ws.x0, table.dense, rows, n, config_.n_dense);  // -> x0 (T,D)
  cross_.forward(k, ws.cross, parameters_.data(), n);             // x0 -> xL (T,D)
  deep_.forward(k, ws.deep, n);                                   // x0 or xL -> hN (T,H)
  head_.forward(k, ws.logits, ws.cross.xL(), ws.deep.hN(), n);    // -> logits (T,C)
}

template <class T>
double Network<T>::loss(const KernelTable<T>& k, const Workspace<T>& ws, const Table<T>& table,
                        const std::int64_t* rows, std::size_t n) const {
  const auto kernel = config_.loss == Loss::squared_error ? k.squared_forward
                      : config_.loss == Loss::log_loss    ? k.bce_forward
                                                          : k.softmax_forward;
  return kernel(ws.logits, table.target, table.weight, rows, n, config_.n_outputs);
}

template <class T>
void Network<T>::backward(const KernelTable<T>& k, Workspace<T>& ws, T* gradients,
                          const Table<T>& table, const std::int64_t* rows, std::size_t n,
                          T scale) const {
  const auto kernel = config_.loss == Loss::squared_error ? k.squared_backward
                      : config_.loss == Loss::log_loss    ? k.bce_backward
                                                          : k.softmax_backward;
  kernel(ws.dlogits, ws.logits, table.target, table.weight, rows, n, config_.n_outputs, scale);
  // The input is data, nobody asks for its gradient: dx0 is null, and dxL too without cross layers.
  const bool stacked = config_.structure == Structure::stacked;
  T* dxL = cross_.layers() > 0 ? ws.dxL : nullptr;
  head_.backward(k, dxL, ws.deep.dh, gradients, ws.dlogits, ws.cross.xL(), ws.deep.hN(), n);
  deep_.backward(k, ws.deep, stacked ? dxL : nullptr, head_.reads_cross(), gradients, n);
  if (cross_.layers() > 0)
    cross_.backward(k, ws.cross, nullptr, dxL, gradients, parameters_.data(), n);
}

// ---- many tiles

// f(kernels, workspace, tile's number, first row, rows)
template <class T>
template <class F>
void Network<T>::each_tile(const Tiling& cut, std::size_t n_threads, F&& f) const {
  const KernelTable<T>& k = table_of<T>(active_isa());
  std::vector<Workspace<T>> slots;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, std::min(n_threads, cut.tiles)); ++i)
    slots.push_back(make_workspace(std::min(cut.rows, cut.batch), false));
  parallel_for(n_threads, cut.tiles, [&](std::size_t tile, std::size_t slot) {
    f(k, slots[slot], tile, cut.first_row(tile), cut.n_rows(tile));
  });
}

template <class T>
Table<T> slice(const Table<T>& table, std::size_t first, std::size_t M, std::size_t target_width) {
  return {table.dense + first * M,
          table.target == nullptr ? nullptr : table.target + first * target_width,
          table.weight == nullptr ? nullptr : table.weight + first, table.size - first};
}

template <class T>
void Network<T>::predict(T* logits, const Table<T>& table, std::size_t n_threads) const {
  const std::size_t C = config_.n_outputs;
  each_tile(tiling(table.size), n_threads,
            [&](const KernelTable<T>& k, Workspace<T>& ws, std::size_t, std::size_t first,
                std::size_t n) {
              forward(k, ws, slice(table, first, config_.n_dense, 0), nullptr, n);
              k.unstack(logits + first * C, ws.logits, n, C);
            });
}

template <class T> double Network<T>::evaluate(const Table<T>& table, std::size_t n_threads) const {
  const std::size_t target_width = config_.loss == Loss::softmax ? 1 : config_.n_outputs;
  const Tiling cut = tiling(table.size);
  std::vector<double> losses(cut.tiles, 0.0), weights(cut.tiles, 0.0);
  each_tile(cut, n_threads,
            [&](const KernelTable<T>& k, Workspace<T>& ws, std::size_t tile, std::size_t first,
                std::size_t n) {
              const Table<T> part = slice(table, first, config_.n_dense, target_width);
              forward(k, ws, part, nullptr, n);
              losses[tile] = loss(k, ws, part, nullptr, n);
              for (std::size_t t = 0; t < n; ++t)
                weights[tile] += part.weight == nullptr ? 1.0 : static_cast<double>(part.weight[t]);
            });
  return std::accumulate(losses.begin(), losses.end(), 0.0) /
         std::accumulate(weights.begin(), weights.end(), 0.0);
}

template class Network<float>;
template class Network<double>;

}  // namespace dcn
