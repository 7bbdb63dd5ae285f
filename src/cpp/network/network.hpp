// The whole model: a list of kernel calls forward, the same list reversed backward.
#pragma once

#include <cstdint>
#include <memory>

#include "dispatch/cpu.hpp"
#include "network/branches.hpp"
#include "network/cross/cross.hpp"
#include "network/deep.hpp"
#include "base/denormals.hpp"
#include "network/embedding.hpp"
#include "network/head.hpp"
#include "training/optimizer.hpp"
#include "network/shared_products.hpp"
#include "base/stopwatch.hpp"
#include "base/tiling.hpp"

namespace dcn {

// One tile's activations and scratch, carved from one buffer.
template <class T> struct Workspace {
  Buffer<T> memory;
  T* x0 = nullptr;                      // (T,D)
  std::unique_ptr<CrossTile<T>> cross;  // null without cross layers
  std::vector<DeepTile<T>> deep;        // one a branch
  T* logits = nullptr;                  // (T,C)
  T* dlogits = nullptr;                 // (T,C)
  T* dxL = nullptr;                     // (T,D)
  T* dx0 = nullptr;                     // (T,D), where there are embeddings
  std::vector<HeadInput<T>> head;
  std::vector<Shared<T>> shared;    // as Network::first_layers
  StageSeconds* seconds = nullptr;  // where this thread's time goes, if anybody asks

  T* xL() const { return cross != nullptr ? cross->xL : x0; }
};

// A table in memory. Rows are picked by number, so a shuffle copies nothing.
template <class T> struct Table {
  const std::int32_t* ids = nullptr;  // (N,F)
  const T* dense = nullptr;           // (N,M)
  const T* target = nullptr;  // (N,C), for softmax (N) with class numbers; null for prediction
  const T* weight = nullptr;  // (N) or null
  std::size_t size = 0;       // N
};

enum class Stop : int { finished, not_finite, interrupted };

struct EpochResult {
  double loss;            // mean objective over the rows seen
  std::size_t n_batches;  // that were applied
  Stop stop;
};

template <class T> class Network {
 public:
  explicit Network(const NetworkConfig& config);

  const NetworkConfig& config() const noexcept { return config_; }
  const Layout& layout() const noexcept { return layout_; }
  const T* parameters() const noexcept { return parameters_.data(); }
  // What predictions use: the running averages where they are kept, else the parameters.
  const T* averages() const noexcept {
    return averages_.size() > 0 ? averages_.data() : parameters_.data();
  }
  const T* gradients() const noexcept { return gradients_.data(); }
  const T* first_moments() const noexcept { return m_.data(); }
  const T* second_moments() const noexcept { return v_.data(); }
  std::uint64_t step() const noexcept { return step_; }

  // The averages start anew from the values.
  void set_parameters(const T* values);
  void set_averages(const T* values);
  // moments (size) each, and the number of steps they come from
  void set_optimizer(const T* m, const T* v, std::uint64_t step);

  // logits (N,C), dense and unpadded. A row's logits do not depend on the other rows.
  void predict(T* logits, const Table<T>& table, std::size_t n_threads) const;
  // The same for one row again and again, in a workspace that the caller keeps: no allocation, no
  // thread.
  Workspace<T> row_workspace() const { return make_workspace(1, false); }
  void predict_row(T* logits, Workspace<T>& workspace, const std::int32_t* ids,
                   const T* dense) const;
  // Weighted mean loss over the table, without the penalty.
  double evaluate(const Table<T>& table, std::size_t n_threads) const;
  // Fills gradients() with those of the mean loss over the given rows, without the penalty, at
  // parameters(); returns that loss. rows (n)
  double compute_gradients(const Table<T>& table, const std::int64_t* rows, std::size_t n,
                           std::uint64_t seed, std::size_t n_threads);
  // One pass over `order` (n) in batches. A batch whose loss is not finite is not applied and ends
  // the pass; so does interrupted(context), asked between batches. The seed is dropout's.
  EpochResult train_epoch(const Table<T>& table, const std::int64_t* order, std::size_t n,
                          std::size_t batch_size, const AdamOptions& adam, std::uint64_t seed,
                          std::size_t n_threads, bool (*interrupted)(void*), void* context);

  void set_sharing(const Sharing& sharing) noexcept { shared_.set_sharing(sharing); }
  std::size_t shared_fields() const noexcept { return shared_.fields(); }  // of the last batch

  // Seconds of all threads together in each stage of training, from now on.
  void start_timing();
  StageSeconds stage_seconds() const;

  // of everything but the tables, whose gradients take no lanes
  std::size_t dense_size() const noexcept { return dense_size_; }
  Tiling tiling(std::size_t batch) const noexcept { return cut(batch, most_rows_, dense_size_); }

 private:
  struct Chunk {
    std::size_t begin, size;
    double l2;
  };
  // Rows of one tile: count numbers of rows of the table (null: the first), at first in the batch.
  struct Rows {
    const std::int64_t* numbers;
    std::size_t first, count;
  };
  // Forward and backward at the parameters, until the end of the scope. Then, whatever happened,
  // and without an allocation that could fail: rows that missed steps of this optimizer (null: no
  // steps were taken) take them, and predictions are made from the averages again.
  class Training {
   public:
    explicit Training(Network& network, const AdamOptions* adam = nullptr,
                      std::size_t n_threads = 1) noexcept
        : network_(network), adam_(adam), n_threads_(n_threads) {
      network_.use(network_.kernels(), network_.parameters(), 1);
    }
    ~Training() {
      const KernelTable<T>& k = network_.kernels();
      if (adam_ != nullptr)
        network_.embedding_.flush(k, network_.state(), network_.history(*adam_), n_threads_);
      if (network_.averages_.size() > 0) network_.use(k, network_.averages(), 1);
    }
    Training(const Training&) = delete;
    Training& operator=(const Training&) = delete;

   private:
    Network& network_;
    const AdamOptions* adam_;
    std::size_t n_threads_;
  };
  const KernelTable<T>& kernels() const noexcept {
    const IsaKernels& isa = active_isa();
    return table_of<T>(config_.deterministic == Deterministic::isa ? with_fused_fma(isa) : isa);
  }
  Layout make_layout();
  std::size_t bytes_per_row() const;
  std::size_t largest_weights() const;  // numbers of a matrix
  std::vector<DeepPart<T>> make_branches() const;
  std::vector<std::size_t> head_widths() const;
  std::vector<FirstLayer<T>> first_layers() const;  // of the cross part, of each branch
  Workspace<T> make_workspace(std::size_t rows, bool backward) const;
  void carve(Workspace<T>& ws, Carver<T>& carver, std::size_t rows, bool backward) const;
  void connect_head(Workspace<T>& ws) const;

  // What is to be packed from these parameters. Allocates the first time, in the constructor.
  void list_packings(const KernelTable<T>& k, const T* parameters);
  // Forward and backward read weights packed from, and tables in, these parameters.
  void use(const KernelTable<T>& k, const T* parameters, std::size_t n_threads) noexcept;
  // of the dense parameters: few of them are sooner moved than threads are woken
  bool worth_threads() const noexcept { return dense_size_ > kChunk; }
  void forward(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table, const Rows& rows,
               const DropoutAt& dropout) const;
  double loss(const KernelTable<T>& k, const Workspace<T>& ws, const Table<T>& table,
              const Rows& rows) const;
  void backward(const KernelTable<T>& k, Workspace<T>& ws, T* gradients, const Table<T>& table,
                const Rows& rows, const DropoutAt& dropout, T scale);

  // Forward and backward over all tiles; leaves one sum of gradients per lane, and the tables'
  // in embedding_. Returns the loss sum.
  double accumulate(const KernelTable<T>& k, const Table<T>& table, const std::int64_t* rows,
                    std::size_t n, std::uint64_t seed, std::size_t n_threads);
  // Adds up the lanes and moves the parameters; returns the penalty before the move.
  double update(const KernelTable<T>& k, std::size_t n, const AdamOptions& adam,
                std::size_t n_threads);
  // Tells a tile from this row of the batch on what is shared.
  void share(Workspace<T>& ws, std::size_t row);
  RowHistory history(const AdamOptions& adam) const noexcept;
  TableState<T> state() noexcept;
  void reserve(const Tiling& tiling, std::size_t n_threads);
  template <class F> void each_tile(const Tiling& cut, std::size_t n_threads, F&& f) const;

  NetworkConfig config_;
  Topology topology_;
  std::unique_ptr<Cross<T>> cross_;  // null without cross layers
  std::vector<DeepPart<T>> deep_;    // one a branch
  Head<T> head_;
  EmbeddingPart<T> embedding_;
  std::size_t dense_size_ = 0;  // of all but the tables
  Layout layout_;
  SharedProducts<T> shared_;
  std::size_t most_rows_;  // of a tile
  Buffer<T> parameters_, averages_, gradients_, m_, v_;
  const T* in_use_ = nullptr;  // parameters or averages
  std::uint64_t step_ = 0;
  std::vector<Chunk> chunks_;
  Packings<T> packings_;
  // training only
  std::vector<double> step_sizes_;  // since epoch_start_, for rows that miss steps
  std::uint64_t epoch_start_ = 0;
  Buffer<T> lane_gradients_;  // (lanes, stride)
  std::vector<double> lane_losses_, penalties_;
  std::vector<Workspace<T>> slots_;  // one a thread
  bool timed_ = false;
  std::vector<StageSeconds> seconds_;  // one a thread, the first also of what no tile does
  std::size_t slot_rows_ = 0;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace dcn
