// The whole model: a list of kernel calls forward, the same list reversed backward.
#pragma once

#include <cstdint>
#include <memory>

#include "cpu.hpp"
#include "cross.hpp"
#include "deep.hpp"
#include "head.hpp"
#include "tiling.hpp"

namespace dcn {

// One tile's activations and scratch, carved from one buffer.
template <class T> struct Workspace {
  Buffer<T> memory;
  T* x0 = nullptr;  // (T,D)
  CrossTile<T> cross;
  DeepTile<T> deep;
  T* logits = nullptr;   // (T,C)
  T* dlogits = nullptr;  // (T,C)
  T* dxL = nullptr;      // (T,D)
};

// A table in memory. Rows are picked by number, so a shuffle copies nothing.
template <class T> struct Table {
  const T* dense = nullptr;   // (N,M)
  const T* target = nullptr;  // (N,C), for softmax (N) with class numbers; null for prediction
  const T* weight = nullptr;  // (N) or null
  std::size_t size = 0;       // N
};

struct AdamOptions {
  double learning_rate = 1e-3, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
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
  const T* gradients() const noexcept { return gradients_.data(); }
  const T* first_moments() const noexcept { return m_.data(); }
  const T* second_moments() const noexcept { return v_.data(); }
  std::uint64_t step() const noexcept { return step_; }

  void set_parameters(const T* values);
  // moments (size) each, and the number of steps they come from
  void set_optimizer(const T* m, const T* v, std::uint64_t step);

  // logits (N,C), dense and unpadded. A row's logits do not depend on the other rows.
  void predict(T* logits, const Table<T>& table, std::size_t n_threads) const;
  // Weighted mean loss over the table, without the penalty.
  double evaluate(const Table<T>& table, std::size_t n_threads) const;
  // Fills gradients() with those of the mean loss over the given rows, without the penalty; returns
  // that loss. rows (n)
  double compute_gradients(const Table<T>& table, const std::int64_t* rows, std::size_t n,
                           std::size_t n_threads);
  // One pass over `order` (n) in batches. A batch whose loss is not finite is not applied and ends
  // the pass; so does interrupted(context), asked between batches.
  EpochResult train_epoch(const Table<T>& table, const std::int64_t* order, std::size_t n,
                          std::size_t batch_size, const AdamOptions& adam, std::size_t n_threads,
                          bool (*interrupted)(void*), void* context);

  Tiling tiling(std::size_t batch) const noexcept { return cut(batch, most_rows_, layout_.size()); }

 private:
  struct Chunk {
    std::size_t begin, size;
    T l2;
  };
  std::size_t bytes_per_row() const;
  Workspace<T> make_workspace(std::size_t rows, bool backward) const;
  void carve(Workspace<T>& ws, Carver<T>& carver, std::size_t rows, bool backward) const;
  void forward(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table,
               const std::int64_t* rows, std::size_t n) const;
  double loss(const KernelTable<T>& k, const Workspace<T>& ws, const Table<T>& table,
              const std::int64_t* rows, std::size_t n) const;
  void backward(const KernelTable<T>& k, Workspace<T>& ws, T* gradients, const Table<T>& table,
                const std::int64_t* rows, std::size_t n, T scale) const;
  // Forward and backward over all tiles; leaves one sum of gradients per lane. Returns the loss
  // sum.
  double accumulate(const KernelTable<T>& k, const Table<T>& table, const std::int64_t* rows,
                    std::size_t n, std::size_t n_threads);
  // Adds up the lanes and moves the parameters; returns the penalty before the move.
  double update(const KernelTable<T>& k, std::size_t n_lanes, const AdamOptions& adam,
                std::size_t n_threads);
  void reserve(const Tiling& tiling, std::size_t n_threads);
  void pack(const KernelTable<T>& k);
  template <class F> void each_tile(const Tiling& cut, std::size_t n_threads, F&& f) const;

  NetworkConfig config_;
  Layout layout_;
  CrossPart<T> cross_;
  DeepPart<T> deep_;
  Head<T> head_;
  std::size_t most_rows_;  // of a tile
  Buffer<T> parameters_, gradients_, m_, v_;
  std::uint64_t step_ = 0;
  std::vector<Chunk> chunks_;
  // training only
  Buffer<T> lane_gradients_;  // (lanes, stride)
  std::vector<double> lane_losses_, penalties_;
  std::vector<Workspace<T>> slots_;  // one a thread
  std::size_t slot_rows_ = 0;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace dcn
