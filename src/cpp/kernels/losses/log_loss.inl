// Binary log-loss of log-odds, summed over the C outputs.

// -log p(y) of a coin with log-odds z: max(z, 0) - z y + log(1 + exp(-|z|))
template <class T> DCN_INLINE Vec<T> cross_entropy(Vec<T> z, Vec<T> y) {
  const Vec<T> zero = broadcast(T(0)), size = max(z, zero - z);
  return max(z, zero) - z * y + log1p_small(exp(zero - size));
}

// (1 - s) y + s / 2
template <class T> DCN_INLINE Vec<T> smoothed(Vec<T> y, T smoothing) {
  return fma(y, broadcast(T(1) - smoothing), broadcast(T(0.5) * smoothing));
}

struct LogLoss : LossOfNumbers {
  static constexpr const char *name = "log_loss", *function = "log_loss";

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T> options) {
    return sum_of_outputs(logits, target, weight, rows, Trows, C,
                          [&](std::size_t, Vec<T> z, Vec<T> y) {
                            return cross_entropy(z, smoothed(y, options.smoothing));
                          });
  }

  // dLoss / dz = p - y, with the smoothed y
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T> options) {
    slopes_of_outputs(dlogits, logits, target, weight, rows, Trows, C, scale,
                      [&](std::size_t, Vec<T> z, Vec<T> y) {
                        return sigmoid(z) - smoothed(y, options.smoothing);
                      });
  }

  // log-odds of the mean of the probabilities: of each class the log is added up, so that none is
  // rounded to 0 or 1
  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    const auto log_p = [](Vec<T> z) {
      const Vec<T> zero = broadcast(T(0)), size = max(z, zero - z);
      return min(z, zero) - log1p_small(exp(zero - size));
    };
    combine_vectors(out, logits, Trows, C, [&](const auto& member) {
      const Vec<T> zero = broadcast(T(0));
      LogSum<T> p(log_p(member(0))), q(log_p(zero - member(0)));
      for (std::size_t e = 1; e < E; ++e) {
        p.add(log_p(member(e)));
        q.add(log_p(zero - member(e)));
      }
      return p.value(E) - q.value(E);
    });
  }
};
