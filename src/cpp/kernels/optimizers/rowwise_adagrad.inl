// Adagrad with one sum of squares for a row of a table, its mean over the row: as FBGEMM has it.
// Everything else has one for each number.
struct RowwiseAdagrad : Adagrad {
  static constexpr const char* name = "rowwise_adagrad";
  static constexpr bool by_row = true;

  // v[0] += mean of g^2, p -= lr g / (sqrt(v[0]) + eps); what follows v[0] stays 0
  template <class T>
  static DCN_INLINE Vec<T> move_row(T* parameters, T*, T* v, const T* g, std::size_t K, Vec<T> l2,
                                    const OptimizerStep<T>& step) {
    Vec<T> squares = broadcast(T(0)), of_gradient = broadcast(T(0));
    for (std::size_t k = 0; k < K; k += kLanes<T>) {
      const std::size_t left = K - k < kLanes<T> ? K - k : kLanes<T>;
      const Vec<T> p = load_partial(parameters + k, left);
      const Vec<T> gradient = fma(l2, p, load_partial(g + k, left));
      of_gradient = fma(gradient, gradient, of_gradient);
      squares = squares + p * p;
    }
    v[0] += sum(of_gradient) / static_cast<T>(K);
    const Vec<T> rate =
        broadcast(step.step_size) / (sqrt(broadcast(v[0])) + broadcast(step.epsilon));
    for (std::size_t k = 0; k < K; k += kLanes<T>) {
      const std::size_t left = K - k < kLanes<T> ? K - k : kLanes<T>;
      const Vec<T> p = load_partial(parameters + k, left);
      const Vec<T> gradient = fma(l2, p, load_partial(g + k, left));
      store_partial(parameters + k, p - rate * gradient, left);
    }
    return squares;
  }
};
