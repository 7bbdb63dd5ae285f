// Focal loss (Lin et al., 2017) of C classes that have a logit each: (1 - p)^gamma times the
// log-loss, so that rows that are right already count less.

// Where the other classes stand beside the row's own: with d = log(sum of exp(z) of the others) -
// z_y, the log-loss is softplus(d) and 1 - p is sigmoid(d). Both are made of exp(-|d|), which is
// the smaller of the sum and exp(z_y) by the larger one: no exponential waits for the logarithm.
template <class T> struct Others {
  static constexpr std::size_t most = kLanes<T> - 1;  // classes that are kept
  Vec<T> kept[most];                                  // exp(z - top), of the row's own 0
  Vec<T> top, total, d, power, rest;

  static Vec<T> zero() { return broadcast(T(0)); }
  static Vec<T> one() { return broadcast(T(1)); }
  Vec<T> log_loss() const { return max(zero(), d) + rest; }                 // softplus(d)
  Vec<T> minus_log_miss() const { return max(zero(), zero() - d) + rest; }  // softplus(-d)
  Vec<T> miss() const {                                                     // 1 - p
    const Vec<T> larger = one() / (one() + power);
    return where_greater(d, zero(), larger, power * larger);
  }
  Vec<T> p() const {
    const Vec<T> larger = one() / (one() + power);
    return where_greater(d, zero(), power * larger, larger);
  }

  Others(const Neighbours<T>& some, const T* logits, std::size_t C, Vec<T> y) {
    const Vec<T> nothing = broadcast(T(-1e30));  // beside which every logit is large
    Vec<T> own = zero(), none = zero();
    top = nothing;
    for (std::size_t c = 0; c < C; ++c) {
      const Vec<T> z = some.logits(logits, C, c);
      const T number = static_cast<T>(c);
      const Vec<T> other = where_equal(y, number, nothing, z);
      if (C <= most) kept[c] = other;
      top = max(top, other);
      own = where_equal(y, number, z, own);
      none = none + (z - z);  // NaN if any is
    }
    total = where_greater(top, nothing, zero(), one());
    for (std::size_t c = 0; c < C; ++c) {
      const Vec<T> part =
          C <= most ? power_of(kept[c], y, c) : power_of(some.logits(logits, C, c), y, c);
      if (C <= most) kept[c] = part;
      total = total + part;
    }
    LogSum<T> sum(zero());
    sum.sum = total;
    const Vec<T> farthest = broadcast(T(sizeof(T) == 4 ? 80 : 700)), lead = own - top;
    const Vec<T> of_own = exp(min(lead, farthest));
    d = sum.value(C) - lead + none;
    power = min(total, of_own) / max(total, of_own) + none;
    rest = log1p_small(power);
  }

  // exp(z - top) of class c, and 0 where it is the row's own
  Vec<T> power_of(Vec<T> z, Vec<T> y, std::size_t c) const {
    return where_equal(y, static_cast<T>(c), zero(), exp(min(z - top, zero())));
  }
  // what class c has of exp(z) of the others
  Vec<T> share(const Neighbours<T>& some, const T* logits, std::size_t C, Vec<T> y,
               std::size_t c) const {
    return (C <= most ? kept[c] : power_of(some.logits(logits, C, c), y, c)) / total;
  }
};

struct Focal : LossOfClasses {
  static constexpr const char *name = "focal", *function = "focal_loss";
  static constexpr const char* constants =
      "gamma, or gamma and a weight for each class, none of them negative";
  static bool takes(const double* numbers, std::size_t n, std::size_t C) {
    return (n == 1 || n == 1 + C) && none_negative(numbers, n);
  }

  // weights of the rows' classes times (1 - p)^gamma, where 2 is what most take
  template <class T>
  static DCN_INLINE Vec<T> focus(const Others<T>& others, Vec<T> y, std::size_t C,
                                 LossOptions<T> options) {
    Vec<T> weight = broadcast(T(1));
    for (std::size_t c = 0; options.n > 1 && c < C; ++c)
      weight = where_equal(y, static_cast<T>(c), broadcast(options.constants[1 + c]), weight);
    if (options.constants[0] == T(2)) {
      const Vec<T> miss = others.miss();
      return weight * (miss * miss);
    }
    const Vec<T> gamma = broadcast(options.constants[0]);
    return weight * exp(broadcast(T(0)) - gamma * others.minus_log_miss());
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
        const Vec<T> share = others.share(some, logits, C, y, c);
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
