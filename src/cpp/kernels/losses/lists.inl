// Losses that rank: of lists of rows, not of rows. What each pair of rows adds is computed twice,
// once for each of the two: sums then run over the list in its order on every instruction set.

struct LossOfLists {
  static constexpr bool classes = false;
  static std::size_t n_classes(std::size_t) { return 0; }
  static std::size_t target_width(std::size_t, std::size_t) { return 1; }
  template <class T> static constexpr decltype(LossKernels<T>::forward) forward = nullptr;
  template <class T> static constexpr decltype(LossKernels<T>::backward) backward = nullptr;

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    combine_means(out, logits, Trows, E, C);
  }
};

// total + the first n lanes
template <class T> DCN_INLINE double add_lanes_of(double total, Vec<T> values, std::size_t n) {
  T lanes[kLanes<T>];
  store(lanes, values);
  for (std::size_t i = 0; i < n; ++i) total += static_cast<double>(lanes[i]);
  return total;
}

// The weighted mean over the pairs of rows with different gains of log(1 + exp(s_worse - s_better));
// f(i, at) are the weights of the pairs of row i and those of the vector at `at`. 0 without pairs.
template <class T, class F>
DCN_INLINE double mean_over_pairs(T* slopes, const T* scores, const T* gains, std::size_t n,
                                  const F& f) {
  const Vec<T> zero = broadcast(T(0)), one = broadcast(T(1));
  double loss = 0, weights = 0;
  for (std::size_t at = 0; at < n; at += kLanes<T>) {
    const Vec<T> s = load(scores + at), g = load(gains + at);
    Vec<T> slope = zero, lost = s - s, weight = zero;  // NaN if any score is not finite
    for (std::size_t i = 0; i < n; ++i) {
      const Vec<T> g_i = broadcast(gains[i]), above = s - broadcast(scores[i]);
      const Vec<T> x = where_greater(g_i, g, above, zero - above);  // the worse above the better
      const Vec<T> e = exp(zero - max(x, zero - x)), w = f(i, at);
      const Vec<T> p = w * (where_greater(zero, x, e, one) / (one + e));
      slope = slope + where_greater(g_i, g, p, where_greater(g, g_i, zero - p, zero));
      const Vec<T> cost = w * (max(zero, x) + log1p_small(e));
      lost = lost + where_greater(g_i, g, cost, zero);
      weight = weight + where_greater(g_i, g, w, zero);
    }
    store(slopes + at, slope);
    const std::size_t left = in_vector<T>(n - at);
    loss = add_lanes_of(loss, lost, left);
    weights = add_lanes_of(weights, weight, left);
  }
  const double mean = weights > 0 ? 1 / weights : 0;
  const Vec<T> factor = broadcast(static_cast<T>(mean));
  for (std::size_t at = 0; at < n; at += kLanes<T>)
    store(slopes + at, load(slopes + at) * factor);
  return weights > 0 ? loss * mean : loss;
}
