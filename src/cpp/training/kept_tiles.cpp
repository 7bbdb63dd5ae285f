// Stages 2 to 7 of a batch whose loss is of all its rows together: of lists, or with weights that
// depend on the whole batch. Every tile keeps its workspace from its forward to its backward.
#include <algorithm>
#include <utility>

#include "base/each_tile.hpp"
#include "training/training_state.hpp"

namespace dcn {

// All tiles forward, behind(tile, workspace, rows) after each; loss(); then all tiles back,
// before(tile, workspace, rows) ahead of each. Returns what loss() does.
template <class T>
template <class Behind, class Loss, class Before>
double TrainingState<T>::accumulate_kept(const KernelTable<T>& k, const Table<T>& table,
                                         const std::int64_t* rows, const Tiling& cut,
                                         const StepDropout& of_step, std::size_t n_threads,
                                         const Behind& behind, const Loss& loss,
                                         const Before& before) {
  const std::size_t stride = padded<T>(dense_size_);
  const T scale = T(1) / static_cast<T>(cut.batch);
  const auto part = [&](const Tile& tile) {
    return TileRows{rows + tile.first, tile.first, tile.rows};
  };
  const auto dropout = [&](const Tile& tile) {
    return DropoutAt{true, of_step.seed, step_ + 1, tile.first, tile.rows, of_step.share};
  };
  each_tile(cut.by_tile(), n_threads, slots_, [&](const Tile& tile, Workspace<T>& slot) {
    Workspace<T>& ws = tiles_[tile.number];
    ws.seconds = slot.seconds;
    share(ws, tile.first);
    network_.forward(k, ws, table, part(tile), dropout(tile));
    behind(tile, ws, part(tile));
  });
  Stopwatch watch(timed_ ? &seconds_.front() : nullptr);
  const double sum = loss();
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
    before(tile, ws, part(tile));
    const TableGradients<T> of_tables{tables_.dx(tile.first), tables_.dlogits(tile.first)};
    network_.backward(k, ws, gradients, of_tables, table, part(tile), dropout(tile), scale);
    if (tile.ends_shard) network_.end_shard(k, slot, gradients);
  });
  return sum;
}

template <class T>
double TrainingState<T>::accumulate_lists(const KernelTable<T>& k, const Table<T>& table,
                                          const std::int64_t* rows, const Tiling& cut,
                                          const StepDropout& of_step, std::size_t n_threads) {
  const std::size_t E = network_.config().n_members;
  const T scale = T(1) / (static_cast<T>(cut.batch) * static_cast<T>(E));
  const auto place = [&](std::size_t e, std::size_t i) {
    const std::size_t number = i / cut.rows, row = i % cut.rows;
    return std::pair{number, (e * cut.n_rows(number) + row) * ld<T>(1)};
  };
  lists_.find(table.group, rows, cut.batch, n_threads);
  const auto nothing = [](const Tile&, Workspace<T>&, const TileRows&) {};
  const auto loss = [&] {
    return lists_.losses(
        network_.ranking(k, table), rows, E, n_threads,
        [&](std::size_t e, std::size_t i) {
          const auto [tile, at] = place(e, i);
          return tiles_[tile].logits[at];
        },
        [&](std::size_t e, std::size_t i, T slope) {
          const auto [tile, at] = place(e, i);
          tiles_[tile].dlogits[at] = scale * slope;
        });
  };
  const double sum =
      accumulate_kept(k, table, rows, cut, of_step, n_threads, nothing, loss, nothing);
  return sum / static_cast<double>(E);
}

// Each member has a loss of its own, and weights: the mean of all is minimised.
template <class T>
double TrainingState<T>::accumulate_branches(const KernelTable<T>& k, const Table<T>& table,
                                             const std::int64_t* rows, const Tiling& cut,
                                             const StepDropout& of_step, std::size_t n_threads) {
  const std::size_t E = network_.config().n_members;
  const double n = static_cast<double>(cut.batch);
  branch_sums_.assign(cut.tiles * E, {});
  branch_slopes_.assign(E, {});
  const T scale = T(1) / static_cast<T>(cut.batch);
  const auto behind = [&](const Tile& tile, Workspace<T>& ws, const TileRows& part) {
    Stopwatch watch(ws.seconds);
    network_.branch_logits(k, ws, part.count);
    network_.branch_losses(k, ws, table, part, branch_sums_.data() + tile.number * E);
    watch.lap(Stage::loss);
  };
  const auto loss = [&] {
    double total = 0;
    for (std::size_t e = 0; e < E; ++e) {
      BranchLosses mean;
      for (std::size_t i = e; i < branch_sums_.size(); i += E) {
        mean.both += branch_sums_[i].both / n;
        mean.cross += branch_sums_[i].cross / n;
        mean.deep += branch_sums_[i].deep / n;
      }
      branch_slopes_[e] = mean.slopes();
      total += mean.total();
    }
    return total;
  };
  const auto before = [&](const Tile&, Workspace<T>& ws, const TileRows& part) {
    Stopwatch watch(ws.seconds);
    network_.branch_slopes(k, ws, table, part, branch_slopes_.data(), scale);
    watch.lap(Stage::loss_backward);
  };
  const double total =
      accumulate_kept(k, table, rows, cut, of_step, n_threads, behind, loss, before);
  return total * n / static_cast<double>(E);
}

#define DCN_INSTANTIATE(T)                                                                      \
  template double TrainingState<T>::accumulate_lists(const KernelTable<T>&, const Table<T>&,    \
                                                     const std::int64_t*, const Tiling&,        \
                                                     const StepDropout&, std::size_t);          \
  template double TrainingState<T>::accumulate_branches(const KernelTable<T>&, const Table<T>&, \
                                                        const std::int64_t*, const Tiling&,     \
                                                        const StepDropout&, std::size_t);
DCN_INSTANTIATE(float)
DCN_INSTANTIATE(double)

}  // namespace dcn
