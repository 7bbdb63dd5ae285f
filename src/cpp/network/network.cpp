#include "network/network.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace dcn {

template <class T>
Network<T>::Network(const NetworkConfig& config, const T* lent, std::size_t size,
                    const std::vector<StoredTable>* tables)
    : config_(config), topology_(topology_of(config_)), cross_(make_cross<T>(config_)),
      deep_(make_branches()), head_(config_, head_widths(), config_.wide_columns()),
      cross_dropout_(config_.cross_dropout), cross_stream_(0), embedding_(config_),
      numeric_(make_numeric<T>(config_)), members_(config_),
      loss_constants_(config_.loss_constants.begin(), config_.loss_constants.end()),
      layout_(make_layout()), most_rows_(most_rows(bytes_per_row(), largest_weights() * sizeof(T))),
      lent_(lent), stored_(tables != nullptr), parameters_(lent != nullptr ? 0 : this->size()),
      averages_(!read_only() && config_.ema_decay > 0 ? layout_.size() : 0) {
  if (lent != nullptr && size != layout_.size())
    throw std::invalid_argument("Network: parameters are " + std::to_string(size) + ", want " +
                                std::to_string(layout_.size()));
  if (stored_) embedding_.store(*tables);
  for (const DeepPart<T>& branch : deep_) cross_stream_ += branch.layers();
  list_packings(kernels(), averages());
  prepare_packings();
  use(kernels(), averages(), 1);
}

// The order of the tensors in the flat buffers. Tables come last: they take no shards.
template <class T> Layout Network<T>::make_layout() {
  Layout layout;
  layout.begin(Part::numeric);
  if (numeric_ != nullptr) numeric_->add(layout);
  layout.begin(Part::members);
  members_.add(layout);
  layout.begin(Part::cross);
  if (cross_ != nullptr) cross_->add(layout);
  layout.begin(Part::deep);
  for (DeepPart<T>& branch : deep_) branch.add(layout);
  layout.begin(Part::head);
  head_.add(layout);
  dense_size_ = layout.size();
  layout.begin(Part::tables);
  embedding_.add(layout);
  return layout;
}

template <class T> void Network<T>::set_parameters(const T* values) {
  copy_without_denormals(parameters_, values);
  if (averages_.size() > 0) copy_without_denormals(averages_, values);
  use(kernels(), averages(), 1);
}

template <class T> void Network<T>::set_averages(const T* values) {
  if (averages_.size() > 0) copy_without_denormals(averages_, values);
  use(kernels(), averages(), 1);
}

template <class T> void Network<T>::list_packings(const KernelTable<T>& k, const T* parameters) {
  packings_.clear();
  if (cross_ != nullptr) cross_->pack(k, packings_, parameters);
  for (DeepPart<T>& branch : deep_) branch.pack(packings_, parameters);
  head_.pack(packings_, parameters);
}

// For one row the speed is that of the memory: weights of stored networks are read in bfloat16.
template <class T> void Network<T>::prepare_packings() {
  if (!read_only()) return;
  std::size_t bytes = 0;
  for (const Packing<T>& p : packings_) {
    p.matrix->only_forward();
    bytes += p.matrix->size() * sizeof(T);
  }
  for (const Packing<T>& p : packings_)
    if (stored_ && bytes >= kHalvesFrom) p.matrix->keep_halves();
}

template <class T>
void Network<T>::use(const KernelTable<T>& k, const T* parameters, std::size_t n_threads) noexcept {
  const FlushDenormals flush;
  in_use_ = parameters;
  list_packings(k, parameters);
  pack_all(k, packings_, worth_threads() ? n_threads : 1);
  if (!stored_) embedding_.point(parameters);
  if (numeric_ != nullptr) numeric_->prepare(k, parameters);
  members_.prepare(parameters);
}

// ---- what a tile needs

template <class T> std::vector<DeepPart<T>> Network<T>::make_branches() const {
  std::vector<DeepPart<T>> deep;
  std::size_t stream = 0;
  for (const Branch& branch : topology_.branches) {
    deep.emplace_back(config_, branch, stream);
    stream += branch.hidden.size();
  }
  return deep;
}

