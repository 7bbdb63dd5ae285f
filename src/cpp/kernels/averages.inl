// Stage 8, whichever optimizer: sums of gradients before it, averages of parameters behind it.

template <class T>
void reduce_shards(T* g, const T* shards, std::size_t stride, std::size_t n_shards, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t left = n - i < kLanes<T> ? n - i : kLanes<T>;
    Vec<T> total = load_partial(shards + i, left);
    for (std::size_t shard = 1; shard < n_shards; ++shard)
      total = total + load_partial(shards + shard * stride + i, left);
    store_partial(g + i, total, left);
  }
}

template <class T> void average_update(T* average, const T* parameters, std::size_t n, T rest) {
  for (std::size_t i = 0; i < n; i += kLanes<T>) {
    const std::size_t left = n - i < kLanes<T> ? n - i : kLanes<T>;
    const Vec<T> a = load_partial(average + i, left);
    store_partial(average + i, fma(broadcast(rest), load_partial(parameters + i, left) - a, a),
                  left);
  }
}

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
