// Stages 7 and 8 for a whole batch: tiles into shards, shards into one gradient, one Adam pass over
// the dense parameters and one over the touched rows of the tables.
#include <algorithm>
#include <cmath>
#include <functional>

#include "training/training_state.hpp"

#include "base/each_tile.hpp"

namespace dcn {

// The first layers whose products equal ids share: those with rows of tables as they are.
template <class T> std::vector<FirstLayer<T>> shared_layers(const Network<T>& network) {
  std::vector<FirstLayer<T>> layers = network.first_layers();
  if (!network.multiplies_rows()) layers.assign(layers.size(), {});
  return layers;
}

template <class T>
TrainingState<T>::TrainingState(Network<T>& network)
    : network_(network), tables_(network.embedding(), network.config()),
      shared_(network.config().width(), shared_layers(network)), dense_size_(network.dense_size()),
      gradients_(network.layout().size()), m_(network.layout().size()),
      v_(network.layout().size()) {
  for (const Tensor& tensor : network_.layout().tensors())
    for (std::size_t at = 0; at < tensor.size && tensor.offset < dense_size_; at += kChunk)
      chunks_.push_back({tensor.offset + at, std::min(kChunk, tensor.size - at),
                         penalty(network_.config(), tensor.role), tensor.role});
  penalties_.resize(chunks_.size());
}

template <class T>
void TrainingState<T>::set_optimizer(const T* m, const T* v, std::uint64_t step) {
  copy_without_denormals(m_, m);
  copy_without_denormals(v_, v);
  step_ = step;
  tables_.set_step(step);
}

template <class T> void TrainingState<T>::reserve(const Tiling& cut, std::size_t n_threads) {
  const std::size_t wanted = cut.shards * padded<T>(dense_size_);
  if (shard_gradients_.size() < wanted) shard_gradients_ = Buffer<T>(wanted);
  shard_losses_.resize(std::max(shard_losses_.size(), cut.shards));
  tables_.reserve(cut.batch);
  // a smaller batch may have fewer shards and tiles, of more rows each: keep the most of all
  const std::size_t tasks = network_.keeps_tiles() ? cut.tiles : cut.shards;
  const std::size_t wanted_slots = std::max(slots_.size(), most_slots(n_threads, tasks));
  const std::size_t wanted_tiles = network_.keeps_tiles() ? std::max(tiles_.size(), cut.tiles) : 0;
  if (slot_rows_ < cut.rows) {
    slots_.clear();
    tiles_.clear();
  }
  slot_rows_ = std::max(slot_rows_, cut.rows);
  while (slots_.size() < wanted_slots) slots_.push_back(network_.make_workspace(slot_rows_, true));
  while (tiles_.size() < wanted_tiles) tiles_.push_back(network_.make_workspace(slot_rows_, true));
  if (timed_) seconds_.resize(std::max(seconds_.size(), slots_.size()));
}

template <class T> void TrainingState<T>::reserve(const Batches& batches, std::size_t n_threads) {
  std::size_t last = 0;
  for (std::size_t i = 0; i < batches.count(); ++i) {
    if (batches.rows(i) != last) reserve(network_.tiling(batches.rows(i)), n_threads);
    last = batches.rows(i);
  }
}

template <class T> void TrainingState<T>::start_timing() {
  timed_ = true;
  seconds_.assign(1, {});
}

template <class T> StageSeconds TrainingState<T>::stage_seconds() const {
  StageSeconds total{};
  for (const StageSeconds& one : seconds_)
    for (std::size_t stage = 0; stage < kStages; ++stage) total[stage] += one[stage];
  return total;
}

template <class T> void TrainingState<T>::share(Workspace<T>& ws, std::size_t row) {
  auto pointer = [&](std::size_t layer) -> const Shared<T>* {
    if (!shared_.shares(layer)) return nullptr;
    Shared<T>& part = ws.shared[layer];
    part = shared_.part(layer, row);
    return &part;
  };
  if (ws.cross != nullptr) ws.cross->shared = pointer(0);
  for (std::size_t i = 0; i < ws.deep.size(); ++i) ws.deep[i].shared = pointer(1 + i);
}

template <class T>
double TrainingState<T>::accumulate(const KernelTable<T>& k, const Table<T>& table,
                                    const std::int64_t* rows, std::size_t n, std::uint64_t seed,
                                    double dropout_share, std::size_t n_threads) {
  const Tiling cut = network_.tiling(n);
  const StepDropout dropout{seed, dropout_share};
  Stopwatch watch(timed_ ? &seconds_.front() : nullptr);
  if (!tables_.empty()) shared_.choose(tables_.batch_fields(), n);
  tables_.find_max_items(k, n_threads);
  shared_.forward(k, n_threads);
  watch.lap(Stage::embed);
  for (std::size_t slot = 0; slot < slots_.size(); ++slot)
    slots_[slot].seconds = timed_ ? &seconds_[slot] : nullptr;
  const auto accumulate = network_.ranks()                ? &TrainingState::accumulate_lists
                          : network_.config().branch_loss ? &TrainingState::accumulate_branches
                                                          : &TrainingState::accumulate_tiles;
  const double sum = (this->*accumulate)(k, table, rows, cut, dropout, n_threads);
  watch.restart();
  shared_.backward(k, shard_gradients_.data(), network_.parameters(), n_threads);
  watch.lap(Stage::embed_backward);
  return sum;
}

template <class T>
double TrainingState<T>::accumulate_tiles(const KernelTable<T>& k, const Table<T>& table,
                                          const std::int64_t* rows, const Tiling& cut,
                                          const StepDropout& of_step, std::size_t n_threads) {
  const std::size_t stride = padded<T>(dense_size_);
  const T scale = T(1) / static_cast<T>(cut.batch);
  each_tile(cut, n_threads, slots_, [&](const Tile& tile, Workspace<T>& ws) {
    T* gradients = shard_gradients_.data() + tile.shard * stride;
    double& sum = shard_losses_[tile.shard];
    if (tile.begins_shard) {
      std::fill_n(gradients, dense_size_, T(0));
      sum = 0;
      network_.begin_shard(ws);
    }
    const TileRows part{rows + tile.first, tile.first, tile.rows};
    share(ws, tile.first);
    const DropoutAt dropout{true, of_step.seed, step_ + 1, tile.first, tile.rows, of_step.share};
    network_.forward(k, ws, table, part, dropout);
    sum += network_.loss(k, ws, table, part);
    const TableGradients<T> of_tables{tables_.dx(tile.first), tables_.dlogits(tile.first)};
    network_.backward(k, ws, gradients, of_tables, table, part, dropout, scale);
    if (tile.ends_shard) network_.end_shard(k, ws, gradients);
  });
  double sum = 0;
  for (std::size_t shard = 0; shard < cut.shards; ++shard) sum += shard_losses_[shard];
  return sum;
}

template <class T>
OfTables<RowHistory> TrainingState<T>::history(const OptimizerOptions& options) const noexcept {
  const auto of = [&](const Steps& steps) -> RowHistory {
    return {.step_sizes = steps.sizes.data(),
            .kept = steps.kept.data(),
            .first_step = epoch_start_,
            .now = step_,
            .beta_1 = options.beta_1,
            .beta_2 = options.beta_2,
            .epsilon = options.epsilon,
            .exact = network_.config().sparse_adam == SparseAdam::exact,
            .ema_decay = network_.config().ema_decay,
            .optimizer = options.kind,
            .nesterov = options.nesterov,
            .rising = rising_,
            .l2 = network_.config().penalizes_all_rows() ? network_.config().alpha_embedding : 0,
            .counts = steps.counts.data()};
  };
  OfTables<RowHistory> all{of(steps_.embedding), of(steps_.linear), of(steps_.factor)};
  all.factor.l2 = 0;
  return all;
}

template <class T> TableState<T> TrainingState<T>::table_state() noexcept {
  return {network_.mutable_parameters(), m_.data(), v_.data(), network_.mutable_averages()};
}

template <class T>
void TrainingState<T>::reduce(const KernelTable<T>& k, const Chunk& chunk,
                              std::size_t n_shards) noexcept {
  k.reduce_shards(gradients_.data() + chunk.begin, shard_gradients_.data() + chunk.begin,
                  padded<T>(dense_size_), n_shards, chunk.size);
}

template <class T>
void TrainingState<T>::reduce_all(const KernelTable<T>& k, std::size_t n_shards,
                                  std::size_t n_threads) noexcept {
  parallel_for(network_.worth_threads() ? n_threads : 1, chunks_.size(),
               [&](std::size_t i, std::size_t) { reduce(k, chunks_[i], n_shards); });
  network_.project(gradients_.data());
}

// The norm is of the loss's gradients, without penalties, as in PyTorch, where weight decay comes
// with the optimizer.
template <class T>
double TrainingState<T>::clip(const KernelTable<T>& k, double most,
                              std::size_t n_threads) noexcept {
  parallel_for(
      network_.worth_threads() ? n_threads : 1, chunks_.size(), [&](std::size_t i, std::size_t) {
        penalties_[i] = sum_of_squares(gradients_.data() + chunks_[i].begin, chunks_[i].size);
      });
  double total = tables_.empty() ? 0 : tables_.squared_gradients(k, shared_, n_threads);
  for (const double square : penalties_) total += square;
  const double norm = std::sqrt(total);
  return norm > most ? most / norm : 1;
}

// Allocates nothing: once a batch has begun to move parameters, it moves all of them.
template <class T>
double TrainingState<T>::update(const KernelTable<T>& k, std::size_t n,
                                const OptimizerOptions& options, std::size_t n_threads) {
  Stopwatch watch(timed_ ? &seconds_.front() : nullptr);
  ++step_;
  const auto of_role = [&](Role role) { return options.of(role); };
  OfTables<OptimizerOptions> of_tables{of_role(Role::embedding), of_role(Role::linear_embedding),
                                       of_role(Role::collision_weight)};
  of_tables.factor.weight_decay = 0;
  steps_.embedding.add(of_tables.embedding, step_, n);
  steps_.linear.add(of_tables.linear, step_, n);
  steps_.factor.add(of_tables.factor, step_, n);
  const std::size_t n_shards = network_.tiling(n).shards;
  const bool clips = options.gradient_clip > 0, reduced = clips || network_.projects();
  if (reduced) reduce_all(k, n_shards, n_threads);
  const T scale = clips ? static_cast<T>(clip(k, options.gradient_clip, n_threads)) : T(1);
  const OptimizerKernels<T>& optimizer = k.optimizers[options.kind];
  std::array<OptimizerStep<T>, kRoles> steps;
  for (std::size_t role = 0; role < kRoles; ++role)
    steps[role] = of_role(static_cast<Role>(role))
                      .template step<T>(step_, 0, decays(static_cast<Role>(role)));
  const double average_rest = 1 - average_share(network_.config().ema_decay, step_);
  const T rest = static_cast<T>(average_rest);
  T* averages = network_.mutable_averages();
  const Prior<T>* prior = options.prior_strength > 0 ? prior_.get() : nullptr;
  const T strength = static_cast<T>(options.prior_strength);
  auto move = [&](std::size_t i, std::size_t) {
    const Chunk& c = chunks_[i];
    T *p = network_.mutable_parameters() + c.begin, *g = gradients_.data() + c.begin;
    OptimizerStep<T> own = steps[static_cast<std::size_t>(c.role)];
    own.l2 = static_cast<T>(c.l2);
    if (!reduced) reduce(k, c, n_shards);
    if (clips) multiply(g, c.size, scale);
    double pulled = 0;
    if (prior != nullptr)
      pulled = pull(g, p, prior->anchor.data() + c.begin, prior->fisher.data() + c.begin, c.size,
                    strength);
    const double squares =
        optimizer.update(p, m_.data() + c.begin, v_.data() + c.begin, g, c.size, own);
    if (averages != nullptr) k.average_update(averages + c.begin, p, c.size, rest);
    penalties_[i] = 0.5 * c.l2 * squares + pulled;
  };
  parallel_for(network_.worth_threads() ? n_threads : 1, chunks_.size(), move);
  double penalty = 0;
  for (const double p : penalties_) penalty += p;
  watch.lap(Stage::optimize);
  if (tables_.empty()) return penalty;
  const NetworkConfig& config = network_.config();
  const double l2 =
      config.alpha_embedding / (config.penalizes_all_rows() ? 1 : static_cast<double>(n));
  const OfTables<OptimizerStep<T>> rows{of_tables.embedding.step<T>(step_, l2),
                                        of_tables.linear.step<T>(step_, l2),
                                        of_tables.factor.step<T>(step_, 0)};
  penalty += tables_.update(k, shared_, table_state(), rows, history(options), average_rest, scale,
                            prior, free_rows_, strength, n_threads);
  watch.lap(Stage::optimize_tables);
  return penalty;
}

template <class T>
double TrainingState<T>::compute_gradients(const Table<T>& table, const std::int64_t* rows,
                                           std::size_t n, std::uint64_t seed,
                                           std::size_t n_threads) {
  const FlushDenormals flush;
  const KernelTable<T>& k = network_.kernels();
  reserve(network_.tiling(n), n_threads);
  const AtParameters scope(*this);
  tables_.touch(table.ids, table.lists, rows, n, n_threads);
  const double sum = accumulate(k, table, rows, n, seed, 1, n_threads);
  k.reduce_shards(gradients_.data(), shard_gradients_.data(), padded<T>(dense_size_),
                  network_.tiling(n).shards, dense_size_);
  network_.project(gradients_.data());
  tables_.gradients(k, shared_, gradients_.data(), n_threads);
  return sum / static_cast<double>(n);
}

template <class T>
EpochResult TrainingState<T>::train_epoch(const Table<T>& table, const std::int64_t* order,
                                          const Batches& batches, const OptimizerOptions& options,
                                          const BatchFactors& factors, std::uint64_t seed,
                                          std::size_t n_threads, bool (*interrupted)(void*),
                                          void* context) {
  const FlushDenormals flush;
  const KernelTable<T>& k = network_.kernels();
  reserve(batches, n_threads);
  for (Steps* steps : {&steps_.embedding, &steps_.linear, &steps_.factor})
    steps->begin(batches.count());  // what moves parameters must not throw
  epoch_start_ = step_;
  rising_ = factors.rate != nullptr &&
            !std::is_sorted(factors.rate, factors.rate + batches.count(), std::greater<>());
  const auto in_batch = [](const double* of, std::size_t i) { return of != nullptr ? of[i] : 1; };
  const AtParameters scope(*this, &options, n_threads);
  double total = 0;
  std::size_t seen = 0, n_batches = 0;
  Stop stop = Stop::finished;
  while (n_batches < batches.count()) {
    if (interrupted(context)) {
      stop = Stop::interrupted;
      break;
    }
    const std::size_t first = batches.first(n_batches), count = batches.rows(n_batches);
    Stopwatch watch(timed_ ? &seconds_.front() : nullptr);
    tables_.touch(table.ids, table.lists, order + first, count, n_threads);
    watch.lap(Stage::sort_ids);
    total += tables_.catch_up(k, table_state(), history(options), n_threads);
    watch.lap(Stage::optimize_tables);
    const double sum = accumulate(k, table, order + first, count, seed,
                                  in_batch(factors.dropout, n_batches), n_threads);
    if (!std::isfinite(sum)) {
      stop = Stop::not_finite;
      break;
    }
    OptimizerOptions now = options;
    now.learning_rate *= in_batch(factors.rate, n_batches);
    now.weight_decay *= in_batch(factors.decay, n_batches);
    const double penalty = update(k, count, now, n_threads);
    watch.restart();
    network_.use_parameters(n_threads);
    watch.lap(Stage::optimize);
    total += sum + penalty * static_cast<double>(count);
    seen += count;
    ++n_batches;
  }
  Stopwatch watch(timed_ ? &seconds_.front() : nullptr);
  total += tables_.flush(k, table_state(), history(options), n_threads);
  watch.lap(Stage::optimize_tables);
  return {seen == 0 ? 0 : total / static_cast<double>(seen), n_batches, stop};
}

template class TrainingState<float>;
template class TrainingState<double>;

}  // namespace dcn
