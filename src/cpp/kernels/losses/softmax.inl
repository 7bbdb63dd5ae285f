// Log-loss of C classes.

template <class T> DCN_INLINE T largest(const T* z, std::size_t C) {
  T top = z[0];
  for (std::size_t c = 1; c < C; ++c) top = z[c] > top ? z[c] : top;
  return top;
}

// exp(z - top), and their sum, one after the other in the order of the classes
template <class T> DCN_INLINE T exponentials(T* out, const T* z, T top, std::size_t C) {
  for (std::size_t c = 0; c < C; c += kLanes<T>) {
    const std::size_t n = C - c < kLanes<T> ? C - c : kLanes<T>;
    store_partial(out + c, exp(load(z + c) - broadcast(top)), n);
  }
  T total = T(0);
  for (std::size_t c = 0; c < C; ++c) total += out[c];
  return total;
}

// log of a number >= 1: powers of two are taken off exactly, the rest is log1p on [0, 1]
template <class T> DCN_INLINE T log_of_sum(T s) {
  int halvings = 0;
  for (; s > T(2); ++halvings) s *= T(0.5);
  T lanes[kLanes<T>];  // through the vector function: one series for all
  store(lanes, log1p_small(broadcast(s - T(1))));
  return lanes[0] + static_cast<T>(halvings) * T(0.69314718055994530942);
}

// log(sum_c exp(z_c - top)), which is not finite where z is not
template <class T> DCN_INLINE T log_of_total(const T* z, T top, std::size_t C) {
  T total = T(0);
  for (std::size_t c = 0; c < C; c += kLanes<T>) {
    T part[kLanes<T>];
    const std::size_t n = C - c < kLanes<T> ? C - c : kLanes<T>;
    total += exponentials(part, z + c, top, n);
  }
  return total == total && total <= T(2) * static_cast<T>(C) ? log_of_sum(total) : total;
}

// log(sum_c exp(z_c))
template <class T> DCN_INLINE T log_of_all(const T* z, std::size_t C) {
  const T top = largest(z, C);
  return top + log_of_total(z, top, C);
}

// sum_c y_c (z_c - top) of the smoothed target y, (1 - s) [c = y] + s / C
template <class T>
DCN_INLINE T smoothed_pick(T picked, const T* z, T top, std::size_t C, T smoothing) {
  if (smoothing == T(0)) return picked;
  T all = T(0);
  for (std::size_t c = 0; c < C; ++c) all += z[c] - top;
  return (T(1) - smoothing) * picked + smoothing * (all / static_cast<T>(C));
}

// The same of a vector of rows, whose few classes are in registers: the same numbers, bit for bit.
template <class T> struct FewClasses {
  static constexpr std::size_t most = kLanes<T> - 1;
  Vec<T> shifted[most];  // z - top
  Vec<T> powers[most], total;

  FewClasses(const Neighbours<T>& some, const T* logits, std::size_t C) : total(broadcast(T(0))) {
    for (std::size_t c = 0; c < C; ++c) shifted[c] = some.logits(logits, C, c);
    Vec<T> top = shifted[0];
    for (std::size_t c = 1; c < C; ++c) top = where_greater(shifted[c], top, shifted[c], top);
    for (std::size_t c = 0; c < C; ++c) {
      shifted[c] = shifted[c] - top;
      powers[c] = exp(shifted[c]);
      total = total + powers[c];
    }
  }

  Vec<T> log_of_total(std::size_t C) const {
    const Vec<T> one = broadcast(T(1)), two = broadcast(T(2)), half = broadcast(T(0.5));
    Vec<T> rest = total, halvings = broadcast(T(0));
    for (std::size_t bound = 1; bound < C; bound *= 2) {
      halvings = where_greater(rest, two, halvings + one, halvings);
      rest = where_greater(rest, two, rest * half, rest);
    }
    return log1p_small(rest - one) + halvings * broadcast(T(0.69314718055994530942));
  }

  Vec<T> smoothed_pick(Vec<T> y, std::size_t C, T smoothing) const {
    Vec<T> picked = broadcast(T(0)), all = picked;
    for (std::size_t c = 0; c < C; ++c) {
      picked = where_equal(y, static_cast<T>(c), shifted[c], picked);
      all = all + shifted[c];
    }
    if (smoothing == T(0)) return picked;
    return broadcast(T(1) - smoothing) * picked +
           broadcast(smoothing) * (all / broadcast(static_cast<T>(C)));
  }
};

