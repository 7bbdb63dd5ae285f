// Stage 2, members: each sees the columns multiplied by numbers of its own (BatchEnsemble, Wen et
// al., 2020; TabM, Gorishniy et al., 2025), and back. Behind it a tile has a row for each member of
// each of its rows, member after member.

template <class T>
void members_forward(T* x0, const T* x, const T* r, std::size_t Trows, std::size_t E,
                     std::size_t D) {
  for (std::size_t e = 0; e < E; ++e, r += padded<T>(D))
    for (std::size_t t = 0; t < Trows; ++t, x0 += ld<T>(D))
      for (std::size_t d = 0; d < D; d += kLanes<T>)
        store(x0 + d, load(x + t * ld<T>(D) + d) * load(r + d));
}

template <class T>
void members_backward(T* dx, T* dr, const T* dx0, const T* x, const T* r, std::size_t Trows,
                      std::size_t E, std::size_t D) {
  const std::size_t stride = ld<T>(D), of_member = Trows * stride;
  for (std::size_t d = 0; d < D; d += kLanes<T>) {
    for (std::size_t e = 0; e < E; ++e) {
      const Vec<T> scale = load(r + e * padded<T>(D) + d);
      const T* from = dx0 + e * of_member + d;
      Vec<T> sum = broadcast(T(0));
      for (std::size_t t = 0; t < Trows; ++t) {
        const Vec<T> g = load(from + t * stride);
        T* to = dx + t * stride + d;
        sum = fma(g, load(x + t * stride + d), sum);
        store(to, e == 0 ? g * scale : fma(g, scale, load(to)));
      }
      store(dr + e * padded<T>(D) + d, sum);
    }
  }
}
