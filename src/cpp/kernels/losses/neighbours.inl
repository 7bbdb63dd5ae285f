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
  Vec<T> targets(const T* y, std::size_t C, std::size_t c) const {
    T lanes[kLanes<T>] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i] = y[rows[i] * C + c];
    return load(lanes);
  }
};
