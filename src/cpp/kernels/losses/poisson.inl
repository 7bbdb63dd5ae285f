// Poisson deviance of counts by the log of their mean, halved and without what only the counts
// decide, summed over the C outputs.

struct Poisson {
  static constexpr const char *name = "poisson", *function = "poisson_loss";
  static constexpr bool classes = false;

  // exp(z) - y z
  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, T) {
    double loss = 0;
    for (std::size_t first = 0; first < Trows; first += kLanes<T>) {
      const Neighbours<T> some(rows, first, Trows);
      double deviances[kLanes<T>] = {};
      for (std::size_t c = 0; c < C; ++c) {
        const Vec<T> z = some.logits(logits, C, c);
        T lanes[kLanes<T>];
        store(lanes, exp(z) - z * some.targets(target, C, c));
        for (std::size_t i = 0; i < some.n; ++i) deviances[i] += static_cast<double>(lanes[i]);
      }
      for (std::size_t i = 0; i < some.n; ++i)
        loss +=
            (weight != nullptr ? static_cast<double>(weight[some.rows[i]]) : 1.0) * deviances[i];
    }
    return loss;
  }

  // dLoss / dz = exp(z) - y
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale, T) {
    for (std::size_t first = 0; first < Trows; first += kLanes<T>) {
      const Neighbours<T> some(rows, first, Trows);
      for (std::size_t c = 0; c < C; ++c) {
        T lanes[kLanes<T>];
        store(lanes, exp(some.logits(logits, C, c)) - some.targets(target, C, c));
        for (std::size_t i = 0; i < some.n; ++i) {
          const T factor = weight != nullptr ? scale * weight[some.rows[i]] : scale;
          dlogits[(first + i) * ld<T>(C) + c] = factor * lanes[i];
        }
      }
    }
  }

  // log of the mean of exp(z)
  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C) {
    const Vec<T> log_of_members = LogSum<T>::of_ones(E);
    combine_vectors(out, logits, Trows, C, [&](const auto& member) {
      LogSum<T> sum(member(0));
      for (std::size_t e = 1; e < E; ++e) sum.add(member(e));
      return sum.value(E) - log_of_members;
    });
  }
};
