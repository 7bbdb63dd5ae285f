// Losses of single numbers, a vector of rows at a time.

// One output of some rows of a tile, as many as a vector has lanes: side by side, or a vector would
// hold one logit and padding.
template <class T> struct Neighbours {
  std::size_t rows[kLanes<T>];  // of the table
  std::size_t first, n;

  Neighbours(const std::int64_t* numbers, std::size_t first_row, std::size_t Trows)
      : first(first_row), n(Trows - first_row < kLanes<T> ? Trows - first_row : kLanes<T>) {
    for (std::size_t i = 0; i < n; ++i) rows[i] = row_of(numbers, first + i);
  }
  Vec<T> logits(const T* z, std::size_t C, std::size_t c) const {
    T lanes[kLanes<T>] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i] = z[(first + i) * ld<T>(C) + c];
    return load(lanes);
  }
  Vec<T> targets(const T* y, std::size_t Y, std::size_t c) const {
    T lanes[kLanes<T>] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i] = y[rows[i] * Y + c];
    return load(lanes);
  }
  void put(T* z, std::size_t C, std::size_t c, Vec<T> values) const {
    T lanes[kLanes<T>];
    store(lanes, values);
    for (std::size_t i = 0; i < n; ++i) z[(first + i) * ld<T>(C) + c] = lanes[i];
  }
  // the same times scale and the rows' weights
  void put_weighted(T* z, std::size_t C, std::size_t c, Vec<T> values, const T* weight,
                    T scale) const {
    T lanes[kLanes<T>];
    store(lanes, values);
    for (std::size_t i = 0; i < n; ++i) {
      const T factor = weight != nullptr ? scale * weight[rows[i]] : scale;
      z[(first + i) * ld<T>(C) + c] = factor * lanes[i];
    }
  }
  // sums (lanes) += values
  void add(double* sums, Vec<T> values) const {
    T lanes[kLanes<T>];
    store(lanes, values);
    for (std::size_t i = 0; i < n; ++i) sums[i] += static_cast<double>(lanes[i]);
  }
  // total + the sums of the rows times their weights
  double add_weighted(double total, const double* sums, const T* weight) const {
    for (std::size_t i = 0; i < n; ++i)
      total += (weight != nullptr ? static_cast<double>(weight[rows[i]]) : 1.0) * sums[i];
    return total;
  }
};

// f(Neighbours) for all rows of a tile
template <class T, class F>
DCN_INLINE void each_neighbours(const std::int64_t* rows, std::size_t Trows, const F& f) {
  for (std::size_t first = 0; first < Trows; first += kLanes<T>)
    f(Neighbours<T>(rows, first, Trows));
}

// the weighted sum over rows of f(c, logits, targets) of the C outputs
template <class T, class F>
DCN_INLINE double sum_of_outputs(const T* logits, const T* target, const T* weight,
                                 const std::int64_t* rows, std::size_t Trows, std::size_t C,
                                 const F& f) {
  double total = 0;
  each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
    double sums[kLanes<T>] = {};
    for (std::size_t c = 0; c < C; ++c)
      some.add(sums, f(c, some.logits(logits, C, c), some.targets(target, C, c)));
    total = some.add_weighted(total, sums, weight);
  });
  return total;
}

// dlogits (T,C) = scale, weight and f(c, logits, targets)
template <class T, class F>
DCN_INLINE void slopes_of_outputs(T* dlogits, const T* logits, const T* target, const T* weight,
                                  const std::int64_t* rows, std::size_t Trows, std::size_t C,
                                  T scale, const F& f) {
  each_neighbours<T>(rows, Trows, [&](const Neighbours<T>& some) {
    for (std::size_t c = 0; c < C; ++c) {
      const Vec<T> slopes = f(c, some.logits(logits, C, c), some.targets(target, C, c));
      some.put_weighted(dlogits, C, c, slopes, weight, scale);
    }
  });
}

// log(1 + exp(z)); NaN passes through
template <class T> DCN_INLINE Vec<T> softplus(Vec<T> z) {
  const Vec<T> zero = broadcast(T(0)), size = max(z, zero - z);
  return max(zero, z) + log1p_small(exp(zero - size));
}

// a == b ? yes : no, of whole numbers
template <class T> DCN_INLINE Vec<T> where_equal(Vec<T> a, T b, Vec<T> yes, Vec<T> no) {
  const Vec<T> below = broadcast(b - T(0.5)), above = broadcast(b + T(0.5));
  return where_greater(a, below, where_greater(above, a, yes, no), no);
}

// What only losses that rank have.
struct LossOfRows {
  template <class T> static constexpr decltype(LossKernels<T>::list) list = nullptr;
  template <class T> static constexpr decltype(LossKernels<T>::rule) rule = nullptr;
};

// What most kinds have: a number as target for each logit, and no constants.
struct LossOfNumbers : LossOfRows {
  static constexpr bool classes = false;
  static constexpr const char* constants = "none";
  static bool takes(const double*, std::size_t n, std::size_t) { return n == 0; }
  static std::size_t n_classes(std::size_t) { return 0; }
  static std::size_t target_width(std::size_t C, std::size_t) { return C; }
};
struct LossOfClasses : LossOfRows {
  static constexpr bool classes = true;
  static constexpr const char* constants = "none";
  static bool takes(const double*, std::size_t n, std::size_t) { return n == 0; }
  static std::size_t n_classes(std::size_t C) { return C; }
  static std::size_t target_width(std::size_t, std::size_t) { return 1; }
};

// whether all n numbers are finite and not negative
inline bool none_negative(const double* numbers, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    if (!(numbers[i] >= 0 && numbers[i] - numbers[i] == 0)) return false;
  return true;
}
