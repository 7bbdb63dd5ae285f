// Stages 2 to 7 of a batch whose loss is of lists of rows: their logits come from several tiles, so
// every tile keeps its workspace from its forward to its backward.
#include <algorithm>
#include <utility>

#include "base/each_tile.hpp"
#include "training/training_state.hpp"

namespace dcn {

template <class T>
double TrainingState<T>::accumulate_lists(const KernelTable<T>& k, const Table<T>& table,
                                          const std::int64_t* rows, const Tiling& cut,
                                          const StepDropout& of_step, std::size_t n_threads) {
  const std::size_t stride = padded<T>(dense_size_), E = network_.config().n_members;
  const auto part = [&](const Tile& tile) {
    return TileRows{rows + tile.first, tile.first, tile.rows};
  };
  const auto dropout = [&](const Tile& tile) {
    return DropoutAt{true, of_step.seed, step_ + 1, tile.first, tile.rows, of_step.share};
  };
  lists_.find(table.group, rows, cut.batch, n_threads);
  each_tile(cut.by_tile(), n_threads, slots_, [&](const Tile& tile, Workspace<T>& slot) {
    Workspace<T>& ws = tiles_[tile.number];
    ws.seconds = slot.seconds;
    share(ws, tile.first);
    network_.forward(k, ws, table, part(tile), dropout(tile));
  });
  Stopwatch watch(timed_ ? &seconds_.front() : nullptr);
  const auto place = [&](std::size_t e, std::size_t i) {
    const std::size_t number = i / cut.rows, row = i % cut.rows;
    return std::pair{number, (e * cut.n_rows(number) + row) * ld<T>(1)};
  };
  const T scale = T(1) / (static_cast<T>(cut.batch) * static_cast<T>(E));
  const double sum = lists_.losses(
      network_.ranking(k, table), rows, E, n_threads,
      [&](std::size_t e, std::size_t i) {
        const auto [tile, at] = place(e, i);
        return tiles_[tile].logits[at];
      },
      [&](std::size_t e, std::size_t i, T slope) {
        const auto [tile, at] = place(e, i);
        tiles_[tile].dlogits[at] = scale * slope;
      });
  watch.lap(Stage::loss);
  each_tile(cut, n_threads, slots_, [&](const Tile& tile, Workspace<T>& slot) {
    T* gradients = shard_gradients_.data() + tile.shard * stride;
    Workspace<T>& ws = tiles_[tile.number];
    if (tile.begins_shard) {
      std::fill_n(gradients, dense_size_, T(0));
      network_.begin_shard(slot);
    }
    ws.seconds = slot.seconds;
    ws.numeric_sums = slot.numeric_sums;  // of a shard, not of a tile
    const TableGradients<T> of_tables{tables_.dx(tile.first), tables_.dlogits(tile.first)};
    network_.backward(k, ws, gradients, of_tables, table, part(tile), dropout(tile), scale);
    if (tile.ends_shard) network_.end_shard(k, slot, gradients);
  });
  return sum / static_cast<double>(E);
}

#define DCN_INSTANTIATE(T)                                                                   \
  template double TrainingState<T>::accumulate_lists(const KernelTable<T>&, const Table<T>&, \
                                                     const std::int64_t*, const Tiling&,     \
                                                     const StepDropout&, std::size_t);
DCN_INSTANTIATE(float)
DCN_INSTANTIATE(double)

}  // namespace dcn
