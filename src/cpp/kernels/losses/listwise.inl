// ListNet, top one (Cao et al., 2007): cross-entropy of the softmax of the scores, the target being
// each row's share of the gains. 0 where no row has any.
struct Listwise : LossOfLists {
  static constexpr const char *name = "listwise", *function = "listwise_loss";
  static constexpr const char* constants = "1 for exponential gains, else 0; one output";
  static bool takes(const double* given, std::size_t n, std::size_t C) {
    return n == 1 && C == 1 && (given[0] == 0 || given[0] == 1);
  }
  template <class T> static ListRule rule(const T* given, std::size_t) {
    return {given[0] != T(0), true, false, 0};
  }

  template <class T>
  static double list(T* slopes, const T* scores, const T* gains, const T*, std::size_t n) {
    double total = 0, loss = 0;
    for (std::size_t i = 0; i < n; ++i) total += static_cast<double>(gains[i]);
    LogSum<T> all(broadcast(scores[0]));
    for (std::size_t i = 1; i < n; ++i) all.add(broadcast(scores[i]));
    const Vec<T> log_sum = all.value(n);
    const Vec<T> share = broadcast(total > 0 ? static_cast<T>(1 / total) : T(0));
    const Vec<T> some = broadcast(total > 0 ? T(1) : T(0));
    for (std::size_t at = 0; at < n; at += kLanes<T>) {
      const Vec<T> s = load(scores + at), q = share * load(gains + at);
      store(slopes + at, some * exp(s - log_sum) - q);
      // NaN if any score is not finite
      loss = add_lanes_of(loss, q * (log_sum - s) + (s - s), in_vector<T>(n - at));
    }
    return loss;
  }
};
