// AdamW (Loshchilov and Hutter 2019, algorithm 2): Adam, and a share of the parameter beside.
struct AdamW {
  static constexpr const char* name = "adamw";
  static constexpr bool corrects_bias = true;
  static constexpr bool by_row = false;

  // p = (1 - lr decay) p - step m / (sqrt(v) + eps); the moments do not know the decay.
  template <class T>
  static DCN_INLINE Vec<T> move(T* parameters, T* m, T* v, const T* g, std::size_t left, Vec<T> l2,
                                const OptimizerStep<T>& step) {
    const Vec<T> p = load_partial(parameters, left);
    const Vec<T> gradient = fma(l2, p, load_partial(g, left));
    const Vec<T> moved = Adam::taken(m, v, gradient, left, step);
    store_partial(parameters, broadcast(step.kept) * p - moved, left);
    return p * p;
  }

  template <class T>
  static std::uint64_t missed_steps(T* p, T* m, T* v, T* average, std::uint64_t last, std::size_t K,
                                    const RowHistory& history) {
    return Adam::missed<true>(p, m, v, average, last, K, history);
  }
};
