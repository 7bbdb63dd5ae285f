// Absolute error: the mean over the C outputs of |z - y|.

struct AbsoluteError : LossOfNumbers {
  static constexpr const char *name = "absolute_error", *function = "absolute_error";

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T>) {
    return sum_of_outputs(logits, target, weight, rows, Trows, C,
                          [](std::size_t, Vec<T> z, Vec<T> y) { return max(z - y, y - z); }) /
           static_cast<double>(C);
  }

  // 1 above the target, else -1; not a number where the error is none
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T>) {
    slopes_of_outputs(dlogits, logits, target, weight, rows, Trows, C, scale / static_cast<T>(C),
                      [](std::size_t, Vec<T> z, Vec<T> y) {
                        const Vec<T> one = broadcast(T(1)), error = z - y;
                        const Vec<T> zero = broadcast(T(0));
                        return where_greater(error, zero, one, zero - one) + (error - error);
                      });
  }

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    combine_means(out, logits, Trows, E, C);
  }
};
