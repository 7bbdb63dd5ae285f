// Stage 8: one pass over the flat buffers, and over the touched rows of the tables. An optimizer is
// a struct of `move`, which moves some numbers, and of `missed_steps`, which makes up for the steps
// that a row was not looked at; if it is `by_row`, of `move_row`, which moves a row of a table. A
// new one is a file and an entry of the list.
#include "kernels/optimizers/adam.inl"
#include "kernels/optimizers/adamw.inl"
#include "kernels/optimizers/adagrad.inl"
#include "kernels/optimizers/rowwise_adagrad.inl"
#include "kernels/optimizers/sgd.inl"

using Optimizers = KindList<Adam, AdamW, Adagrad, RowwiseAdagrad, Sgd>;

template <class T, class Kind>
double update_all(T* parameters, T* m, T* v, const T* g, std::size_t n, OptimizerStep<T> step) {
  const Vec<T> l2 = broadcast(step.l2);
  Vec<T> squares = broadcast(T(0));
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t left = n - i < kLanes<T> ? n - i : kLanes<T>;
    squares = squares + Kind::move(parameters + i, m + i, v + i, g + i, left, l2, step);
  }
  return static_cast<double>(sum(squares));
}

template <class T, class Kind>
DCN_INLINE Vec<T> move_row(T* parameters, T* m, T* v, const T* g, std::size_t K, Vec<T> l2,
                           const OptimizerStep<T>& step) {
  if constexpr (Kind::by_row) {
    return Kind::move_row(parameters, m, v, g, K, l2, step);
  } else {
    Vec<T> squares = broadcast(T(0));
    for (std::size_t k = 0; k < K; k += kLanes<T>) {
      const std::size_t left = K - k < kLanes<T> ? K - k : kLanes<T>;
      squares = squares + Kind::move(parameters + k, m + k, v + k, g + k, left, l2, step);
    }
    return squares;
  }
}

template <class T, class Kind>
double update_rows(T* table, T* m, T* v, const T* g, const std::uint32_t* rows,
                   const std::uint32_t* counts, std::size_t U, std::size_t K,
                   OptimizerStep<T> step) {
  double total = 0;
  for (std::size_t u = 0; u < U; ++u, g += K) {
    const std::size_t at = static_cast<std::size_t>(rows[u]) * K;
    const T count = counts != nullptr ? static_cast<T>(counts[u]) : T(1);
    const Vec<T> squares =
        move_row<T, Kind>(table + at, m + at, v + at, g, K, broadcast(step.l2 * count), step);
    total += static_cast<double>(count) * static_cast<double>(sum(squares));
  }
  return total;
}

template <class T, class Kind>
void catch_up_rows(T* table, T* m, T* v, T* average, std::uint32_t* last, const std::uint32_t* rows,
                   std::size_t U, std::size_t K, RowHistory history) {
  for (std::size_t u = 0; u < U; ++u) {
    const std::size_t row = rows != nullptr ? rows[u] : u, at = row * K;
    std::uint64_t step = last[row];
    if (step >= history.now) continue;
    T* mean = average != nullptr ? average + at : nullptr;
    if (history.exact)
      step = Kind::missed_steps(table + at, m + at, v + at, mean, step, K, history);
    if (mean != nullptr && step < history.now) {
      const double kept = average_kept(history.ema_decay, static_cast<double>(step),
                                       static_cast<double>(history.now));
      average_update(mean, table + at, K, static_cast<T>(1 - kept));
    }
    last[row] = static_cast<std::uint32_t>(history.now);
  }
}

template <class T> OptimizerStep<T> step_of(const RowHistory& history, std::uint64_t missed) {
  return {.step_size = static_cast<T>(history.step_sizes[missed]),
          .beta_1 = static_cast<T>(history.beta_1),
          .beta_2 = static_cast<T>(history.beta_2),
          .epsilon = static_cast<T>(history.epsilon),
          .rest_1 = static_cast<T>(1 - history.beta_1),
          .rest_2 = static_cast<T>(1 - history.beta_2),
          .l2 = static_cast<T>(history.l2),
          .kept = static_cast<T>(history.kept[missed]),
          .nesterov = history.nesterov};
}

// Rows that take a step together: a step of one row waits for its last, those of others do not.
inline constexpr std::size_t kRowsTogether = 16;

template <class T, class Kind>
double replay_rows(T* table, T* m, T* v, T* average, std::uint32_t* last, const std::uint32_t* rows,
                   const T* zeros, std::size_t U, std::size_t K, RowHistory history) {
  double total = 0;
  for (std::size_t begin = 0; begin < U; begin += kRowsTogether) {
    const std::size_t n = U - begin < kRowsTogether ? U - begin : kRowsTogether;
    std::size_t row[kRowsTogether];
    std::uint64_t now = history.now;
    for (std::size_t u = 0; u < n; ++u) {
      row[u] = rows != nullptr ? rows[begin + u] : begin + u;
      if (last[row[u]] < now) now = last[row[u]];
    }
    for (; now < history.now; ++now) {
      const OptimizerStep<T> step = step_of<T>(history, now - history.first_step);
      const double at = static_cast<double>(now);
      const T rest = static_cast<T>(1 - average_kept(history.ema_decay, at, at + 1));
      Vec<T> squares = broadcast(T(0));
      for (std::size_t u = 0; u < n; ++u) {
        if (last[row[u]] > now) continue;
        const std::size_t from = row[u] * K;
        squares = squares + move_row<T, Kind>(table + from, m + from, v + from, zeros, K,
                                              broadcast(step.l2), step);
        if (average != nullptr) average_update(average + from, table + from, K, rest);
      }
      total += history.counts[now - history.first_step] * static_cast<double>(sum(squares));
    }
    for (std::size_t u = 0; u < n; ++u) last[row[u]] = static_cast<std::uint32_t>(history.now);
  }
  return total;
}

template <class T, class List> struct OptimizerTable;
template <class T, class... Kind> struct OptimizerTable<T, KindList<Kind...>> {
  static constexpr OptimizerKernels<T> kernels[] = {{.name = Kind::name,
                                                     .corrects_bias = Kind::corrects_bias,
                                                     .update = update_all<T, Kind>,
                                                     .update_rows = update_rows<T, Kind>,
                                                     .catch_up_rows = catch_up_rows<T, Kind>,
                                                     .replay_rows = replay_rows<T, Kind>}...};
};
