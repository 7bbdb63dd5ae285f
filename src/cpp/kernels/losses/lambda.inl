// LambdaRank (Burges et al., 2006): each pair weighs what NDCG would change by if the two rows were
// exchanged; the weights count as constants. What NDCG is divided by is in all of them and falls out
// of the mean.
struct Lambda : LossOfLists {
  static constexpr const char *name = "lambda", *function = "lambda_loss";
  static constexpr const char* constants =
      "the rows from the top that count, 0 for all, and 1 for exponential gains, else 0; one output";
  static bool takes(const double* given, std::size_t n, std::size_t C) {
    return n == 2 && C == 1 && given[0] >= 0 && given[0] <= 1e9 &&
           given[0] == static_cast<double>(static_cast<std::size_t>(given[0])) &&
           (given[1] == 0 || given[1] == 1);
  }
  template <class T> static ListRule rule(const T* given, std::size_t) {
    return {given[1] != T(0), true, true, static_cast<std::size_t>(given[0])};
  }

  template <class T>
  static double list(T* slopes, const T* scores, const T* gains, const T* discounts,
                     std::size_t n) {
    const Vec<T> zero = broadcast(T(0));
    return mean_over_pairs(slopes, scores, gains, n, [=](std::size_t i, std::size_t at) {
      const Vec<T> gained = load(gains + at) - broadcast(gains[i]);
      const Vec<T> moved = load(discounts + at) - broadcast(discounts[i]);
      return max(gained, zero - gained) * max(moved, zero - moved);
    });
  }
};
