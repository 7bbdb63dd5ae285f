// Stochastic gradient descent with momentum (Sutskever et al. 2013), in PyTorch's form:
// m = beta_1 m + g, p -= lr m, or with Nesterov's look ahead p -= lr (g + beta_1 m).
struct Sgd {
  static constexpr const char* name = "sgd";
  static constexpr bool corrects_bias = false;
  static constexpr bool by_row = false;

  template <class T>
  static DCN_INLINE Vec<T> move(T* parameters, T* m, T*, const T* g, std::size_t left, Vec<T> l2,
                                const OptimizerStep<T>& step) {
    const Vec<T> p = load_partial(parameters, left);
    const Vec<T> gradient = fma(l2, p, load_partial(g, left));
    const Vec<T> momentum = broadcast(step.beta_1);
    const Vec<T> mv = fma(momentum, load_partial(m, left), gradient);
    const Vec<T> direction = step.nesterov ? fma(momentum, mv, gradient) : mv;
    store_partial(m, mv, left);
    store_partial(parameters, p - broadcast(step.step_size) * direction, left);
    return p * p;
  }

  // Steps with gradient 0 one by one, until they no longer change the row; what is left of the
  // momentum's decay is a power.
  template <class T>
  static std::uint64_t missed_steps(T* p, T* m, T*, T* average, std::uint64_t last, std::size_t K,
                                    const RowHistory& history) {
    const T momentum = static_cast<T>(history.beta_1);
    std::uint64_t step = last;
    for (bool goes_on = true; step < history.now && goes_on; ++step) {
      const T size = static_cast<T>(history.step_sizes[step - history.first_step]);
      goes_on = history.rising;
      for (std::size_t k = 0; k < K; ++k) {
        m[k] *= momentum;
        const T before = p[k];
        p[k] = before - size * (history.nesterov ? momentum * m[k] : m[k]);
        goes_on = goes_on || p[k] != before;
      }
      if (average != nullptr) {
        const double at = static_cast<double>(step);
        average_update(average, p, K,
                       static_cast<T>(1 - average_kept(history.ema_decay, at, at + 1)));
      }
    }
    const T left = static_cast<T>(::pow(history.beta_1, static_cast<double>(history.now - step)));
    for (std::size_t k = 0; k < K; ++k) m[k] *= left;
    return step;
  }
};
