// Stages 1 to 6 of a whole table, tile by tile: logits, and the loss of rows held out.
#include <algorithm>
#include <numeric>
#include <vector>

#include "base/each_tile.hpp"
#include "network/network.hpp"

namespace dcn {

template <class T>
template <class F>
void Network<T>::each_forward(const Tiling& cut, std::size_t n_threads, F&& f) const {
  const KernelTable<T>& k = kernels();
  auto workspaces = make_workspaces(
      cut, n_threads, [&] { return make_workspace(std::min(cut.rows, cut.batch), false); });
  each_tile(cut, n_threads, workspaces,
            [&](const Tile& tile, Workspace<T>& ws) { f(k, ws, tile); });
}

template <class T> Table<T> Network<T>::from_row(const Table<T>& table, std::size_t first) const {
  return {table.ids + first * config_.n_single(),
          table.dense + first * config_.dense_columns(),
          table.target == nullptr ? nullptr : table.target + first * config_.target_width(),
          table.weight == nullptr ? nullptr : table.weight + first,
          table.size - first,
          {table.lists.columns, table.lists.first + first},
          table.group == nullptr ? nullptr : table.group + first};
}

template <class T>
void Network<T>::combine_members(const KernelTable<T>& k, Workspace<T>& ws, std::size_t n) const {
  if (members_.several())
    k.losses[config_.loss].combine(ws.combined, ws.logits, n, config_.n_members, config_.n_outputs,
                                   loss_options(0));
}

template <class T>
void Network<T>::predict(T* logits, const Table<T>& table, std::size_t n_threads) const {
  const std::size_t C = config_.n_outputs;
  each_forward(tiling(table.size).by_tile(), n_threads,
               [&](const KernelTable<T>& k, Workspace<T>& ws, const Tile& tile) {
                 const std::size_t first = tile.first, n = tile.rows;
                 forward(k, ws, from_row(table, first), {nullptr, first, n}, {});
                 combine_members(k, ws, n);
                 k.unstack(logits + first * C, ws.answer(), ld<T>(C), n, C);
               });
}

template <class T>
void Network<T>::predict_members(T* logits, const Table<T>& table, std::size_t n_threads) const {
  const std::size_t C = config_.n_outputs, E = config_.n_members;
  each_forward(tiling(table.size).by_tile(), n_threads,
               [&](const KernelTable<T>& k, Workspace<T>& ws, const Tile& tile) {
                 const std::size_t first = tile.first, n = tile.rows;
                 forward(k, ws, from_row(table, first), {nullptr, first, n}, {});
                 for (std::size_t i = 0; i < E * n; ++i)  // (E,T,C) -> (T,E,C)
                   std::copy_n(ws.logits + i * ld<T>(C), C,
                               logits + ((first + i % n) * E + i / n) * C);
               });
}

template <class T>
void Network<T>::predict_row(T* logits, Workspace<T>& workspace, const std::int32_t* ids,
                             const T* dense, const ListColumns<T>& lists) const {
  const FlushDenormals flush;
  const KernelTable<T>& k = kernels();
  forward(k, workspace, {ids, dense, nullptr, nullptr, 1, lists}, {nullptr, 0, 1}, {});
  combine_members(k, workspace, 1);
  k.unstack(logits, workspace.answer(), ld<T>(config_.n_outputs), 1, config_.n_outputs);
}

template <class T>
double Network<T>::evaluate_lists(const Table<T>& table, std::size_t n_threads) const {
  Buffer<T> logits(table.size);
  RankedLists<T> lists;
  lists.find(table.group, nullptr, table.size, n_threads);
  predict(logits.data(), table, n_threads);
  const T* scores = logits.data();
  const double sum = lists.losses(
      ranking(kernels(), table), nullptr, 1, n_threads,
      [scores](std::size_t, std::size_t i) { return scores[i]; },
      [](std::size_t, std::size_t, T) {});
  return sum / lists.weights(table.weight, nullptr);
}

template <class T> double Network<T>::evaluate(const Table<T>& table, std::size_t n_threads) const {
  if (ranks()) return evaluate_lists(table, n_threads);
  const Tiling cut = tiling(table.size).by_tile();
  std::vector<double> losses(cut.tiles, 0.0), weights(cut.tiles, 0.0);
  each_forward(cut, n_threads, [&](const KernelTable<T>& k, Workspace<T>& ws, const Tile& tile) {
    const Table<T> part = from_row(table, tile.first);
    forward(k, ws, part, {nullptr, tile.first, tile.rows}, {});
    combine_members(k, ws, tile.rows);
    losses[tile.number] = k.losses[config_.loss].forward(  // of the targets as they are
        ws.answer(), part.target, part.weight, nullptr, tile.rows, config_.n_outputs,
        loss_options(0));
    for (std::size_t t = 0; t < tile.rows; ++t)
      weights[tile.number] += part.weight == nullptr ? 1.0 : static_cast<double>(part.weight[t]);
  });
  return std::accumulate(losses.begin(), losses.end(), 0.0) /
         std::accumulate(weights.begin(), weights.end(), 0.0);
}

#define DCN_INSTANTIATE(T)                                                                     \
  template void Network<T>::combine_members(const KernelTable<T>&, Workspace<T>&, std::size_t) \
      const;                                                                                   \
  template Table<T> Network<T>::from_row(const Table<T>&, std::size_t) const;                  \
  template void Network<T>::predict(T*, const Table<T>&, std::size_t) const;                   \
  template void Network<T>::predict_members(T*, const Table<T>&, std::size_t) const;           \
  template void Network<T>::predict_row(T*, Workspace<T>&, const std::int32_t*, const T*,      \
                                        const ListColumns<T>&) const;                          \
  template double Network<T>::evaluate_lists(const Table<T>&, std::size_t) const;              \
  template double Network<T>::evaluate(const Table<T>&, std::size_t) const;
DCN_INSTANTIATE(float)
DCN_INSTANTIATE(double)
#undef DCN_INSTANTIATE

}  // namespace dcn
