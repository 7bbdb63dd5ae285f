// Adam (Kingma and Ba 2015).
struct Adam {
  static constexpr const char* name = "adam";
  static constexpr bool corrects_bias = true;
  static constexpr bool by_row = false;

  // End of section 2: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
  // p -= step m / (sqrt(v) + eps) with step = lr sqrt(1 - b2^t) / (1 - b1^t).
  // Moves both moments of `left` numbers; returns what these lose.
  template <class T>
  static DCN_INLINE Vec<T> taken(T* m, T* v, Vec<T> gradient, std::size_t left,
                                 const OptimizerStep<T>& step) {
    const Vec<T> mv =
        fma(broadcast(step.beta_1), load_partial(m, left), broadcast(step.rest_1) * gradient);
    const Vec<T> vv = fma(broadcast(step.beta_2), load_partial(v, left),
                          broadcast(step.rest_2) * gradient * gradient);
    store_partial(m, mv, left);
    store_partial(v, vv, left);
    return broadcast(step.step_size) * mv / (sqrt(vv) + broadcast(step.epsilon));
  }

  // Moves `left` numbers and returns their squares before the move.
  template <class T>
  static DCN_INLINE Vec<T> move(T* parameters, T* m, T* v, const T* g, std::size_t left, Vec<T> l2,
                                const OptimizerStep<T>& step) {
    const Vec<T> p = load_partial(parameters, left);
    const Vec<T> gradient = fma(l2, p, load_partial(g, left));
    store_partial(parameters, p - taken(m, v, gradient, left, step), left);
    return p * p;
  }

  // The missed steps of dense Adam one by one, gradient 0: the moments decay and move the row. Ends
  // early once the row no longer changes and never will again: from step t to the next a move grows
  // by at most sqrt((t + 1) / t) beta_1 / sqrt(beta_2). What is left of the decay is a power.
  template <class T>
  static std::uint64_t missed_steps(T* p, T* m, T* v, T* average, std::uint64_t last, std::size_t K,
                                    const RowHistory& history) {
    return missed<false>(p, m, v, average, last, K, history);
  }

  // decays: a row also shrinks in every step; what is left of that is a product, but an average
  // follows it step by step.
  template <bool decays, class T>
  static std::uint64_t missed(T* p, T* m, T* v, T* average, std::uint64_t last, std::size_t K,
                              const RowHistory& history) {
    const Vec<T> b1 = broadcast(static_cast<T>(history.beta_1));
    const Vec<T> b2 = broadcast(static_cast<T>(history.beta_2));
    const Vec<T> epsilon = broadcast(static_cast<T>(history.epsilon));
    const Vec<T> one = broadcast(T(1)), zero = broadcast(T(0));
    const double b1_squared = history.beta_1 * history.beta_1;
    std::uint64_t step = last;
    for (bool goes_on = true; step < history.now && goes_on; ++step) {
      const T size = static_cast<T>(history.step_sizes[step - history.first_step]);
      Vec<T> changed = zero;
      for (std::size_t k = 0; k < K; k += kLanes<T>) {
        const std::size_t n = K - k < kLanes<T> ? K - k : kLanes<T>;
        const Vec<T> mv = b1 * load_partial(m + k, n), vv = b2 * load_partial(v + k, n);
        Vec<T> before = load_partial(p + k, n);
        if constexpr (decays)
          before = before * broadcast(static_cast<T>(history.kept[step - history.first_step]));
        const Vec<T> after = before - broadcast(size) * mv / (sqrt(vv) + epsilon);
        changed = changed + where_greater(before, after, one, zero) +
                  where_greater(after, before, one, zero);
        store_partial(m + k, mv, n);
        store_partial(v + k, vv, n);
        store_partial(p + k, after, n);
      }
      const double t = static_cast<double>(step + 1);
      goes_on = sum(changed) > T(0) || b1_squared * (t + 1) >= history.beta_2 * t ||
                history.rising || (decays && average != nullptr);
      if (average != nullptr) {
        const double at = static_cast<double>(step);
        average_update(average, p, K,
                       static_cast<T>(1 - average_kept(history.ema_decay, at, at + 1)));
      }
    }
    const double left = static_cast<double>(history.now - step);
    const T m_left = static_cast<T>(::pow(history.beta_1, left));
    const T v_left = static_cast<T>(::pow(history.beta_2, left));
    double kept = 1;
    if constexpr (decays)
      for (std::uint64_t s = step; s < history.now; ++s)
        kept *= history.kept[s - history.first_step];
    for (std::size_t k = 0; k < K; ++k) {
      m[k] *= m_left;
      v[k] *= v_left;
      if constexpr (decays) p[k] *= static_cast<T>(kept);
    }
    return step;
  }
};
