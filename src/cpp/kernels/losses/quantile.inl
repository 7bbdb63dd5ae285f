// Pinball loss of Q quantiles of each target, the mean over all of them. They never cross: the
// first is a logit, each of the others lies softplus of its logit above the one before.

// log(x) of normal numbers up to 1: powers of two are taken off exactly
template <class T> DCN_INLINE Vec<T> log_of_share(Vec<T> x) {
  const Vec<T> one = broadcast(T(1));
  Vec<T> log = broadcast(T(0));
  for (int halvings = sizeof(T) == 4 ? 64 : 512; halvings >= 1; halvings /= 2) {
    const Vec<T> up = power_of_2(broadcast(static_cast<T>(halvings))), least = one / up;
    const Vec<T> lower = log - broadcast(static_cast<T>(halvings * 0.69314718055994530942));
    log = where_greater(least, x, lower, log);
    x = where_greater(least, x, x * up, x);
  }
  return log - log1p_small(one / x - one);
}

// z of softplus(z) = d >= 0: log(exp(d) - 1); near 0 no less than the log of the least number
template <class T> DCN_INLINE Vec<T> softplus_inverse(Vec<T> d) {
  const Vec<T> one = broadcast(T(1));
  const Reduced<T> e = reduce_exponent(d);
  const Vec<T> grown = fma(e.power, e.expm1, e.power - one);  // exp(d) - 1
  const Vec<T> tiny =
      broadcast(sizeof(T) == 4 ? T(1.1754943508222875e-38) : T(2.2250738585072014e-308));
  const Vec<T> near = log_of_share(max(tiny, min(one, grown)));
  const Vec<T> far = d - log1p_small(one / max(one, grown));
  return where_greater(grown, one, far, near);
}

struct Quantile : LossOfNumbers {
  static constexpr const char *name = "quantile", *function = "quantile_loss";
  static constexpr const char* constants =
      "levels between 0 and 1, ascending, one for each output of a target";
  static bool takes(const double* levels, std::size_t n, std::size_t C) {
    for (std::size_t i = 0; i < n; ++i)
      if (!(levels[i] > (i > 0 ? levels[i - 1] : 0.0) && levels[i] < 1)) return false;
    return n > 0 && C % n == 0;
  }
  static std::size_t target_width(std::size_t C, std::size_t n) { return n > 0 ? C / n : C; }

  // f(quantile, level, first logit's number + k) of the k-th quantile of target y, in their order
  template <class T, class F>
  static DCN_INLINE void each(const Neighbours<T>& some, const T* logits, std::size_t C,
                              std::size_t y, LossOptions<T> options, const F& f) {
    Vec<T> quantile = broadcast(T(0));
    for (std::size_t k = 0, c = y * options.n; k < options.n; ++k, ++c) {
      const Vec<T> z = some.logits(logits, C, c);
      quantile = k == 0 ? z : quantile + softplus(z);
      f(quantile, z, broadcast(options.constants[k]), c);
    }
  }
  // of the loss in the quantile
  template <class T> static DCN_INLINE Vec<T> slope(Vec<T> quantile, Vec<T> y, Vec<T> level) {
    const Vec<T> error = quantile - y, zero = broadcast(T(0));
    return where_greater(error, zero, broadcast(T(1)) - level, zero - level) + (error - error);
  }

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T> options) {
    const std::size_t Y = C / options.n;
    double total = 0;
    each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
      double sums[kLanes<T>] = {};
      for (std::size_t y = 0; y < Y; ++y) {
        const Vec<T> of_row = some.targets(target, Y, y);
        each(some, logits, C, y, options, [&](Vec<T> quantile, Vec<T>, Vec<T> level, std::size_t) {
          const Vec<T> short_of = of_row - quantile;
          some.add(sums, max(level * short_of, (level - broadcast(T(1))) * short_of));
        });
      }
      total = some.add_weighted(total, sums, weight);
    });
    return total / static_cast<double>(C);
  }

  // A logit moves its quantile and all above: `left` is the sum of their slopes
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T> options) {
    const std::size_t Y = C / options.n;
    const T each_scale = scale / static_cast<T>(C);
    each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
      for (std::size_t y = 0; y < Y; ++y) {
        const Vec<T> of_row = some.targets(target, Y, y);
        Vec<T> left = broadcast(T(0));
        each(some, logits, C, y, options, [&](Vec<T> quantile, Vec<T>, Vec<T> level, std::size_t) {
          left = left + slope(quantile, of_row, level);
        });
        each(some, logits, C, y, options,
             [&](Vec<T> quantile, Vec<T> z, Vec<T> level, std::size_t c) {
               const Vec<T> moved = c == y * options.n ? left : sigmoid(z) * left;
               some.put_weighted(dlogits, C, c, moved, weight, each_scale);
               left = left - slope(quantile, of_row, level);
             });
      }
    });
  }

  // the means of the first quantiles and of the distances: those of the quantiles
  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T> options) {
    each_neighbours<T>(nullptr, Trows, [&](const Neighbours<T>& some) {
      const std::size_t of_member = Trows * ld<T>(C);
      const Vec<T> members = broadcast(static_cast<T>(E));
      for (std::size_t c = 0; c < C; ++c) {
        const bool first = c % options.n == 0;
        Vec<T> sum = broadcast(T(0));
        for (std::size_t e = 0; e < E; ++e) {
          const Vec<T> z = some.logits(logits + e * of_member, C, c);
          sum = sum + (first ? z : softplus(z));
        }
        const Vec<T> mean = sum / members;
        some.put(out, C, c, first ? mean : softplus_inverse(mean));
      }
    });
  }
};
