// Members of an ensemble: the logits of the mean of what their logits say.

// log of the sum of exp(l) over what is added, one after the other
template <class T> struct LogSum {
  Vec<T> top, sum;

  DCN_INLINE explicit LogSum(Vec<T> l) : top(l), sum(broadcast(T(1))) {}
  DCN_INLINE void add(Vec<T> l) {
    const Vec<T> higher = max(top, l);
    const Vec<T> share = exp((top - higher) + (l - higher));  // of the lower, one of them is 0
    sum = where_greater(l, top, fma(sum, share, broadcast(T(1))), sum + share);
    top = higher;
  }
  // of E zeros
  DCN_INLINE static Vec<T> of_ones(std::size_t E) {
    LogSum zeros(broadcast(T(0)));
    zeros.sum = broadcast(static_cast<T>(E));
    return zeros.value(E);
  }
  // of at most E terms, so that the sum is between 1 and E
  DCN_INLINE Vec<T> value(std::size_t E) const {
    const Vec<T> two = broadcast(T(2)), half = broadcast(T(0.5));
    Vec<T> rest = sum, log = top;
    for (std::size_t most = 1; most < E; most *= 2) {
      log = where_greater(rest, two, log + broadcast(T(0.69314718055994530942)), log);
      rest = where_greater(rest, two, rest * half, rest);
    }
    return log + log1p_small(max(rest, broadcast(T(1))) - broadcast(T(1)));
  }
};

// logits (E,T,C) -> out (T,C): f(e) loads a vector of member e, and says what stands for it
template <class T, class F>
DCN_INLINE void combine_vectors(T* out, const T* logits, std::size_t Trows, std::size_t C, F&& f) {
  const std::size_t of_member = Trows * ld<T>(C);
  for_tile<T>(Trows, C, [&](std::size_t at) {
    store(out + at, f([&](std::size_t e) { return load(logits + e * of_member + at); }));
  });
}

template <class T>
void combine_means(T* out, const T* logits, std::size_t Trows, std::size_t E, std::size_t C) {
  combine_vectors(out, logits, Trows, C, [E](const auto& member) {
    Vec<T> sum = member(0);
    for (std::size_t e = 1; e < E; ++e) sum = sum + member(e);
    return sum / broadcast(static_cast<T>(E));
  });
}
