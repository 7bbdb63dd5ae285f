// Log-loss of C + 1 classes in an order, by cumulative logits (McCullagh, 1980): s_c are the
// log-odds of a class above c. The first is a logit, each of the others lies softplus of its logit
// below the one before, so probabilities are never negative. With s of the thresholds above and
// below,
//   p(c) = sigmoid(s_{c-1}) - sigmoid(s_c) = sigmoid(s_{c-1}) sigmoid(-s_c) sigmoid(z_c).

struct Ordinal : LossOfClasses {
  static constexpr const char *name = "ordinal", *function = "ordinal_loss";
  static std::size_t n_classes(std::size_t C) { return C + 1; }

  // f(c, z_c, s_c) of the first n outputs, in their order
  template <class T, class F>
  static DCN_INLINE void each(const Neighbours<T>& some, const T* logits, std::size_t C,
                              std::size_t n, const F& f) {
    Vec<T> s = broadcast(T(0));
    for (std::size_t c = 0; c < n; ++c) {
      const Vec<T> z = some.logits(logits, C, c);
      s = c == 0 ? z : s - softplus(z);
      f(c, z, s);
    }
  }

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T>) {
    double total = 0;
    each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
      double sums[kLanes<T>] = {};
      const Vec<T> y = some.targets(target, 1, 0), zero = broadcast(T(0));
      Vec<T> none = zero;
      each(some, logits, C, C, [&](std::size_t c, Vec<T> z, Vec<T> s) {
        const Vec<T> within = c == 0 ? zero : softplus(zero - z);
        const Vec<T> of_lower = where_equal(y, static_cast<T>(c), softplus(s) + within, zero);
        some.add(sums, where_equal(y, static_cast<T>(c + 1), softplus(zero - s), of_lower));
        none = none + (z - z);  // NaN if any is
      });
      some.add(sums, none);
      total = some.add_weighted(total, sums, weight);
    });
    return total;
  }

  // of the loss in s_{y-1}, s_y and z_y; a logit moves its own s and all behind it
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T>) {
    each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
      const Vec<T> y = some.targets(target, 1, 0), zero = broadcast(T(0));
      Vec<T> before = zero, own = zero, none = zero;
      each(some, logits, C, C, [&](std::size_t c, Vec<T> z, Vec<T> s) {
        before = where_equal(y, static_cast<T>(c + 1), zero - sigmoid(zero - s), before);
        own = where_equal(y, static_cast<T>(c), sigmoid(s), own);
        none = none + (z - z);  // NaN if any is
      });
      each(some, logits, C, C, [&](std::size_t c, Vec<T> z, Vec<T>) {
        const T number = static_cast<T>(c);
        const Vec<T> both = before + own;
        if (c == 0) return some.put_weighted(dlogits, C, c, both + none, weight, scale);
        const Vec<T> falls = zero - sigmoid(z);
        const Vec<T> lower = where_greater(y, broadcast(number), falls * both, zero);
        const Vec<T> here = falls * own - sigmoid(zero - z);
        some.put_weighted(dlogits, C, c, where_equal(y, number, here, lower) + none, weight, scale);
      });
    });
  }

  // the logits of the mean of the probabilities, each from logarithms, so that none is rounded to 0
  // or 1: z_c = log p(c) - log p(above c) - log p(below c)
  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    const std::size_t of_member = Trows * ld<T>(C);
    const Vec<T> zero = broadcast(T(0)), log_of_members = LogSum<T>::of_ones(E);
    const auto log_p = [zero](Vec<T> s) { return zero - softplus(zero - s); };
    each_neighbours<T>(nullptr, Trows, [&](const Neighbours<T>& some) {
      for (std::size_t c = 0; c < C; ++c) {
        LogSum<T> above(zero), below(zero), here(zero);
        for (std::size_t e = 0; e < E; ++e) {
          Vec<T> last = zero, s = zero, z = zero;
          each(some, logits + e * of_member, C, c + 1,
               [&](std::size_t, Vec<T> z_, Vec<T> s_) { last = s, s = s_, z = z_; });
          const Vec<T> log_above = log_p(s), log_below = log_p(zero - (c == 0 ? s : last));
          const Vec<T> log_here = log_p(last) + log_p(zero - s) + log_p(z);
          if (e == 0) {
            above = LogSum<T>(log_above), below = LogSum<T>(log_below);
            here = LogSum<T>(log_here);
          } else {
            above.add(log_above), below.add(log_below), here.add(log_here);
          }
        }
        const Vec<T> of_first = above.value(E) - below.value(E);
        const Vec<T> of_later = here.value(E) - above.value(E) - below.value(E) + log_of_members;
        some.put(out, C, c, c == 0 ? of_first : of_later);
      }
    });
  }
};