template <class T> std::vector<FirstLayer<T>> Network<T>::first_layers() const {
  std::vector<FirstLayer<T>> layers{cross_ != nullptr ? cross_->first_layer() : FirstLayer<T>{}};
  for (const DeepPart<T>& branch : deep_) layers.push_back(branch.first_layer());
  return layers;
}

template <class T> std::vector<std::size_t> Network<T>::head_widths() const {
  std::vector<std::size_t> widths;
  if (topology_.cross_to_head) widths.push_back(config_.width());
  for (const Branch& branch : topology_.branches) widths.push_back(branch.width());
  return widths;
}

template <class T> void Network<T>::connect_head(Workspace<T>& ws) const {
  const std::size_t D = config_.width();
  ws.head.clear();
  if (topology_.cross_to_head)
    ws.head.push_back({ws.xL(), cross_ != nullptr ? ws.dxL : ws.dx0, ld<T>(D)});
  for (std::size_t i = 0; i < deep_.size(); ++i)
    ws.head.push_back({ws.deep[i].hN(), ws.deep[i].dh, ld<T>(deep_[i].width())});
  const std::size_t n = config_.wide_columns();
  if (ws.wide != nullptr)
    ws.head.push_back({ws.wide, nullptr, ld<T>(n), false});
  else if (n > 0)
    ws.head.push_back({ws.x + embedding_.width(), nullptr, ld<T>(D), false});
}

template <class T>
void Network<T>::carve(Workspace<T>& ws, Carver<T>& carver, std::size_t rows, bool backward) const {
  const std::size_t base = rows * ld<T>(config_.width()), answers = rows * ld<T>(config_.n_outputs);
  const std::size_t E = config_.n_members, wide = E * base, narrow = E * answers;
  ws.x0 = carver.take(wide);
  ws.x = members_.multiplies() ? carver.take(base) : ws.x0;
  const std::size_t n = config_.wide_columns();
  ws.wide = n > config_.n_dense ? carver.take(rows * ld<T>(n)) : nullptr;
  rows *= E;
  if (cross_ != nullptr) ws.cross = cross_->carve(carver, ws.x0, rows);
  ws.deep.clear();
  for (const DeepPart<T>& branch : deep_)
    ws.deep.push_back(
        branch.carve(carver, branch.input() == BranchInput::x0 ? ws.x0 : ws.xL(), rows));
  ws.shared.resize(1 + deep_.size());
  ws.logits = carver.take(narrow);
  ws.combined = members_.several() ? carver.take(answers) : nullptr;
  if (backward) {
    ws.dlogits = carver.take(narrow);
    for (auto& branch : ws.branches)
      if (config_.branch_loss) branch = {carver.take(narrow), carver.take(narrow)};
    ws.dxL = carver.take(wide);
    const bool learns = embedding_.width() > 0 || numeric_ != nullptr || members_.multiplies();
    ws.dx0 = learns ? carver.take(wide) : nullptr;
    ws.dx = members_.multiplies() ? carver.take(base) : ws.dx0;
    ws.dr = members_.multiplies() ? carver.take(E * padded<T>(config_.width())) : nullptr;
    ws.numeric_sums = numeric_ != nullptr ? carver.take(numeric_->sums_size()) : nullptr;
  }
  connect_head(ws);
}

template <class T> std::size_t Network<T>::bytes_per_row() const {
  Workspace<T> ws;
  Carver<T> count;
  carve(ws, count, kRowStep, true);
  std::size_t of_shard = 0;  // does not grow with rows
  if (numeric_ != nullptr) of_shard += padded<T>(numeric_->sums_size());
  if (members_.multiplies()) of_shard += config_.n_members * padded<T>(config_.width());
  return (count.used() - of_shard) * sizeof(T) / (kRowStep * config_.n_members);
}

