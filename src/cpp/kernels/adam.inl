// Stage 8: one pass over the flat buffers.

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
// p -= step m / (sqrt(v) + eps) with step = lr sqrt(1 - b2^t) / (1 - b1^t)
template <class T>
double adam_update(T* parameters, T* m, T* v, const T* g, std::size_t n, AdamStep<T> step) {
  const Vec<T> b1 = broadcast(step.beta_1), b2 = broadcast(step.beta_2);
  const Vec<T> rest1 = broadcast(T(1) - step.beta_1), rest2 = broadcast(T(1) - step.beta_2);
  Vec<T> squares = broadcast(T(0));
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t left = n - i < kLanes<T> ? n - i : kLanes<T>;
    const Vec<T> p = load_partial(parameters + i, left);
    const Vec<T> gradient = fma(broadcast(step.l2), p, load_partial(g + i, left));
    const Vec<T> mv = fma(b1, load_partial(m + i, left), rest1 * gradient);
    const Vec<T> vv = fma(b2, load_partial(v + i, left), rest2 * gradient * gradient);
    const Vec<T> move = broadcast(step.step_size) * mv / (sqrt(vv) + broadcast(step.epsilon));
    store_partial(m + i, mv, left);
    store_partial(v + i, vv, left);
    store_partial(parameters + i, p - move, left);
    squares = fma(p, p, squares);
  }
  return static_cast<double>(sum(squares));
}
