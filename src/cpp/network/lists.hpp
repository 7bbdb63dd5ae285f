// Stage 6 of losses that rank: rows of one group that stand together are a list, whose rows are
// compared with each other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "base/thread_pool.hpp"
#include "dispatch/kernel_table.hpp"

namespace dcn {

// Rows of a longer list are compared in parts, each of every so-many-th row: pairs grow with the
// square of the rows.
inline constexpr std::size_t kLongestList = 1024;

// A loss that ranks, and what its lists are made of: of each row the target and the weight (null
// for 1).
template <class T> struct Ranking {
  const LossKernels<T>& loss;
  ListRule rule;
  const T *target, *weight;
};

template <class T> class Lists {
 public:
  // The lists of n rows, of which the i-th is rows[i] of the table (null: i), of group[rows[i]].
  // Room for so many threads.
  void find(const std::int64_t* group, const std::int64_t* rows, std::size_t n,
            std::size_t n_threads);

  // The sum over lists and members of the loss, times the mean weight of the list's rows.
  // score(e, i) says what member e gave row i, slope(e, i, d) gets the gradient of the sum in it.
  template <class Score, class Slope>
  double losses(const Ranking<T>& ranking, const std::int64_t* rows, std::size_t E,
                std::size_t n_threads, const Score& score, const Slope& slope) noexcept {
    parallel_for(n_threads, tasks(), [&](std::size_t task, std::size_t slot) {
      const std::size_t end = std::min(pieces_.size(), (task + 1) * kListsOfATask);
      for (std::size_t i = task * kListsOfATask; i < end; ++i)
        sums_[i] = one(pieces_[i], ranking, rows, E, scratch_[slot], score, slope);
    });
    double total = 0;
    for (const double sum : sums_) total += sum;
    return total;
  }
  // The sum of the lists' weights.
  double weights(const T* weight, const std::int64_t* rows) const noexcept {
    double total = 0;
    for (const Piece& piece : pieces_) total += weight_of(piece, weight, rows);
    return total;
  }

 private:
  static constexpr std::size_t kListsOfATask = 8;

  // rows first, first + step, ...
  struct Piece {
    std::size_t first, step, n;
    std::size_t row(std::size_t i) const noexcept { return first + i * step; }
  };
  struct Scratch {
    Buffer<T> slopes, scores, gains, discounts;  // whole vectors
    std::vector<double> worth;
    std::vector<std::uint32_t> order;
  };

  std::size_t tasks() const noexcept {
    return (pieces_.size() + kListsOfATask - 1) / kListsOfATask;
  }
  static std::size_t number(const std::int64_t* rows, std::size_t i) noexcept {
    return rows == nullptr ? i : static_cast<std::size_t>(rows[i]);
  }
  static double weight_of(const Piece& piece, const T* weight, const std::int64_t* rows) noexcept;
  static void fill_gains(Scratch& scratch, const Piece& piece, const Ranking<T>& ranking,
                         const std::int64_t* rows) noexcept;
  static void fill_discounts(Scratch& scratch, std::size_t n, std::size_t k) noexcept;
  static bool all_finite(const T* numbers, std::size_t n) noexcept;

  template <class Score, class Slope>
  double one(const Piece& piece, const Ranking<T>& ranking, const std::int64_t* rows, std::size_t E,
             Scratch& scratch, const Score& score, const Slope& slope) noexcept {
    const double weight = weight_of(piece, ranking.weight, rows);
    fill_gains(scratch, piece, ranking, rows);
    double sum = 0;
    for (std::size_t e = 0; e < E; ++e) {
      T *scores = scratch.scores.data(), *slopes = scratch.slopes.data();
      for (std::size_t i = 0; i < piece.n; ++i) scores[i] = score(e, piece.row(i));
      if (ranking.rule.discounts && all_finite(scores, piece.n))  // NaN has no rank
        fill_discounts(scratch, piece.n, ranking.rule.k);
      sum += ranking.loss.list(slopes, scores, scratch.gains.data(), scratch.discounts.data(),
                               piece.n);
      for (std::size_t i = 0; i < piece.n; ++i)
        slope(e, piece.row(i), static_cast<T>(weight) * slopes[i]);
    }
    return weight * sum;
  }

  std::vector<Piece> pieces_;
  std::vector<double> sums_;
  std::vector<Scratch> scratch_;  // one a thread
};

extern template class Lists<float>;
extern template class Lists<double>;

}  // namespace dcn