struct Softmax : LossOfClasses {
  static constexpr const char *name = "softmax", *function = "softmax_loss";

  // -log softmax(z)[y] = log(sum_c exp(z_c - top)) - (z_y - top), in the mean of a smoothed target
  template <class T>
  static double forward(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C, LossOptions<T> options) {
    double loss = 0;
    if (C <= FewClasses<T>::most) {
      each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
        double sums[kLanes<T>] = {};
        const FewClasses<T> few(some, logits, C);
        const Vec<T> y = some.targets(target, 1, 0);
        some.add(sums, few.log_of_total(C) - few.smoothed_pick(y, C, options.smoothing));
        loss = some.add_weighted(loss, sums, weight);
      });
      return loss;
    }
    for (std::size_t t = 0; t < Trows; ++t) {
      const std::size_t row = row_of(rows, t);
      const T* z = logits + t * ld<T>(C);
      const T top = largest(z, C), log_total = log_of_total(z, top, C);
      const T picked = z[static_cast<std::size_t>(target[row])] - top;
      loss += (weight != nullptr ? static_cast<double>(weight[row]) : 1.0) *
              static_cast<double>(log_total - smoothed_pick(picked, z, top, C, options.smoothing));
    }
    return loss;
  }

  // dLoss / dz_c = p_c - y_c, with the smoothed y
  template <class T>
  static void backward(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale,
                       LossOptions<T> options) {
    const T of_each = options.smoothing / static_cast<T>(C), of_class = T(1) - options.smoothing;
    if (C <= FewClasses<T>::most) {
      each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
        const FewClasses<T> few(some, logits, C);
        for (std::size_t c = 0; c < C; ++c)
          some.put_weighted(dlogits, C, c, few.powers[c] / few.total - broadcast(of_each), weight,
                            scale);
        for (std::size_t i = 0; i < some.n; ++i) {
          const T factor = weight != nullptr ? scale * weight[some.rows[i]] : scale;
          T* dz = dlogits + (some.first + i) * ld<T>(C);
          dz[static_cast<std::size_t>(target[some.rows[i]])] -= factor * of_class;
        }
      });
      return;
    }
    for (std::size_t t = 0; t < Trows; ++t) {
      const std::size_t row = row_of(rows, t);
      const T factor = weight != nullptr ? scale * weight[row] : scale;
      const T* z = logits + t * ld<T>(C);
      T* dz = dlogits + t * ld<T>(C);
      const T total = exponentials(dz, z, largest(z, C), C);
      for (std::size_t c = 0; c < C; ++c) dz[c] = factor * (dz[c] / total - of_each);
      dz[static_cast<std::size_t>(target[row])] -= factor * of_class;
    }
  }

  // log of the mean of the probabilities
  template <class T>
  static void combine(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C,
                      LossOptions<T>) {
    const std::size_t of_member = Trows * ld<T>(C);
    const Vec<T> log_of_members = LogSum<T>::of_ones(E);
    for (std::size_t t = 0; t < Trows; ++t, logits += ld<T>(C), out += ld<T>(C)) {
      for (std::size_t c = 0; c < C; c += kLanes<T>) {
        const auto log_p = [&](std::size_t e) {
          const T* z = logits + e * of_member;
          return load(z + c) - broadcast(log_of_all(z, C));
        };
        LogSum<T> sum(log_p(0));
        for (std::size_t e = 1; e < E; ++e) sum.add(log_p(e));
        store(out + c, sum.value(E) - log_of_members);
      }
    }
  }
};
