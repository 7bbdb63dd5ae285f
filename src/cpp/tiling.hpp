// How a batch is cut: into tiles whose activations stay in cache, and the tiles into lanes, each
// with its own sum of gradients. The cut depends on the model and the batch alone, never on the
// machine or the number of threads, so neither do the sums.
#pragma once

#include <algorithm>
#include <cstddef>

namespace dcn {

// Activations of a tile should stay in L2; a tile of few rows pays for reading the weights anew.
inline constexpr std::size_t kTileBytes = 768 * 1024, kLeastRows = 144, kMostRows = 192;
inline constexpr std::size_t kRowStep = 12;  // a multiple of every instruction set's register tile

// More lanes feed more threads, but each costs a pass over all parameters.
inline constexpr std::size_t kMostLanes = 16, kSmallModel = 1 << 16, kRowsPerLane = 1024;

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

// The most rows of a tile whose workspace takes bytes_per_row.
inline std::size_t most_rows(std::size_t bytes_per_row) {
  const std::size_t fit = kTileBytes / std::max<std::size_t>(bytes_per_row, 1);
  return std::clamp(fit, kLeastRows, kMostRows) / kRowStep * kRowStep;
}

inline Tiling cut(std::size_t batch, std::size_t most_rows, std::size_t n_parameters) {
  const std::size_t at_least = std::max<std::size_t>(1, ceil_div(batch, most_rows));
  const std::size_t rows =
      std::max(kRowStep, ceil_div(ceil_div(batch, at_least), kRowStep) * kRowStep);
  const std::size_t tiles = ceil_div(batch, rows);
  const std::size_t enough = n_parameters <= kSmallModel ? tiles : ceil_div(batch, kRowsPerLane);
  return {batch, rows, tiles, std::clamp<std::size_t>(std::min(enough, tiles), 1, kMostLanes)};
}

}  // namespace dcn
