// How all tiles of a batch are done: shards are shared among the threads, the tiles of a shard
// follow each other in one thread, and each thread has a workspace.
#pragma once

#include <vector>

#include "base/thread_pool.hpp"
#include "base/tiling.hpp"

namespace dcn {

struct Tile {
  std::size_t number, shard, first, rows;  // first row in the batch, and how many
  bool begins_shard, ends_shard;
};

// As many workspaces as threads may take part; make() returns one.
template <class Make> auto make_workspaces(const Tiling& cut, std::size_t n_threads, Make&& make) {
  std::vector<decltype(make())> workspaces;
  for (std::size_t i = 0; i < most_slots(n_threads, cut.shards); ++i) workspaces.push_back(make());
  return workspaces;
}

// f(tile, workspace) for each tile; it must not throw.
template <class W, class F>
void each_tile(const Tiling& cut, std::size_t n_threads, std::vector<W>& workspaces,
               F&& f) noexcept {
  parallel_for(n_threads, cut.shards, [&](std::size_t shard, std::size_t slot) {
    const std::size_t begin = cut.first_tile(shard), end = cut.first_tile(shard + 1);
    for (std::size_t tile = begin; tile < end; ++tile)
      f(Tile{tile, shard, cut.first_row(tile), cut.n_rows(tile), tile == begin, tile + 1 == end},
        workspaces[slot]);
  });
}

}  // namespace dcn
