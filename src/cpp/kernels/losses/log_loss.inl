// Binary log-loss of log-odds, summed over the C outputs.

// -log p(y) of a coin with log-odds z: max(z, 0) - z y + log(1 + exp(-|z|))
template <class T> DCN_INLINE Vec<T> cross_entropy(Vec<T> z, Vec<T> y) {
  const Vec<T> zero = broadcast(T(0)), size = max(z, zero - z);
  return max(z, zero) - z * y + log1p_small(exp(zero - size));
}

struct LogLoss {
  static constexpr const char *name = "log_loss", *function = "log_loss";
  static constexpr bool classes = false;

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C) {
    double loss = 0;
    for (std::size_t first = 0; first < Trows; first += kLanes<T>) {
      const Neighbours<T> some(rows, first, Trows);
      double entropies[kLanes<T>] = {};
      for (std::size_t c = 0; c < C; ++c) {
        T lanes[kLanes<T>];
        store(lanes, cross_entropy(some.logits(logits, C, c), some.targets(target, C, c)));
        for (std::size_t i = 0; i < some.n; ++i) entropies[i] += static_cast<double>(lanes[i]);
      }
      for (std::size_t i = 0; i < some.n; ++i)
        loss +=
            (weight != nullptr ? static_cast<double>(weight[some.rows[i]]) : 1.0) * entropies[i];
    }
    return loss;
  }

  // dLoss / dz = p - y
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale) {
    for (std::size_t first = 0; first < Trows; first += kLanes<T>) {
      const Neighbours<T> some(rows, first, Trows);
      for (std::size_t c = 0; c < C; ++c) {
        T lanes[kLanes<T>];
        store(lanes, sigmoid(some.logits(logits, C, c)) - some.targets(target, C, c));
        for (std::size_t i = 0; i < some.n; ++i) {
          const T factor = weight != nullptr ? scale * weight[some.rows[i]] : scale;
          dlogits[(first + i) * ld<T>(C) + c] = factor * lanes[i];
        }
      }
    }
  }
};
