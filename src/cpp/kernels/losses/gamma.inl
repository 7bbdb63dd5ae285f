// Gamma deviance of positive numbers by the log of their mean, halved and without what only the
// numbers decide, summed over the C outputs.

struct Gamma : LossOfNumbers {
  static constexpr const char *name = "gamma", *function = "gamma_loss";

  // z + y exp(-z)
  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T>) {
    return sum_of_outputs(
        logits, target, weight, rows, Trows, C,
        [](std::size_t, Vec<T> z, Vec<T> y) { return fma(y, exp(broadcast(T(0)) - z), z); });
  }

  // dLoss / dz = 1 - y exp(-z)
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T>) {
    slopes_of_outputs(dlogits, logits, target, weight, rows, Trows, C, scale,
                      [](std::size_t, Vec<T> z, Vec<T> y) {
                        return broadcast(T(1)) - y * exp(broadcast(T(0)) - z);
                      });
  }

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    combine_logs(out, logits, Trows, E, C);
  }
};
