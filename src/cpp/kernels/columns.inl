// What is done to all of a tile, element by element, and sums over its rows.

// f(offset) for every vector of a tile, but the padding that makes the row stride odd
template <class T, class F> DCN_INLINE void for_tile(std::size_t Trows, std::size_t W, const F& f) {
  for (std::size_t t = 0; t < Trows; ++t)
    for (std::size_t v = 0; v < vectors<T>(W); ++v) f(t * ld<T>(W) + v * kLanes<T>);
}

// how many of the numbers that are left are in the next vector
template <class T> DCN_INLINE std::size_t in_vector(std::size_t left) {
  return left < kLanes<T> ? left : kLanes<T>;
}

// sums[c] += column c of values, for the columns of one vector
template <class T> DCN_INLINE void add_partial(T* p, Vec<T> a, std::size_t n) {
  if (n >= kLanes<T>)
    store(p, load(p) + a);
  else
    store_partial(p, load_partial(p, n) + a, n);
}

// f(offset of the row's vector) for N vectors of columns at a time, row by row: whole cache lines
// one after the other, and N sums that do not wait for each other
template <class T, int N, class F>
DCN_INLINE void for_some_columns(T* db, std::size_t Trows, std::size_t W, std::size_t c,
                                 const F& f) {
  Vec<T> sums[N] = {};
  for (std::size_t t = 0, at = c; t < Trows; ++t, at += ld<T>(W)) {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) sums[n] = sums[n] + f(at + n * kLanes<T>);
  }
  DCN_UNROLL
  for (int n = 0; n < N; ++n) add_partial(db + c + n * kLanes<T>, sums[n], W - c - n * kLanes<T>);
}

// f for every vector of the tile; the sums over rows go to db (W)
template <class T, class F>
DCN_INLINE void for_columns(T* db, std::size_t Trows, std::size_t W, const F& f) {
  const std::size_t count = vectors<T>(W);
  std::size_t v = 0;
  for (; v + 4 <= count; v += 4) for_some_columns<T, 4>(db, Trows, W, v * kLanes<T>, f);
  for (; v + 2 <= count; v += 2) for_some_columns<T, 2>(db, Trows, W, v * kLanes<T>, f);
  for (; v < count; ++v) for_some_columns<T, 1>(db, Trows, W, v * kLanes<T>, f);
}
