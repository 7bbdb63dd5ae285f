// Sums over the rows of a tile, and the elementwise first half that all backward kernels share.

// sums[c] += column c of values, for the columns of one vector
template <class T> DCN_INLINE void add_partial(T* p, Vec<T> a, std::size_t n) {
  if (n >= kLanes<T>)
    store(p, load(p) + a);
  else
    store_partial(p, load_partial(p, n) + a, n);
}

// f(offset of the row's vector, column) for every vector of the tile; the sums go to db (W)
template <class T, class F>
DCN_INLINE void for_columns(T* db, std::size_t Trows, std::size_t W, const F& f) {
  for (std::size_t c = 0; c < W; c += kLanes<T>) {
    Vec<T> sum_c = broadcast(T(0));
    std::size_t at = c;
    for (std::size_t t = 0; t < Trows; ++t, at += ld<T>(W)) sum_c = sum_c + f(at);
    add_partial(db + c, sum_c, W - c);
  }
}
