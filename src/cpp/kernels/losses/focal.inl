// Focal loss (Lin et al., 2017) of C classes that have a logit each: (1 - p)^gamma times the
// log-loss, so that rows that are right already count less.

// Where the classes stand beside the row's own: with d = log(sum of exp(z) of the others) - z_y,
// the log-loss is softplus(d) and 1 - p is sigmoid(d). Both are made of exp(-|d|).
template <class T> struct Others {
  Vec<T> log_sum, d, power, rest;

  Vec<T> zero() const { return broadcast(T(0)); }
  Vec<T> log_loss() const { return max(zero(), d) + rest; }                 // softplus(d)
  Vec<T> minus_log_miss() const { return max(zero(), zero() - d) + rest; }  // softplus(-d)
  Vec<T> miss() const {                                                     // 1 - p
    const Vec<T> larger = broadcast(T(1)) / (broadcast(T(1)) + power);
    return where_greater(d, zero(), larger, power * larger);
  }
  Vec<T> p() const {
    const Vec<T> larger = broadcast(T(1)) / (broadcast(T(1)) + power);
    return where_greater(d, zero(), power * larger, larger);
  }

  Others(const Neighbours<T>& some, const T* logits, std::size_t C, Vec<T> y)
      : log_sum(broadcast(T(0))), d(broadcast(T(0))), power(d), rest(d) {
    const Vec<T> nothing = broadcast(T(-1e30));  // beside which every logit is large
    LogSum<T> sum(nothing);
    Vec<T> own = broadcast(T(0)), none = broadcast(T(0));
    for (std::size_t c = 0; c < C; ++c) {
      const Vec<T> z = some.logits(logits, C, c);
      const T number = static_cast<T>(c);
      sum.add(where_equal(y, number, nothing, z));
      own = where_equal(y, number, z, own);
      none = none + (z - z);  // NaN if any is
    }
    log_sum = sum.value(C) + none;
    d = log_sum - own;
    power = exp(zero() - max(d, zero() - d));
    rest = log1p_small(power);
  }
};

struct Focal : LossOfClasses {
  static constexpr const char *name = "focal", *function = "focal_loss";
  static constexpr const char* constants =
      "gamma, or gamma and a weight for each class, none of them negative";
  static bool takes(const double* numbers, std::size_t n, std::size_t C) {
    return (n == 1 || n == 1 + C) && none_negative(numbers, n);
  }

  // weights of the rows' classes times (1 - p)^gamma
  template <class T>
  static DCN_INLINE Vec<T> focus(const Others<T>& others, Vec<T> y, std::size_t C,
                                 LossOptions<T> options) {
    Vec<T> weight = broadcast(T(1));
    for (std::size_t c = 0; options.n > 1 && c < C; ++c)
      weight = where_equal(y, static_cast<T>(c), broadcast(options.constants[1 + c]), weight);
    const Vec<T> gamma = broadcast(options.constants[0]), zero = broadcast(T(0));
    return weight * exp(zero - gamma * others.minus_log_miss());
  }

  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T> options) {
    double total = 0;
    each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
      double sums[kLanes<T>] = {};
      const Vec<T> y = some.targets(target, 1, 0);
      const Others<T> others(some, logits, C, y);
      some.add(sums, focus(others, y, C, options) * others.log_loss());
      total = some.add_weighted(total, sums, weight);
    });
    return total;
  }

  // dLoss / dd = (1 - p)^gamma ((1 - p) + gamma p log-loss), which goes to the others by their
  // shares, and to the row's own class with the other sign
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T> options) {
    const Vec<T> gamma = broadcast(options.constants[0]), zero = broadcast(T(0));
    each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
      const Vec<T> y = some.targets(target, 1, 0);
      const Others<T> others(some, logits, C, y);
      const Vec<T> steep = fma(gamma * others.p(), others.log_loss(), others.miss());
      const Vec<T> slope = focus(others, y, C, options) * steep;
      for (std::size_t c = 0; c < C; ++c) {
        const Vec<T> share = exp(some.logits(logits, C, c) - others.log_sum);
        const Vec<T> of_class = where_equal(y, static_cast<T>(c), zero - slope, slope * share);
        some.put_weighted(dlogits, C, c, of_class, weight, scale);
      }
    });
  }

  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T> options) {
    Softmax::combine(out, logits, Trows, E, C, options);
  }
};
