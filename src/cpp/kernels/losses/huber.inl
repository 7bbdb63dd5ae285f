// Huber's loss: the mean over the C outputs of e^2 / 2 within delta, delta (|e| - delta / 2)
// beyond.

struct Huber : LossOfNumbers {
  static constexpr const char *name = "huber", *function = "huber_loss";
  static constexpr const char* constants = "one finite number above 0, delta";
  static bool takes(const double* delta, std::size_t n, std::size_t) {
    return n == 1 && delta[0] > 0 && delta[0] - delta[0] == 0;
  }

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T> options) {
    const Vec<T> delta = broadcast(options.constants[0]), half = broadcast(T(0.5));
    return sum_of_outputs(logits, target, weight, rows, Trows, C,
                          [=](std::size_t, Vec<T> z, Vec<T> y) {
                            const Vec<T> size = max(z - y, y - z), near = min(size, delta);
                            return near * (size - half * near);
                          }) /
           static_cast<double>(C);
  }

  // the error, as far as delta; in this order NaN passes through
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T> options) {
    const Vec<T> delta = broadcast(options.constants[0]), below = broadcast(T(0)) - delta;
    slopes_of_outputs(
        dlogits, logits, target, weight, rows, Trows, C, scale / static_cast<T>(C),
        [=](std::size_t, Vec<T> z, Vec<T> y) { return min(delta, max(below, z - y)); });
  }

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    combine_means(out, logits, Trows, E, C);
  }
};
