// Stage 3, what is between the product and the elementwise end of an exponential cross layer
// (DCNv3): g = [h, h * m] + b, with h = W x (T,H) and the mask m (T,H), of which the second half of
// g, D - H columns, has the first.

template <class T>
void halves_forward(T* g, const T* h, const T* m, const T* b, std::size_t Trows, std::size_t H,
                    std::size_t D) {
  for (std::size_t t = 0; t < Trows; ++t) {
    const T *hr = h + t * ld<T>(H), *mr = m + t * ld<T>(H);
    T* gr = g + t * ld<T>(D);
    for (std::size_t c = 0; c < H; c += kLanes<T>) {
      const std::size_t n = in_vector<T>(H - c);
      store_partial(gr + c, load(hr + c) + load_partial(b + c, n), n);
    }
    for (std::size_t c = H; c < D; c += kLanes<T>) {
      const std::size_t n = in_vector<T>(D - c);
      const Vec<T> masked = fma(load(hr + c - H), load(mr + c - H), load_partial(b + c, n));
      store_partial(gr + c, masked, n);
    }
  }
}

// dh = dg_1 + dg_2 m, dm = dg_2 h, 0 in the column that the second half has not; db = sum of dg
template <class T>
void halves_backward(T* dh, T* dm, T* db, const T* dg, const T* h, const T* m, std::size_t Trows,
                     std::size_t H, std::size_t D) {
  for_columns(db, Trows, D, [=](std::size_t at) { return load(dg + at); });
  for (std::size_t t = 0; t < Trows; ++t) {
    const T* dgr = dg + t * ld<T>(D);
    for (std::size_t c = 0, at = t * ld<T>(H); c < H; c += kLanes<T>, at += kLanes<T>) {
      const std::size_t n = c < D - H ? in_vector<T>(D - H - c) : 0;
      const Vec<T> first = load_partial(dgr + c, in_vector<T>(H - c));
      const Vec<T> second = load_partial(dgr + H + c, n);
      store(dh + at, fma(second, load(m + at), first));
      store(dm + at, second * load(h + at));
    }
  }
}
