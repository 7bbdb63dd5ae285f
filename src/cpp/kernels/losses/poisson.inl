// Poisson deviance of counts by the log of their mean, halved and without what only the counts
// decide, summed over the C outputs.

// logits of members -> the log of the mean of exp(z)
template <class T>
void combine_logs(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C) {
  const Vec<T> log_of_members = LogSum<T>::of_ones(E);
  combine_vectors(out, logits, Trows, C, [&](const auto& member) {
    LogSum<T> sum(member(0));
    for (std::size_t e = 1; e < E; ++e) sum.add(member(e));
    return sum.value(E) - log_of_members;
  });
}

struct Poisson : LossOfNumbers {
  static constexpr const char *name = "poisson", *function = "poisson_loss";

  // exp(z) - y z
  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T>) {
    return sum_of_outputs(logits, target, weight, rows, Trows, C,
                          [](std::size_t, Vec<T> z, Vec<T> y) { return exp(z) - z * y; });
  }

  // dLoss / dz = exp(z) - y
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T>) {
    slopes_of_outputs(dlogits, logits, target, weight, rows, Trows, C, scale,
                      [](std::size_t, Vec<T> z, Vec<T> y) { return exp(z) - y; });
  }

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    combine_logs(out, logits, Trows, E, C);
  }
};