template <class T> std::size_t Network<T>::largest_weights() const {
  std::size_t most = cross_ != nullptr ? cross_->largest_weights() : 0;
  for (const DeepPart<T>& branch : deep_) most = std::max(most, branch.largest_weights());
  return most;
}

template <class T> Workspace<T> Network<T>::make_workspace(std::size_t rows, bool backward) const {
  Workspace<T> ws;
  Carver<T> count;
  carve(ws, count, rows, backward);
  ws.memory = Buffer<T>(count.used());
  Carver<T> carver(ws.memory.data());
  carve(ws, carver, rows, backward);
  return ws;
}

// ---- one tile: stages 2 to 6, and back

template <class T>
void Network<T>::stack(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table,
                       const TileRows& rows) const {
  const std::size_t n = rows.count;
  embedding_.forward(k, ws.x, table.ids, table.lists, rows.numbers, n);
  k.stack_forward(ws.x, table.dense, config_.dense_columns(), rows.numbers, n, config_.n_dense,
                  embedding_.width(), config_.width());
  if (numeric_ != nullptr) numeric_->forward(k, ws.x, table.dense, rows.numbers, n);
  if (ws.wide != nullptr) take_wide(ws.wide, table.dense, rows);
  if (members_.multiplies()) members_.forward(k, ws.x0, ws.x, n);
}

// dense (N, M + 2 J) -> the numbers that the linear part reads (T, M + J)
template <class T> void Network<T>::take_wide(T* wide, const T* dense, const TileRows& rows) const {
  const std::size_t M = config_.n_dense, J = config_.numeric_bins.size();
  for (std::size_t t = 0; t < rows.count; ++t, wide += ld<T>(M + J)) {
    const std::size_t number = rows.numbers != nullptr ? rows.numbers[t] : t;
    const T* row = dense + number * config_.dense_columns();
    std::copy_n(row, M, wide);
    for (std::size_t j = 0; j < J; ++j) wide[M + j] = row[M + 2 * j];
    std::fill(wide + M + J, wide + ld<T>(M + J), T(0));
  }
}

template <class T>
void Network<T>::forward(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table,
                         const TileRows& rows, const DropoutAt& dropout) const {
  Stopwatch watch(ws.seconds);
  stack(k, ws, table, rows);  // ids, dense -> x0 (T,D)
  watch.lap(Stage::embed);
  const std::size_t E = config_.n_members, n = rows.count * E;
  if (cross_ != nullptr) cross_->forward(k, *ws.cross, in_use_, n);  // x0 -> xL (T,D)
  if (cross_ != nullptr && cross_dropout_.drops(dropout))            // backward does not read xL
    cross_dropout_.apply(k, ws.xL(), ws.xL(), cross_stream_, dropout, n, config_.width());
  watch.lap(Stage::cross);
  for (std::size_t i = 0; i < deep_.size(); ++i)
    deep_[i].forward(k, ws.deep[i], in_use_, n, dropout);  // x0 or xL -> hN (T,H)
  watch.lap(Stage::deep);
  head_.forward(k, ws.logits, ws.head, rows.count);  // -> logits (T,C)
  for (std::size_t e = 0; e < E; ++e)
    embedding_.forward_wide(k, ws.logits + e * rows.count * ld<T>(config_.n_outputs), table.ids,
                            table.lists, rows.numbers, rows.count);
  watch.lap(Stage::combine);
}

template <class T>
double Network<T>::loss(const KernelTable<T>& k, const Workspace<T>& ws, const Table<T>& table,
                        const TileRows& rows) const {
  Stopwatch watch(ws.seconds);
  const std::size_t C = config_.n_outputs, E = config_.n_members;
  double sum = 0;
  for (std::size_t e = 0; e < E; ++e)
    sum += k.losses[config_.loss].forward(ws.logits + e * rows.count * ld<T>(C), table.target,
                                          table.weight, rows.numbers, rows.count, C,
                                          loss_options(config_.label_smoothing));
  watch.lap(Stage::loss);
  return sum / static_cast<double>(E);
}

