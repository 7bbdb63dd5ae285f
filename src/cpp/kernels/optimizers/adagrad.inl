// Adagrad (Duchi et al. 2011): v += g^2, p -= lr g / (sqrt(v) + eps). A gradient of 0 moves
// nothing.
struct Adagrad {
  static constexpr const char* name = "adagrad";
  static constexpr bool corrects_bias = false;
  static constexpr bool by_row = false;

  template <class T>
  static DCN_INLINE Vec<T> move(T* parameters, T*, T* v, const T* g, std::size_t left, Vec<T> l2,
                                const OptimizerStep<T>& step) {
    const Vec<T> p = load_partial(parameters, left);
    const Vec<T> gradient = fma(l2, p, load_partial(g, left));
    const Vec<T> vv = fma(gradient, gradient, load_partial(v, left));
    const Vec<T> moved =
        broadcast(step.step_size) * gradient / (sqrt(vv) + broadcast(step.epsilon));
    store_partial(v, vv, left);
    store_partial(parameters, p - moved, left);
    return p * p;
  }

  // Nothing to make up for, but what an average does by itself.
  template <class T>
  static std::uint64_t missed_steps(T*, T*, T*, T*, std::uint64_t last, std::size_t,
                                    const RowHistory&) {
    return last;
  }
};
