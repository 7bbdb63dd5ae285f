// From columns of a caller to answers: the encoder, the network and what becomes of its logits.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/denormals.hpp"
#include "base/thread_pool.hpp"
#include "capi/answers.hpp"
#include "capi/encoder.hpp"
#include "network/network.hpp"

namespace dcn {

class Scorer {
 public:
  virtual ~Scorer() = default;
  // out (n, size of the answers). A row's answers do not depend on the other rows, nor on threads.
  virtual void score(double* out, const dcnfast_column* columns, std::size_t n,
                     std::size_t n_threads) const = 0;
};

template <class T> class ScorerOf : public Scorer {
 public:
  ScorerOf(const Encoder& encoder, std::unique_ptr<Network<T>> network, const Answers& answers)
      : encoder_(encoder), network_(std::move(network)), answers_(answers) {}

  void score(double* out, const dcnfast_column* columns, std::size_t n,
             std::size_t n_threads) const override {
    encoder_.check(columns, n, static_cast<double>(std::numeric_limits<T>::max()));
    Chunk chunk(*this, std::min(n, kRows), n_threads);
    for (std::size_t first = 0; first < n; first += kRows) {
      chunk.first = first;
      chunk.rows = std::min(kRows, n - first);
      encode(chunk, columns, n_threads);
      for (std::size_t i = 0; i < chunk.items.size(); ++i) {
        encoder_.lists()[i].encode(chunk.items[i], columns, first, chunk.rows);
        chunk.lists[i] = chunk.items[i].view();
      }
      network_->predict(chunk.logits.data(), chunk.table(0, chunk.rows), n_threads);
      answer(chunk, out + first * answers_.size(), n_threads);
    }
  }

 private:
  static constexpr std::size_t kRows = std::size_t{1} << 14;  // of a chunk
  static constexpr std::size_t kBlock = 128;                  // rows that a thread takes at a time

  // Rows on their way, and what threads work in.
  struct Chunk {
    Chunk(const ScorerOf& of, std::size_t most, std::size_t n_threads)
        : F(of.encoder_.n_fields()), M(of.encoder_.n_numbers()),
          width(of.encoder_.scales().columns.width()), C(of.answers_.n_logits()),
          scratch(std::max(std::min(most, kBlock) * M, C)), ids(most * F), dense(most * width),
          logits(most * C), items(of.encoder_.lists().size()), lists(items.size()),
          numbers(scratch * most_slots(n_threads, (most + kBlock - 1) / kBlock)) {}

    // n rows from row i on
    Table<T> table(std::size_t i, std::size_t n) const {
      return {ids.data() + i * F, dense.data() + i * width, nullptr, nullptr, n, {lists.data(), i}};
    }
    std::size_t blocks() const { return (rows + kBlock - 1) / kBlock; }

    std::size_t F, M, width, C, scratch;
    std::size_t first = 0, rows = 0;
    std::vector<std::int32_t> ids;  // (rows, F)
    std::vector<T> dense, logits;   // (rows, width), (rows, C)
    std::vector<ListItems<T>> items;
    std::vector<Lists<T>> lists;
    std::vector<double> numbers;  // (slots, scratch)
  };

  void encode(Chunk& chunk, const dcnfast_column* columns, std::size_t n_threads) const {
    parallel_for(n_threads, chunk.blocks(), [&](std::size_t block, std::size_t slot) {
      const KeepDenormals table;  // as Python encodes
      const std::size_t begin = block * kBlock, end = std::min(begin + kBlock, chunk.rows);
      double* const numbers = chunk.numbers.data() + slot * chunk.scratch;
      for (std::size_t i = begin; i < end; ++i)
        encoder_(chunk.ids.data() + i * chunk.F, numbers + (i - begin) * chunk.M, columns,
                 chunk.first + i);
      encoder_.scales().columns(chunk.dense.data() + begin * chunk.width, numbers, end - begin,
                                chunk.M, 1);
    });
  }

  void answer(Chunk& chunk, double* out, std::size_t n_threads) const {
    for (std::size_t i = 0; i < chunk.rows; ++i)
      if (!is_finite(chunk, i)) predict_nearer(chunk, i);
    parallel_for(n_threads, chunk.blocks(), [&](std::size_t block, std::size_t slot) {
      const KeepDenormals table;
      const std::size_t begin = block * kBlock, end = std::min(begin + kBlock, chunk.rows);
      double* const logits = chunk.numbers.data() + slot * chunk.scratch;
      for (std::size_t i = begin; i < end; ++i) {
        std::copy_n(chunk.logits.data() + i * chunk.C, chunk.C, logits);
        answers_(out + i * answers_.size(), logits);
      }
    });
  }

  static bool is_finite(const Chunk& chunk, std::size_t i) {
    const T* const logits = chunk.logits.data() + i * chunk.C;
    return std::all_of(logits, logits + chunk.C, [](T z) { return std::isfinite(z); });
  }

  // A polynomial of far-away numbers: as at the border of the rows that training saw.
  void predict_nearer(Chunk& chunk, std::size_t i) const {
    T *const dense = chunk.dense.data() + i * chunk.width, *const logits =
                                                               chunk.logits.data() + i * chunk.C;
    encoder_.scales().clip(dense);
    network_->predict(logits, chunk.table(i, 1), 1);
    constexpr T kMost = std::numeric_limits<T>::max();
    for (std::size_t c = 0; c < chunk.C; ++c)
      logits[c] = std::isnan(logits[c]) ? T(0) : std::clamp(logits[c], -kMost, kMost);
  }

  const Encoder& encoder_;
  std::unique_ptr<Network<T>> network_;
  const Answers& answers_;
};

}  // namespace dcn
