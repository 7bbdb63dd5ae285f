// Log-loss of C labels of 0 and 1, summed over those that a row has: a missing one is NaN.

struct MultiLabel : LossOfNumbers {
  static constexpr const char *name = "multi_label", *function = "multi_label_loss";
  static constexpr const char* constants = "none, or a weight for each label, not negative";
  static bool takes(const double* weights, std::size_t n, std::size_t C) {
    return (n == 0 || n == C) && none_negative(weights, n);
  }

  // value times the weight of the label, 0 where that is missing
  template <class T>
  static DCN_INLINE Vec<T> counted(Vec<T> y, Vec<T> value, std::size_t c, LossOptions<T> options) {
    const Vec<T> weight = broadcast(options.n > 0 ? options.constants[c] : T(1));
    return where_greater(y, broadcast(T(-1)), weight * value, broadcast(T(0)));
  }

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T> options) {
    return sum_of_outputs(
        logits, target, weight, rows, Trows, C, [&](std::size_t c, Vec<T> z, Vec<T> y) {
          return counted(y, cross_entropy(z, smoothed(y, options.smoothing)), c, options);
        });
  }

  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T> options) {
    slopes_of_outputs(dlogits, logits, target, weight, rows, Trows, C, scale,
                      [&](std::size_t c, Vec<T> z, Vec<T> y) {
                        return counted(y, sigmoid(z) - smoothed(y, options.smoothing), c, options);
                      });
  }

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T> options) {
    LogLoss::combine(out, logits, Trows, E, C, options);
  }
};
