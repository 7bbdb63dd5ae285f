// Squared error: the mean over the C outputs of (z - y)^2.
struct SquaredError : LossOfNumbers {
  static constexpr const char *name = "squared_error", *function = "squared_error";

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T>) {
    double loss = 0;
    for (std::size_t t = 0; t < Trows; ++t) {
      const std::size_t row = row_of(rows, t);
      double squares = 0;
      for (std::size_t c = 0; c < C; ++c) {
        const T error = logits[t * ld<T>(C) + c] - target[row * C + c];
        squares += static_cast<double>(error) * static_cast<double>(error);
      }
      loss += (weight != nullptr ? static_cast<double>(weight[row]) : 1.0) * squares;
    }
    return loss / static_cast<double>(C);
  }

  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T>) {
    const T both = T(2) * scale / static_cast<T>(C);
    for (std::size_t t = 0; t < Trows; ++t) {
      const std::size_t row = row_of(rows, t);
      const T factor = weight != nullptr ? both * weight[row] : both;
      for (std::size_t c = 0; c < C; ++c) {
        const std::size_t at = t * ld<T>(C) + c;
        dlogits[at] = factor * (logits[at] - target[row * C + c]);
      }
    }
  }

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    combine_means(out, logits, Trows, E, C);
  }
};
