// Stage 8: one pass over the flat buffers, and over the touched rows of the tables.

template <class T>
void reduce_lanes(T* g, const T* lanes, std::size_t stride, std::size_t n_lanes, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t left = n - i < kLanes<T> ? n - i : kLanes<T>;
    Vec<T> total = load_partial(lanes + i, left);
    for (std::size_t lane = 1; lane < n_lanes; ++lane)
      total = total + load_partial(lanes + lane * stride + i, left);
    store_partial(g + i, total, left);
  }
}

// Kingma and Ba 2015, end of section 2: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
// p -= step m / (sqrt(v) + eps) with step = lr sqrt(1 - b2^t) / (1 - b1^t).
// Moves `left` numbers and returns their squares before the move.
template <class T>
DCN_INLINE Vec<T> adam_move(T* parameters, T* m, T* v, const T* g, std::size_t left, Vec<T> l2,
                            const AdamStep<T>& step) {
  const Vec<T> p = load_partial(parameters, left);
  const Vec<T> gradient = fma(l2, p, load_partial(g, left));
  const Vec<T> mv =
      fma(broadcast(step.beta_1), load_partial(m, left), broadcast(step.rest_1) * gradient);
  const Vec<T> vv = fma(broadcast(step.beta_2), load_partial(v, left),
                        broadcast(step.rest_2) * gradient * gradient);
  const Vec<T> move = broadcast(step.step_size) * mv / (sqrt(vv) + broadcast(step.epsilon));
  store_partial(m, mv, left);
  store_partial(v, vv, left);
  store_partial(parameters, p - move, left);
  return p * p;
}

template <class T>
double adam_update(T* parameters, T* m, T* v, const T* g, std::size_t n, AdamStep<T> step) {
  const Vec<T> l2 = broadcast(step.l2);
  Vec<T> squares = broadcast(T(0));
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t left = n - i < kLanes<T> ? n - i : kLanes<T>;
    squares = squares + adam_move(parameters + i, m + i, v + i, g + i, left, l2, step);
  }
  return static_cast<double>(sum(squares));
}

template <class T> void average_update(T* average, const T* parameters, std::size_t n, T rest) {
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t left = n - i < kLanes<T> ? n - i : kLanes<T>;
    const Vec<T> a = load_partial(average + i, left);
    store_partial(average + i, fma(broadcast(rest), load_partial(parameters + i, left) - a, a),
                  left);
  }
}

template <class T>
double adam_update_rows(T* table, T* m, T* v, const T* g, const std::uint32_t* rows,
                        const std::uint32_t* counts, std::size_t U, std::size_t K,
                        AdamStep<T> step) {
  double total = 0;
  for (std::size_t u = 0; u < U; ++u, g += K) {
    const std::size_t at = static_cast<std::size_t>(rows[u]) * K;
    const T count = static_cast<T>(counts[u]);
    Vec<T> squares = broadcast(T(0));
    for (std::size_t k = 0; k < K; k += kLanes<T>) {
      const std::size_t left = K - k < kLanes<T> ? K - k : kLanes<T>;
      squares = squares + adam_move(table + at + k, m + at + k, v + at + k, g + k, left,
                                    broadcast(step.l2 * count), step);
    }
    total += static_cast<double>(count) * static_cast<double>(sum(squares));
  }
  return total;
}

// ---- rows that were not looked at for some steps

// The share of the old average that survives the steps a + 1 to b: the product of
// d_t = min(decay, (1 + t) / (10 + t)), TensorFlow's warm-up, which telescopes.
DCN_INLINE double average_kept(double decay, double a, double b) {
  const double full = (10 * decay - 1) / (1 - decay);  // from this step on d_t is decay
  double warm_end = b < full ? b : full;
  if (warm_end < a) warm_end = a;
  warm_end = ::floor(warm_end);
  double kept = 1;
  for (int k = 2; k <= 10; ++k) kept *= (a + k) / (warm_end + k);
  return kept * ::pow(decay, b - warm_end);
}

// The missed steps of dense Adam one by one, gradient 0: the moments decay and move the row. Ends
// early once the row no longer changes and never will again: from step t to the next a move grows
// by at most sqrt((t + 1) / t) beta_1 / sqrt(beta_2). What is left of the decay is a power.
template <class T>
std::uint64_t missed_steps(T* p, T* m, T* v, T* average, std::uint64_t last, std::size_t K,
                           const RowHistory& history) {
  const Vec<T> b1 = broadcast(static_cast<T>(history.beta_1));
  const Vec<T> b2 = broadcast(static_cast<T>(history.beta_2));
  const Vec<T> epsilon = broadcast(static_cast<T>(history.epsilon));
  const Vec<T> one = broadcast(T(1)), zero = broadcast(T(0));
  const double b1_squared = history.beta_1 * history.beta_1;
  std::uint64_t step = last;
  for (bool goes_on = true; step < history.now && goes_on; ++step) {
    const T size = static_cast<T>(history.step_sizes[step - history.first_step]);
    Vec<T> changed = zero;
    for (std::size_t k = 0; k < K; k += kLanes<T>) {
      const std::size_t n = K - k < kLanes<T> ? K - k : kLanes<T>;
      const Vec<T> mv = b1 * load_partial(m + k, n), vv = b2 * load_partial(v + k, n);
      const Vec<T> before = load_partial(p + k, n);
      const Vec<T> after = before - broadcast(size) * mv / (sqrt(vv) + epsilon);
      changed = changed + where_greater(before, after, one, zero) +
                where_greater(after, before, one, zero);
      store_partial(m + k, mv, n);
      store_partial(v + k, vv, n);
      store_partial(p + k, after, n);
    }
    const double t = static_cast<double>(step + 1);
    goes_on = sum(changed) > T(0) || b1_squared * (t + 1) >= history.beta_2 * t;
    if (average != nullptr) {
      const double at = static_cast<double>(step);
      average_update(average, p, K,
                     static_cast<T>(1 - average_kept(history.ema_decay, at, at + 1)));
    }
  }
  const double left = static_cast<double>(history.now - step);
  const T m_left = static_cast<T>(::pow(history.beta_1, left));
  const T v_left = static_cast<T>(::pow(history.beta_2, left));
  for (std::size_t k = 0; k < K; ++k) {
    m[k] *= m_left;
    v[k] *= v_left;
  }
  return step;
}

template <class T>
void catch_up_rows(T* table, T* m, T* v, T* average, std::uint32_t* last, const std::uint32_t* rows,
                   std::size_t U, std::size_t K, RowHistory history) {
  for (std::size_t u = 0; u < U; ++u) {
    const std::size_t row = rows != nullptr ? rows[u] : u, at = row * K;
    std::uint64_t step = last[row];
    if (step >= history.now) continue;
    T* mean = average != nullptr ? average + at : nullptr;
    if (history.exact) step = missed_steps(table + at, m + at, v + at, mean, step, K, history);
    if (mean != nullptr && step < history.now) {
      const double kept = average_kept(history.ema_decay, static_cast<double>(step),
                                       static_cast<double>(history.now));
      average_update(mean, table + at, K, static_cast<T>(1 - kept));
    }
    last[row] = static_cast<std::uint32_t>(history.now);
  }
}
