// Buffers, pieces of them, and how a batch is cut.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <numeric>
#include <vector>

#include "base/buffer.hpp"
#include "check.hpp"
#include "base/each_tile.hpp"

namespace {

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 64 == 0; }

}  // namespace

TEST(buffer_is_aligned_and_zero) {
  for (const std::size_t size : {0, 1, 15, 16, 17, 1000}) {
    const dcn::Buffer<float> buffer(size);
    CHECK(buffer.size() == size);
    CHECK(aligned(buffer.data()));
    for (std::size_t i = 0; i < size; ++i) CHECK(buffer.data()[i] == 0.0F);
  }
  CHECK(dcn::Buffer<double>().data() == nullptr);
}

// Large ones may be the memory of those before.
TEST(buffer_is_zero_again) {
  constexpr std::size_t kNumbers = std::size_t{3} << 20;
  for (const std::size_t size : {kNumbers, kNumbers, kNumbers - 1000, 2 * kNumbers, kNumbers}) {
    dcn::Buffer<float> buffer(size), other(size);
    CHECK(buffer.data() != other.data());
    for (dcn::Buffer<float>* b : {&buffer, &other}) {
      CHECK(aligned(b->data()));
      float* end = b->data() + size;
      CHECK(std::all_of(b->data(), end, [](float x) { return x == 0.0F; }));
      std::fill(b->data(), end, 1.0F);
    }
  }
}

TEST(buffer_too_large_is_bad_alloc) {
  bool thrown = false;
  try {
    const dcn::Buffer<double> buffer(std::numeric_limits<std::size_t>::max() / 8);
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  CHECK(thrown);
}

TEST(carver_counts_what_it_hands_out) {
  dcn::Carver<float> count;
  for (const std::size_t size : {1, 16, 17, 0}) CHECK(count.take(size) == nullptr);
  CHECK(count.used() == 16 + 16 + 32 + 0);
  dcn::Buffer<float> memory(count.used());
  dcn::Carver<float> carver(memory.data());
  for (const std::size_t size : {1, 16, 17}) CHECK(aligned(carver.take(size)));
  CHECK(carver.used() == count.used());
}

TEST(rows_are_an_odd_number_of_cache_lines) {
  for (std::size_t width = 0; width < 200; ++width) {
    CHECK(dcn::ld<float>(width) >= dcn::padded<float>(width));
    CHECK(dcn::padded<float>(width) >= width && dcn::padded<float>(width) < width + 16);
    CHECK(dcn::ld<float>(width) / 16 % 2 == 1 && dcn::ld<double>(width) / 8 % 2 == 1);
  }
}

TEST(tiling_covers_every_row_once) {
  for (const std::size_t n_parameters : {36, 1 << 20})
    for (const std::size_t most : {std::size_t{12}, dcn::kLeastRows, dcn::kMostRows})
      for (const std::size_t batch : {0, 1, 11, 12, 13, 191, 192, 193, 1000, 3073, 70001}) {
        const dcn::Tiling cut = dcn::cut(batch, most, n_parameters);
        CHECK(cut.rows >= 1 && cut.rows <= most);
        CHECK(cut.shards >= 1 && cut.shards <= dcn::kMostShards);
        CHECK(cut.first_tile(0) == 0 && cut.first_tile(cut.shards) == cut.tiles);
        std::size_t row = 0;
        for (std::size_t shard = 0; shard < cut.shards; ++shard)
          for (std::size_t i = cut.first_tile(shard); i < cut.first_tile(shard + 1); ++i) {
            CHECK(cut.first_row(i) == row && cut.n_rows(i) >= 1);
            row += cut.n_rows(i);
          }
        CHECK(row == batch);
      }
}

TEST(tiling_takes_fewer_rows_of_wide_models) {
  CHECK(dcn::most_rows(0, 0) == dcn::kMostRows);
  CHECK(dcn::most_rows(1, 1 << 30) == dcn::kMostRows);
  CHECK(dcn::most_rows(1 << 30, 0) == dcn::kLeastRows);
  CHECK(dcn::most_rows(1 << 30, 1 << 30) == dcn::kLeastRowsOfLarge);
  CHECK(dcn::most_rows(dcn::kTileBytes / 170, 0) == 168);  // the multiple of 12 below
}

TEST(tiling_gives_each_shard_as_many_tiles) {
  for (const std::size_t n_parameters :
       {std::size_t{36}, std::size_t{200'000}, std::size_t{1} << 22})
    for (const std::size_t batch : {256, 1000, 1024, 4096, 8192}) {
      const dcn::Tiling cut = dcn::cut(batch, dcn::kLeastRowsOfLarge, n_parameters);
      CHECK(cut.shards > 1);
      CHECK(cut.tiles % cut.shards == 0 || cut.tiles > 8 * cut.shards);
    }
}

TEST(tiling_leaves_no_second_thread_idle_in_small_batches) {
  const std::size_t large = 300'000;
  CHECK(dcn::cut(dcn::kTwoShards, dcn::kLeastRowsOfLarge, large).shards == 2);
  CHECK(dcn::cut(dcn::kTwoShards - 1, dcn::kLeastRowsOfLarge, large).shards == 1);
  CHECK(dcn::cut(64, dcn::kLeastRowsOfLarge, large, 4).shards == 2);
  CHECK(dcn::cut(64, dcn::kLeastRowsOfLarge, large, 2).shards == 1);
}

TEST(tiling_runs_the_tiles_of_a_shard_in_their_order) {
  for (const std::size_t batch : {0, 1, 1000, 70001})
    for (const std::size_t threads : {1, 2, 5})
      for (const bool by_tile : {false, true}) {
        dcn::Tiling cut = dcn::cut(batch, dcn::kLeastRows, 36);
        if (by_tile) cut = cut.by_tile();
        // a workspace is one thread's: what it counts adds up to the number of tiles
        auto workspaces = dcn::make_workspaces(cut, threads, [] { return std::size_t{0}; });
        CHECK(workspaces.size() <= threads);
        std::vector<std::size_t> rows(cut.tiles, 0), next(std::max<std::size_t>(cut.shards, 1), 0);
        std::vector<char> wrong(cut.tiles, 0);
        dcn::each_tile(cut, threads, workspaces, [&](const dcn::Tile& tile, std::size_t& count) {
          ++count;
          const bool begins = tile.number == cut.first_tile(tile.shard);
          const std::size_t want = begins ? tile.number : next[tile.shard];
          wrong[tile.number] = tile.number != want || tile.begins_shard != begins ||
                               tile.first != cut.first_row(tile.number);
          next[tile.shard] = tile.number + 1;
          rows[tile.number] += tile.rows;
        });
        CHECK(std::accumulate(workspaces.begin(), workspaces.end(), std::size_t{0}) == cut.tiles);
        CHECK(std::accumulate(rows.begin(), rows.end(), std::size_t{0}) == batch);
        CHECK(std::count(wrong.begin(), wrong.end(), 0) == static_cast<std::ptrdiff_t>(cut.tiles));
      }
}
