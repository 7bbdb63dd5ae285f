// The whole model: a list of kernel calls forward, the same list reversed backward.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "dispatch/cpu.hpp"
#include "network/branch_losses.hpp"
#include "network/branches.hpp"
#include "network/cross/cross.hpp"
#include "network/deep.hpp"
#include "base/denormals.hpp"
#include "network/embedding.hpp"
#include "network/head.hpp"
#include "network/ranked_lists.hpp"
#include "network/members.hpp"
#include "network/numeric/numeric.hpp"
#include "base/stopwatch.hpp"
#include "base/tiling.hpp"

namespace dcn {

// One tile's activations and scratch, carved from one buffer. With several members T is E rows for
// each row of the tile but in x, dx and combined.
template <class T> struct Workspace {
  Buffer<T> memory;
  T* x = nullptr;                       // (T,D), before scales; x0 without any
  T* x0 = nullptr;                      // (T,D)
  T* wide = nullptr;                    // (T,wide_columns), where x has not all of them
  std::unique_ptr<CrossTile<T>> cross;  // null without cross layers
  std::vector<DeepTile<T>> deep;        // one a branch
  T* logits = nullptr;                  // (T,C)
  T* dlogits = nullptr;                 // (T,C)
  T* dxL = nullptr;                     // (T,D)
  T* dx0 = nullptr;                     // (T,D), where there is something to learn before it
  T* dx = nullptr;                      // (T,D), as x
  T* combined = nullptr;                // (T,C), logits of the mean of the members
  T* numeric_sums = nullptr;            // of a shard, see NumericEmbedding
  T* dr = nullptr;                      // scratch (E,padded(D))
  struct OfBranch {
    T *logits = nullptr, *dlogits = nullptr;  // (T,C)
  };
  std::array<OfBranch, 2> branches;  // cross part and deep part, if they have losses
  std::vector<HeadInput<T>> head;
  std::vector<Shared<T>> shared;    // as Network::first_layers
  StageSeconds* seconds = nullptr;  // where this thread's time goes, if anybody asks

  T* xL() const { return cross != nullptr ? cross->xL : x0; }
  // logits (T,C) that predict
  T* answer() const { return combined != nullptr ? combined : logits; }
};

// A table in memory. Rows are picked by number, so a shuffle copies nothing.
template <class T> struct Table {
  const std::int32_t* ids = nullptr;  // (N,F)
  const T* dense = nullptr;           // (N, M + 2 J)
  const T* target = nullptr;  // (N,Y), of losses of classes (N) with their numbers; null if unknown
  const T* weight = nullptr;  // (N) or null
  std::size_t size = 0;       // N
  ListColumns<T> lists = {};  // of the fields that are lists
  const std::int64_t* group = nullptr;  // (N) of losses that rank, else null
};

// Rows of one tile: count numbers of rows of the table (null: the first), at first in the batch.
struct TileRows {
  const std::int64_t* numbers;
  std::size_t first, count;
};

// Where backward leaves what the tables' gradients are made of: the gradients of the embedded
// columns (T,..) and of the logits (T,C), both without padding.
template <class T> struct TableGradients {
  T *dx, *dlogits;
};

// From so many bytes of all matrices on, one row alone reads those of a stored network in bfloat16:
// less stay in the cache of a core as they are.
inline constexpr std::size_t kHalvesFrom = 512 * 1024;

template <class T> class Network {
 public:
  explicit Network(const NetworkConfig& config) : Network(config, nullptr, 0, nullptr) {}
  // With `lent` parameters, such as those of a file in memory, it only predicts: it reads them
  // where they are, on a cache line, and they must stay. Without, they are its own, all zero.
  // Throws std::invalid_argument if they are not as many as the layout has.
  Network(const NetworkConfig& config, const T* lent, std::size_t size)
      : Network(config, lent, size, nullptr) {}
  // With stored tables, one for each that there is, it only predicts as well: its flat parameters
  // are its own, all zero, and end where the layout has the tables.
  Network(const NetworkConfig& config, const std::vector<StoredTable>& tables)
      : Network(config, nullptr, 0, &tables) {}

  const NetworkConfig& config() const noexcept { return config_; }
  const Layout& layout() const noexcept { return layout_; }
  const T* parameters() const noexcept { return lent_ != nullptr ? lent_ : parameters_.data(); }
  // What predictions use: the running averages where they are kept, else the parameters.
  const T* averages() const noexcept {
    return averages_.size() > 0 ? averages_.data() : parameters();
  }
  // Whether its parameters are lent, and stay what they are.
  bool lent() const noexcept { return lent_ != nullptr; }
  // Whether it only predicts.
  bool read_only() const noexcept { return lent() || stored_; }
  // of the flat parameters, in which stored tables are not
  std::size_t size() const noexcept { return stored_ ? dense_size_ : layout_.size(); }

  // The averages start anew from the values.
  void set_parameters(const T* values);
  void set_averages(const T* values);

  // logits (N,C), dense and unpadded. A row's logits do not depend on the other rows.
  void predict(T* logits, const Table<T>& table, std::size_t n_threads) const;
  // logits (N,E,C) of each member; predict has those of the mean of what they predict
  void predict_members(T* logits, const Table<T>& table, std::size_t n_threads) const;
  // The same for one row again and again, in a workspace that the caller keeps: no allocation, no
  // thread.
  Workspace<T> row_workspace() const { return make_workspace(1, false); }
  void predict_row(T* logits, Workspace<T>& workspace, const std::int32_t* ids, const T* dense,
                   const ListColumns<T>& lists = {}) const;
  // Weighted mean loss over the table, or its lists, without the penalty.
  double evaluate(const Table<T>& table, std::size_t n_threads) const;
  // of everything but the tables, whose gradients take no shards
  std::size_t dense_size() const noexcept { return dense_size_; }
  Tiling tiling(std::size_t batch) const noexcept {
    return cut(batch, most_rows_, dense_size_, config_.n_members);
  }

  // ---- for training: one tile forward and back, and the parameters to be moved
  const KernelTable<T>& kernels() const noexcept {
    const IsaKernels& isa = active_isa();
    return table_of<T>(config_.deterministic == Deterministic::isa ? with_fused_fma(isa) : isa);
  }
  Workspace<T> make_workspace(std::size_t rows, bool backward) const;
  std::vector<FirstLayer<T>> first_layers() const;  // of the cross part, of each branch
  // Whether these multiply rows of the tables as they are, so that equal ids have equal products.
  bool multiplies_rows() const noexcept {
    return !members_.multiplies() && !config_.collision_weights;
  }
  // ids, dense -> x0 (T,D): the first part of forward
  void stack(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table,
             const TileRows& rows) const;
  void take_wide(T* wide, const T* dense, const TileRows& rows) const;
  // logits of members -> those of the mean of what they predict, the answer of the workspace
  void combine_members(const KernelTable<T>& k, Workspace<T>& ws, std::size_t n) const;
  // The table without its first rows.
  Table<T> from_row(const Table<T>& table, std::size_t first) const;
  void forward(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table,
               const TileRows& rows, const DropoutAt& dropout) const;
  // Whether the loss is of lists of rows: `RankedLists` computes it, between all tiles' forward and
  // backward, and puts the gradients of the logits in the tiles' dlogits.
  bool ranks() const noexcept { return dcn::ranks(config_.loss); }
  // Whether its loss is of a whole batch, so that tiles keep their workspaces until it is known.
  bool keeps_tiles() const noexcept { return ranks() || config_.branch_loss; }
  // Of a network whose branches have losses: behind forward their logits, of a tile the sums of the
  // losses of each member (E), and before backward the gradients, which are then in the dlogits.
  void branch_logits(const KernelTable<T>& k, Workspace<T>& ws, std::size_t rows) const;
  void branch_losses(const KernelTable<T>& k, const Workspace<T>& ws, const Table<T>& table,
                     const TileRows& rows, BranchLosses* sums) const;
  void branch_slopes(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table,
                     const TileRows& rows, const BranchLosses* slopes, T scale) const;
  Ranking<T> ranking(const KernelTable<T>& k, const Table<T>& table) const noexcept {
    const LossKernels<T>& loss = k.losses[config_.loss];
    return {loss, loss.rule(loss_constants_.data(), loss_constants_.size()), table.target,
            table.weight};
  }
  // of smoothed targets, unlike evaluate
  double loss(const KernelTable<T>& k, const Workspace<T>& ws, const Table<T>& table,
              const TileRows& rows) const;
  // The first tile of a shard, and the last, whose gradients are then complete.
  void begin_shard(Workspace<T>& ws) const noexcept;
  void end_shard(const KernelTable<T>& k, Workspace<T>& ws, T* gradients) const noexcept;
  void backward(const KernelTable<T>& k, Workspace<T>& ws, T* gradients,
                const TableGradients<T>& tables, const Table<T>& table, const TileRows& rows,
                const DropoutAt& dropout, T scale) const;
  // Whether weights are tied, or stay 0: the gradients, added up, then go through `project`.
  bool projects() const noexcept { return cross_ != nullptr && cross_->projects(); }
  void project(T* gradients) const noexcept {
    if (cross_ != nullptr) cross_->project(gradients);
  }
  const EmbeddingPart<T>& embedding() const noexcept { return embedding_; }
  T* mutable_parameters() noexcept { return parameters_.data(); }
  // null where none are kept
  T* mutable_averages() noexcept { return averages_.size() > 0 ? averages_.data() : nullptr; }
  // Forward and backward at the parameters, as they are now, or at the averages.
  void use_parameters(std::size_t n_threads) noexcept { use(kernels(), parameters(), n_threads); }
  void use_averages() noexcept {
    if (averages_.size() > 0) use(kernels(), averages(), 1);
  }
  // Forward at what predicts, after parameters or averages have changed.
  void use_what_predicts() noexcept { use(kernels(), averages(), 1); }
  // of the dense parameters: few of them are sooner moved than threads are woken
  bool worth_threads() const noexcept { return dense_size_ > kChunk; }

 private:
  Network(const NetworkConfig& config, const T* lent, std::size_t size,
          const std::vector<StoredTable>* tables);
  Layout make_layout();
  std::size_t bytes_per_row() const;
  std::size_t largest_weights() const;  // numbers of a matrix
  std::vector<DeepPart<T>> make_branches() const;
  std::vector<std::size_t> head_widths() const;
  void carve(Workspace<T>& ws, Carver<T>& carver, std::size_t rows, bool backward) const;
  void connect_head(Workspace<T>& ws) const;
  void stack_backward(const KernelTable<T>& k, Workspace<T>& ws, T* gradients,
                      const TableGradients<T>& tables, const Table<T>& table,
                      const TileRows& rows) const;
  double evaluate_lists(const Table<T>& table, std::size_t n_threads) const;
  LossOptions<T> loss_options(double smoothing) const noexcept {
    return {static_cast<T>(smoothing), loss_constants_.data(), loss_constants_.size()};
  }

  // What is to be packed from these parameters. Allocates the first time, in the constructor.
  void list_packings(const KernelTable<T>& k, const T* parameters);
  // Makes room for what predicts alone reads, before anything is packed.
  void prepare_packings();
  // Forward and backward read weights packed from, and tables in, these parameters.
  void use(const KernelTable<T>& k, const T* parameters, std::size_t n_threads) noexcept;
  // f(kernels, workspace, tile), without what backward wants
  template <class F> void each_forward(const Tiling& cut, std::size_t n_threads, F&& f) const;

  NetworkConfig config_;
  Topology topology_;
  std::unique_ptr<Cross<T>> cross_;  // null without cross layers
  std::vector<DeepPart<T>> deep_;    // one a branch
  Head<T> head_;
  Dropout cross_dropout_;  // its stream follows those of the hidden layers
  std::size_t cross_stream_;
  EmbeddingPart<T> embedding_;
  std::unique_ptr<NumericEmbedding<T>> numeric_;  // null without embedded numbers
  Members<T> members_;
  std::vector<T> loss_constants_;
  std::size_t dense_size_ = 0;  // of all but the tables
  Layout layout_;
  std::size_t most_rows_;            // of a tile
  const T* lent_;                    // parameters of somebody else, or null
  bool stored_;                      // whether tables are not among them
  Buffer<T> parameters_, averages_;  // empty then
  const T* in_use_ = nullptr;        // parameters or averages
  Packings<T> packings_;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace dcn
