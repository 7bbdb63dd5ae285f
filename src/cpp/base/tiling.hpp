// How a batch is cut: into tiles whose activations stay in cache, and the tiles into shards, each
// with its own sum of gradients. The cut depends on the model and the batch alone, never on the
// machine or the number of threads, so neither do the sums.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

#include "base/shapes.hpp"

namespace dcn {

// Activations of a tile should stay in L2, where the weights leave room; a tile of few rows pays
// for reading the weights anew, the more the larger they are.
inline constexpr std::size_t kTileBytes = 768 * 1024, kLargeWeights = 256 * 1024;
inline constexpr std::size_t kLeastRows = 144, kLeastRowsOfLarge = 288, kMostRows = 384;
static_assert(kLeastRows % kRowStep == 0 && kLeastRowsOfLarge % kRowStep == 0 &&
              kMostRows % kRowStep == 0);

// More shards feed more threads, but each costs a pass over all parameters, and their memory: large
// models have a few, or one for kRowsPerLargeShard rows, beside which that pass is little. Two from
// kTwoShards rows on, so that small batches are not left to one thread.
inline constexpr std::size_t kMostShards = 16, kFewShards = 4, kTwoShards = 256;
inline constexpr std::size_t kSmallModel = 1 << 16, kRowsPerSmallShard = 128;
inline constexpr std::size_t kRowsPerShard = 256, kRowsPerLargeShard = 1024;
inline constexpr std::size_t kShardNumbers = std::size_t{1} << 21;  // of all shards together

// Parameters that one optimizer task moves: their gradients are still in L1 when Adam reads them.
inline constexpr std::size_t kChunk = 8192;

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

struct Tiling {
  std::size_t batch;  // B
  std::size_t rows;   // of a tile, T
  std::size_t tiles;
  std::size_t shards;

  std::size_t first_row(std::size_t tile) const { return tile * rows; }
  std::size_t n_rows(std::size_t tile) const { return std::min(rows, batch - tile * rows); }
  std::size_t first_tile(std::size_t shard) const { return shard * tiles / shards; }
  // Where nothing is added up over tiles, each is a shard of its own.
  Tiling by_tile() const { return {batch, rows, tiles, tiles}; }
};

// The most rows of a tile whose workspace takes bytes_per_row, and whose largest weight matrix
// weight_bytes.
inline std::size_t most_rows(std::size_t bytes_per_row, std::size_t weight_bytes) {
  const std::size_t fit = kTileBytes / std::max<std::size_t>(bytes_per_row, 1);
  const std::size_t least = weight_bytes > kLargeWeights ? kLeastRowsOfLarge : kLeastRows;
  return std::clamp(fit, least, kMostRows) / kRowStep * kRowStep;
}

// A power of two, so that a power of two of threads gets as many each.
inline std::size_t most_shards(std::size_t batch, std::size_t n_parameters) {
  const bool small = n_parameters <= kSmallModel;
  const std::size_t by_rows =
      std::max<std::size_t>(std::bit_ceil(batch / (small ? kRowsPerSmallShard : kRowsPerShard)),
                            batch >= kTwoShards ? 2 : 1);
  const std::size_t room =
      small ? kMostShards
            : std::max({kFewShards, kShardNumbers / n_parameters, batch / kRowsPerLargeShard});
  return std::bit_floor(std::clamp<std::size_t>(std::min(by_rows, room), 1, kMostShards));
}

// As many tiles in each shard, so that two threads are busy to the end. Each row of the batch is
// one for each member, and a tile has all members of its rows.
inline Tiling cut(std::size_t batch, std::size_t most_rows, std::size_t n_parameters,
                  std::size_t members = 1) {
  const std::size_t shards = most_shards(batch * members, n_parameters);
  const std::size_t base = std::max(kRowStep, most_rows / members / kRowStep * kRowStep);
  const std::size_t at_least = std::max<std::size_t>(1, ceil_div(batch, base));
  const std::size_t wanted = ceil_div(at_least, shards) * shards;
  const std::size_t rows =
      std::max(kRowStep, ceil_div(ceil_div(batch, wanted), kRowStep) * kRowStep);
  const std::size_t tiles = ceil_div(batch, rows);
  return {batch, rows, tiles, std::clamp<std::size_t>(tiles, 1, shards)};
}

}  // namespace dcn
