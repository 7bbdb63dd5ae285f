// What training has beside the network: gradients, moments, the step, and what its batches work in.
// A network predicts without it; its parameters and averages are the network's own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/stopwatch.hpp"
#include "network/network.hpp"
#include "training/optimizer.hpp"
#include "training/table_training.hpp"

namespace dcn {

enum class Stop : int { finished, not_finite, interrupted };

struct EpochResult {
  double loss;            // mean objective over the rows seen
  std::size_t n_batches;  // that were applied
  Stop stop;
};

// What numbers of a step are multiplied by in each batch of an epoch; null for 1.
struct BatchFactors {
  const double* rate = nullptr;     // the learning rate
  const double* decay = nullptr;    // the weight decay
  const double* dropout = nullptr;  // the rates of dropout, at most 1
};

// How an order of n rows is cut into batches: of `size` rows each, or at `starts` (count + 1), from
// 0 to n, where they are given.
struct Batches {
  std::size_t n, size;
  const std::int64_t* starts = nullptr;
  std::size_t given = 0;

  std::size_t count() const noexcept { return starts != nullptr ? given : ceil_div(n, size); }
  std::size_t first(std::size_t i) const noexcept {
    return starts != nullptr ? static_cast<std::size_t>(starts[i]) : std::min(n, i * size);
  }
  std::size_t rows(std::size_t i) const noexcept { return first(i + 1) - first(i); }
};

// Some rows of a field's table.
struct RowNumbers {
  const std::int32_t* rows;
  std::size_t count;
};

template <class T> class TrainingState {
 public:
  // Of a network that outlives it.
  explicit TrainingState(Network<T>& network);

  const T* gradients() const noexcept { return gradients_.data(); }
  const T* first_moments() const noexcept { return m_.data(); }
  const T* second_moments() const noexcept { return v_.data(); }
  std::uint64_t step() const noexcept { return step_; }
  // moments (size) each, and the number of steps they come from
  void set_optimizer(const T* m, const T* v, std::uint64_t step);

  // Fills gradients() with those of the mean loss over the given rows, without the penalty, at the
  // network's parameters; returns that loss. rows (n)
  double compute_gradients(const Table<T>& table, const std::int64_t* rows, std::size_t n,
                           std::uint64_t seed, std::size_t n_threads);
  // One pass over an order of rows in batches. A batch whose loss is not finite is not applied and
  // ends the pass; so does interrupted(context), asked between batches. The seed is dropout's.
  EpochResult train_epoch(const Table<T>& table, const std::int64_t* order, const Batches& batches,
                          const OptimizerOptions& options, const BatchFactors& factors,
                          std::uint64_t seed, std::size_t n_threads, bool (*interrupted)(void*),
                          void* context);

  // ---- for a model that lives, in updating.cpp
  // Whether the other's network is this one, but for how many rows fields have.
  bool takes(const TrainingState& other) const;
  // Copies parameters, averages, moments, step and prior of such a state; of the tables all rows
  // that both have, or if any are given those alone, for each field.
  void take_over(const TrainingState& other, const std::vector<RowNumbers>& rows);
  // These rows of a field's tables begin as its row 0 is, without moments, and held at nothing.
  void begin_rows(std::size_t field, const RowNumbers& rows);
  // Of the first n rows of a field's tables those with count 0 get row 0 if that was seen, else the
  // mean of the others.
  void settle(std::size_t field, const std::int64_t* counts, std::size_t n);
  // What parameters are held at and how much, each as flat as they are.
  void set_prior(const T* anchor, const T* fisher);
  bool has_prior() const noexcept { return prior_ != nullptr; }
  // Writes both, each as flat as the parameters, with zeros for rows that are not held.
  void get_prior(T* anchor, T* fisher) const;
  // Adds to out, as flat as the parameters: of each batch of an order of n rows the squares of the
  // gradients of its rows' loss, all over n. Without dropout. False if interrupted(context) was.
  bool fisher(T* out, const Table<T>& table, const std::int64_t* order, const Batches& batches,
              std::size_t n_threads, bool (*interrupted)(void*), void* context);

  void set_sharing(const Sharing& sharing) noexcept { shared_.set_sharing(sharing); }
  std::size_t shared_fields() const noexcept { return shared_.fields(); }  // of the last batch

  // Seconds of all threads together in each stage of training, from now on.
  void start_timing();
  StageSeconds stage_seconds() const;

 private:
  // Parameters that one task moves.
  struct Chunk {
    std::size_t begin, size;
    double l2;
    Role role;
  };
  // Forward and backward at the parameters, until the end of the scope. Then, whatever happened,
  // and without an allocation that could fail: rows that missed steps of this optimizer (null: no
  // steps were taken) take them, and predictions are made from the averages again.
  class AtParameters {
   public:
    explicit AtParameters(TrainingState& training, const OptimizerOptions* options = nullptr,
                          std::size_t n_threads = 1) noexcept
        : training_(training), options_(options), n_threads_(n_threads) {
      training_.network_.use_parameters(1);
    }
    ~AtParameters() {
      if (options_ != nullptr)
        training_.tables_.flush(training_.network_.kernels(), training_.table_state(),
                                training_.history(*options_), n_threads_);
      training_.network_.use_averages();
    }
    AtParameters(const AtParameters&) = delete;
    AtParameters& operator=(const AtParameters&) = delete;

   private:
    TrainingState& training_;
    const OptimizerOptions* options_;
    std::size_t n_threads_;
  };

  // Forward and backward over all tiles; leaves one sum of gradients per shard, and the tables'
  // in tables_. Returns the loss sum.
  double accumulate(const KernelTable<T>& k, const Table<T>& table, const std::int64_t* rows,
                    std::size_t n, std::uint64_t seed, double dropout_share, std::size_t n_threads);
  struct StepDropout {
    std::uint64_t seed;
    double share;
  };
  // What it does with the tiles: each forward and back; or where the loss ranks or branches have
  // losses, all forward, then the loss of the lists or of the batch, then all back.
  double accumulate_tiles(const KernelTable<T>& k, const Table<T>& table, const std::int64_t* rows,
                          const Tiling& cut, const StepDropout& of_step, std::size_t n_threads);
  double accumulate_lists(const KernelTable<T>& k, const Table<T>& table, const std::int64_t* rows,
                          const Tiling& cut, const StepDropout& of_step, std::size_t n_threads);
  double accumulate_branches(const KernelTable<T>& k, const Table<T>& table,
                             const std::int64_t* rows, const Tiling& cut,
                             const StepDropout& of_step, std::size_t n_threads);
  template <class Behind, class Loss, class Before>
  double accumulate_kept(const KernelTable<T>& k, const Table<T>& table, const std::int64_t* rows,
                         const Tiling& cut, const StepDropout& of_step, std::size_t n_threads,
                         const Behind& behind, const Loss& loss, const Before& before);
  // Adds up the shards and moves the parameters; returns the penalty before the move.
  double update(const KernelTable<T>& k, std::size_t n, const OptimizerOptions& options,
                std::size_t n_threads);
  // Adds up the shards of a chunk.
  void reduce(const KernelTable<T>& k, const Chunk& chunk, std::size_t n_shards) noexcept;
  // Adds up all shards, where their sum is wanted before anything moves.
  void reduce_all(const KernelTable<T>& k, std::size_t n_shards, std::size_t n_threads) noexcept;
  // What all gradients, which are added up, are to be multiplied by.
  double clip(const KernelTable<T>& k, double most, std::size_t n_threads) noexcept;
  // Tells a tile from this row of the batch on what is shared.
  void share(Workspace<T>& ws, std::size_t row);
  OfTables<RowHistory> history(const OptimizerOptions& options) const noexcept;
  TableState<T> table_state() noexcept;
  void reserve(const Tiling& tiling, std::size_t n_threads);
  void reserve(const Batches& batches, std::size_t n_threads);
  // f(where here, where there, how many) for what take_over copies
  template <class F>
  void each_piece(const TrainingState& from, const std::vector<RowNumbers>& rows, F&& f) const;

  Network<T>& network_;
  TableTraining<T> tables_;
  SharedProducts<T> shared_;
  std::size_t dense_size_;  // of all but the tables
  Buffer<T> gradients_, m_, v_;
  std::shared_ptr<const Prior<T>> prior_;  // null without; copies of this state share it
  FreeRows free_rows_;                     // of this state's own, empty where all rows are held
  std::uint64_t step_ = 0;
  struct Steps {
    std::vector<double> sizes, kept, counts;
    void begin(std::size_t most) {
      sizes.clear();
      kept.clear();
      counts.clear();
      sizes.reserve(most);
      kept.reserve(most);
      counts.reserve(most);
    }
    void add(const OptimizerOptions& options, std::uint64_t step, std::size_t count) {
      sizes.push_back(options.step_size(step));
      kept.push_back(options.kept());
      counts.push_back(static_cast<double>(count));
    }
  };
  OfTables<Steps> steps_;  // since epoch_start_, for rows that miss steps
  std::uint64_t epoch_start_ = 0;
  bool rising_ = false;  // learning rates of this epoch, somewhere
  std::vector<Chunk> chunks_;
  Buffer<T> shard_gradients_;  // (shards, stride)
  std::vector<double> shard_losses_, penalties_;
  std::vector<Workspace<T>> slots_;          // one a thread
  std::vector<Workspace<T>> tiles_;          // one a tile of a batch, where the network keeps them
  RankedLists<T> lists_;                     // of the batch
  std::vector<BranchLosses> branch_sums_;    // (tiles,E) of the batch
  std::vector<BranchLosses> branch_slopes_;  // (E)
  std::size_t slot_rows_ = 0;
  bool timed_ = false;
  std::vector<StageSeconds> seconds_;  // one a thread, the first also of what no tile does
};

extern template class TrainingState<float>;
extern template class TrainingState<double>;

}  // namespace dcn
