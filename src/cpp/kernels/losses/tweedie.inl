// Tweedie deviance of power p in (1, 2) by the log of the mean, halved and without what only the
// numbers decide, summed over the C outputs.

struct Tweedie : LossOfNumbers {
  static constexpr const char *name = "tweedie", *function = "tweedie_loss";
  static constexpr const char* constants = "one number between 1 and 2, the power";
  static bool takes(const double* p, std::size_t n, std::size_t) {
    return n == 1 && p[0] > 1 && p[0] < 2;
  }

  // exp((2 - p) z) / (2 - p) + y exp((1 - p) z) / (p - 1)
  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T> options) {
    const T p = options.constants[0];
    const Vec<T> up = broadcast(T(2) - p), down = broadcast(T(1) - p);
    return sum_of_outputs(logits, target, weight, rows, Trows, C,
                          [=](std::size_t, Vec<T> z, Vec<T> y) {
                            return exp(up * z) / up - y * exp(down * z) / down;
                          });
  }

  // dLoss / dz = exp((2 - p) z) - y exp((1 - p) z)
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T> options) {
    const T p = options.constants[0];
    const Vec<T> up = broadcast(T(2) - p), down = broadcast(T(1) - p);
    slopes_of_outputs(
        dlogits, logits, target, weight, rows, Trows, C, scale,
        [=](std::size_t, Vec<T> z, Vec<T> y) { return exp(up * z) - y * exp(down * z); });
  }

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    combine_logs(out, logits, Trows, E, C);
  }
};
