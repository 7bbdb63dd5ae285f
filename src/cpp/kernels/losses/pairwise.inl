// RankNet (Burges et al., 2005): the mean over the pairs of a list.
struct Pairwise : LossOfLists {
  static constexpr const char *name = "pairwise", *function = "pairwise_loss";
  static constexpr const char* constants = "none, and one output";
  static bool takes(const double*, std::size_t n, std::size_t C) { return n == 0 && C == 1; }
  template <class T> static ListRule rule(const T*, std::size_t) { return {}; }

  template <class T>
  static double list(T* slopes, const T* scores, const T* gains, const T*, std::size_t n) {
    return mean_over_pairs(slopes, scores, gains, n,
                           [](std::size_t, std::size_t) { return broadcast(T(1)); });
  }
};