// Null stands for a gradient that nobody asks for: of x0 where all columns are data, of xL where
// that is x0 itself.
template <class T>
void Network<T>::backward(const KernelTable<T>& k, Workspace<T>& ws, T* gradients,
                          const TableGradients<T>& tables, const Table<T>& table,
                          const TileRows& rows, const DropoutAt& dropout, T scale) const {
  const std::size_t C = config_.n_outputs, E = config_.n_members, n = rows.count * E;
  Stopwatch watch(ws.seconds);
  for (std::size_t e = 0, at = 0; e < E && !keeps_tiles(); ++e, at += rows.count * ld<T>(C))
    k.losses[config_.loss].backward(ws.dlogits + at, ws.logits + at, table.target, table.weight,
                                    rows.numbers, rows.count, C, scale / static_cast<T>(E),
                                    loss_options(config_.label_smoothing));
  watch.lap(Stage::loss_backward);
  if (config_.branch_loss)
    head_.backward_alone(k, gradients, ws.dlogits, {ws.branches[0].dlogits, ws.branches[1].dlogits},
                         ws.head, rows.count);
  else
    head_.backward(k, gradients, ws.dlogits, ws.head, rows.count);
  watch.lap(Stage::combine_backward);

  // What reads xL comes before the cross part, what reads x0 behind it. The first that reaches a
  // gradient begins it, the others add to it.
  bool begun = topology_.cross_to_head;
  const auto branches = [&](BranchInput input, T* dx) {
    for (std::size_t i = 0; i < deep_.size(); ++i) {
      if (deep_[i].input() != input) continue;
      deep_[i].backward(k, ws.deep[i], dx, begun, gradients, in_use_, n, dropout);
      begun = true;
    }
  };
  branches(BranchInput::xL, cross_ != nullptr ? ws.dxL : ws.dx0);
  watch.lap(Stage::deep_backward);
  if (cross_ != nullptr && cross_dropout_.drops(dropout))
    cross_dropout_.apply(k, ws.dxL, ws.dxL, cross_stream_, dropout, n, config_.width());
  if (cross_ != nullptr) cross_->backward(k, *ws.cross, ws.dx0, ws.dxL, gradients, in_use_, n);
  watch.lap(Stage::cross_backward);
  branches(BranchInput::x0, ws.dx0);
  watch.lap(Stage::deep_backward);
  stack_backward(k, ws, gradients, tables, table, rows);
  watch.lap(Stage::embed_backward);
}

template <class T>
void Network<T>::stack_backward(const KernelTable<T>& k, Workspace<T>& ws, T* gradients,
                                const TableGradients<T>& tables, const Table<T>& table,
                                const TileRows& rows) const {
  const std::size_t n = rows.count, C = config_.n_outputs, of_member = n * ld<T>(C);
  if (embedding_.wide()) {
    for (std::size_t at = of_member; at < config_.n_members * of_member; ++at)
      ws.dlogits[at % of_member] += ws.dlogits[at];  // the head is done with them
    k.unstack(tables.dlogits, ws.dlogits, ld<T>(C), n, C);
  }
  if (ws.dx0 == nullptr) return;
  if (members_.multiplies()) members_.backward(k, ws.dx, gradients, ws.dr, ws.dx0, ws.x, n);
  if (numeric_ != nullptr)
    numeric_->backward(k, ws.numeric_sums, ws.dx, ws.x, table.dense, rows.numbers, n);
  if (embedding_.width() > 0)
    k.unstack(tables.dx, ws.dx, ld<T>(config_.width()), n, embedding_.width());
}

template <class T> void Network<T>::begin_shard(Workspace<T>& ws) const noexcept {
  if (numeric_ != nullptr) std::fill_n(ws.numeric_sums, numeric_->sums_size(), T(0));
}

template <class T>
void Network<T>::end_shard(const KernelTable<T>& k, Workspace<T>& ws, T* gradients) const noexcept {
  if (numeric_ != nullptr) numeric_->collect(k, gradients, ws.numeric_sums);
}

template class Network<float>;
template class Network<double>;

}  // namespace dcn
