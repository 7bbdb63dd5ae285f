// Stage 6 of a network whose branches have losses of their own: their logits, and what comes back.
#include "network/branch_losses.hpp"

#include "network/network.hpp"

namespace dcn {

// The bias and the linear part are of both: 2 W_c c + r and 2 W_d d + r, whose mean predicts.
template <class T>
void Network<T>::branch_logits(const KernelTable<T>& k, Workspace<T>& ws, std::size_t rows) const {
  const std::size_t C = config_.n_outputs, n = config_.n_members * rows;
  T *cross = ws.branches[0].logits, *deep = ws.branches[1].logits;
  head_.forward_alone(k, {cross, deep}, ws.head, rows);
  for (std::size_t t = 0; t < n; ++t)
    for (std::size_t i = t * ld<T>(C); i < t * ld<T>(C) + C; ++i) {
      const T away = cross[i] - deep[i];
      cross[i] = ws.logits[i] + away;
      deep[i] = ws.logits[i] - away;
    }
}

template <class T>
void Network<T>::branch_losses(const KernelTable<T>& k, const Workspace<T>& ws,
                               const Table<T>& table, const TileRows& rows,
                               BranchLosses* sums) const {
  const std::size_t C = config_.n_outputs;
  for (std::size_t e = 0, at = 0; e < config_.n_members; ++e, at += rows.count * ld<T>(C)) {
    const auto loss = [&](const T* logits) {
      return k.losses[config_.loss].forward(logits + at, table.target, table.weight, rows.numbers,
                                            rows.count, C, loss_options(config_.label_smoothing));
    };
    sums[e] = {loss(ws.logits), loss(ws.branches[0].logits), loss(ws.branches[1].logits)};
  }
}

template <class T>
void Network<T>::branch_slopes(const KernelTable<T>& k, Workspace<T>& ws, const Table<T>& table,
                               const TileRows& rows, const BranchLosses* slopes, T scale) const {
  const std::size_t C = config_.n_outputs, E = config_.n_members, of_member = rows.count * ld<T>(C);
  T *both = ws.dlogits, *cross = ws.branches[0].dlogits, *deep = ws.branches[1].dlogits;
  for (std::size_t e = 0, at = 0; e < E; ++e, at += of_member) {
    const auto slope = [&](T* to, const T* logits, double factor) {
      if (factor == 0) return static_cast<void>(std::fill_n(to + at, of_member, T(0)));
      k.losses[config_.loss].backward(to + at, logits + at, table.target, table.weight,
                                      rows.numbers, rows.count, C,
                                      scale * static_cast<T>(factor / static_cast<double>(E)),
                                      loss_options(config_.label_smoothing));
    };
    slope(both, ws.logits, slopes[e].both);
    slope(cross, ws.branches[0].logits, slopes[e].cross);
    slope(deep, ws.branches[1].logits, slopes[e].deep);
  }
  // of W_c c, of W_d d, of the bias and the linear part
  for (std::size_t t = 0; t < E * rows.count; ++t)
    for (std::size_t i = t * ld<T>(C); i < t * ld<T>(C) + C; ++i) {
      const T own = both[i], c = cross[i], d = deep[i];
      both[i] = own + c + d;
      cross[i] = own + T(2) * c;
      deep[i] = own + T(2) * d;
    }
}

#define DCN_INSTANTIATE(T)                                                                        \
  template void Network<T>::branch_logits(const KernelTable<T>&, Workspace<T>&, std::size_t)      \
      const;                                                                                      \
  template void Network<T>::branch_losses(const KernelTable<T>&, const Workspace<T>&,             \
                                          const Table<T>&, const TileRows&, BranchLosses*) const; \
  template void Network<T>::branch_slopes(const KernelTable<T>&, Workspace<T>&, const Table<T>&,  \
                                          const TileRows&, const BranchLosses*, T) const;
DCN_INSTANTIATE(float)
DCN_INSTANTIATE(double)

}  // namespace dcn
