// How a batch is cut: into tiles whose activations stay in cache, and the tiles into lanes, each
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

// More lanes feed more threads, but each costs a pass over all parameters, and their memory: large
// models have a few, or one for kRowsPerLargeLane rows, beside which that pass is little.
inline constexpr std::size_t kMostLanes = 16, kFewLanes = 4;
inline constexpr std::size_t kSmallModel = 1 << 16, kRowsPerSmallLane = 128;
inline constexpr std::size_t kRowsPerLane = 256, kRowsPerLargeLane = 1024;
inline constexpr std::size_t kLaneNumbers = std::size_t{1} << 21;  // of all lanes together

// Parameters that one optimizer task moves: their gradients are still in L1 when Adam reads them.
inline constexpr std::size_t kChunk = 8192;

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

struct Tiling {
  std::size_t batch;  // B
  std::size_t rows;   // of a tile, T
  std::size_t tiles;
  std::size_t lanes;

  std::size_t first_row(std::size_t tile) const { return tile * rows; }
  std::size_t n_rows(std::size_t tile) const { return std::min(rows, batch - tile * rows); }
  std::size_t first_tile(std::size_t lane) const { return lane * tiles / lanes; }
};

// The most rows of a tile whose workspace takes bytes_per_row, and whose largest weight matrix
// weight_bytes.
inline std::size_t most_rows(std::size_t bytes_per_row, std::size_t weight_bytes) {
  const std::size_t fit = kTileBytes / std::max<std::size_t>(bytes_per_row, 1);
  const std::size_t least = weight_bytes > kLargeWeights ? kLeastRowsOfLarge : kLeastRows;
  return std::clamp(fit, least, kMostRows) / kRowStep * kRowStep;
}

// A power of two, so that a power of two of threads gets as many each.
inline std::size_t most_lanes(std::size_t batch, std::size_t n_parameters) {
  const bool small = n_parameters <= kSmallModel;
  const std::size_t by_rows = std::bit_ceil(batch / (small ? kRowsPerSmallLane : kRowsPerLane));
  const std::size_t room =
      small ? kMostLanes
            : std::max({kFewLanes, kLaneNumbers / n_parameters, batch / kRowsPerLargeLane});
  return std::bit_floor(std::clamp<std::size_t>(std::min(by_rows, room), 1, kMostLanes));
}

// As many tiles in each lane, so that two threads are busy to the end.
inline Tiling cut(std::size_t batch, std::size_t most_rows, std::size_t n_parameters) {
  const std::size_t lanes = most_lanes(batch, n_parameters);
  const std::size_t at_least = std::max<std::size_t>(1, ceil_div(batch, most_rows));
  const std::size_t wanted = ceil_div(at_least, lanes) * lanes;
  const std::size_t rows =
      std::max(kRowStep, ceil_div(ceil_div(batch, wanted), kRowStep) * kRowStep);
  const std::size_t tiles = ceil_div(batch, rows);
  return {batch, rows, tiles, std::clamp<std::size_t>(tiles, 1, lanes)};
}

}  // namespace dcn
