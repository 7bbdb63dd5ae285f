// Stage 3, vector form. Wang et al. 2017, eq. 3: x_{l+1} = x0 (x_l . w_l) + b_l + x_l.
// By induction x_l = a_l x0 + c_l with a_0 = 1, c_0 = 0: one number a row, one vector for all rows.
//   p_l = x0 . w_l, q_l = c_l . w_l,  a_{l+1} = a_l (1 + p_l) + q_l,  c_{l+1} = c_l + b_l
// So all layers need one skinny product x0 w^T, and nothing of size (T,D) is kept.

// the sum over D of x(d) y(d), lanes first, then the tail in a masked vector
template <class T> DCN_INLINE T dot_dense(const T* x, const T* y, std::size_t D) {
  Vec<T> acc = broadcast(T(0));
  std::size_t d = 0;
  for (; d + kLanes<T> <= D; d += kLanes<T>) acc = fma(load(x + d), load(y + d), acc);
  if (d < D) acc = fma(load_partial(x + d, D - d), load_partial(y + d, D - d), acc);
  return sum(acc);
}

template <class T>
void cross_vector_prepare(T* c, T* q, const T* w, const T* b, std::size_t L, std::size_t D) {
  const std::size_t stride = padded<T>(D);
  for (std::size_t d = 0; d < stride; ++d) c[d] = T(0);
  for (std::size_t l = 0; l < L; ++l) {
    T* next = c + (l + 1) * stride;
    for (std::size_t d = 0; d < stride; ++d)
      next[d] = d < D ? c[l * stride + d] + b[l * D + d] : T(0);
    q[l] = dot_dense(c + l * stride, w + l * D, D);
  }
}

// Rows are worked through in blocks that stay in L1 from the products to the results, so that the
// table passes through memory once, forward or backward.
inline constexpr int kBlockRows = 4;

// p(n, r) = x0 (r) . w (n), and s(r) = x0 (r) . dxL (r) where kBackward: each load serves R or N
// products
template <class T, int R, int N, bool kBackward>
DCN_INLINE void block_dots(T* p, std::size_t p_ld, T* s, const T* x0, const T* dxL, const T* w,
                           std::size_t D, std::size_t stride) {
  Vec<T> acc[N > 0 ? N : 1][R] = {}, with_g[R] = {};
  const auto columns = [&](std::size_t d, auto load_some) {
    Vec<T> wv[N > 0 ? N : 1] = {};
  DCN_UNROLL
    for (int n = 0; n < N; ++n) wv[n] = load_some(w + n * D + d);
    DCN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> xv = load_some(x0 + r * stride + d);
      DCN_UNROLL
      for (int n = 0; n < N; ++n) acc[n][r] = fma(xv, wv[n], acc[n][r]);
      if constexpr (kBackward) with_g[r] = fma(load_some(dxL + r * stride + d), xv, with_g[r]);
    }
  };
  std::size_t d = 0;
  for (; d + kLanes<T> <= D; d += kLanes<T>) columns(d, [](const T* from) { return load(from); });
  if (d < D) columns(d, [=](const T* from) { return load_partial(from, D - d); });
  DCN_UNROLL
  for (int r = 0; r < R; ++r) {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) p[n * p_ld + r] = sum(acc[n][r]);
    if constexpr (kBackward) s[r] = sum(with_g[r]);
  }
}

// p (L,T) and a (L+1,T) of R rows
template <class T, int R>
DCN_INLINE void block_scalars(T* p, T* a, const T* x0, const T* w, const T* q, std::size_t Trows,
                              std::size_t L, std::size_t D, std::size_t stride) {
  std::size_t l = 0;
  for (; l + 3 <= L; l += 3)
    block_dots<T, R, 3, false>(p + l * Trows, Trows, nullptr, x0, nullptr, w + l * D, D, stride);
  for (; l < L; ++l)
    block_dots<T, R, 1, false>(p + l * Trows, Trows, nullptr, x0, nullptr, w + l * D, D, stride);
  for (int r = 0; r < R; ++r) a[r] = T(1);
  for (l = 0; l < L; ++l)
    for (int r = 0; r < R; ++r) {
      const T al = a[l * Trows + r];
      a[(l + 1) * Trows + r] = (al + al * p[l * Trows + r]) + q[l];
    }
}

template <class T, int R>
DCN_INLINE void block_forward(T* xL, T* p, T* a, const T* x0, const T* w, const T* c, const T* q,
                              std::size_t Trows, std::size_t L, std::size_t D,
                              std::size_t stride) {
  block_scalars<T, R>(p, a, x0, w, q, Trows, L, D, stride);
  const T *aL = a + L * Trows, *cL = c + L * padded<T>(D);
  for (std::size_t d = 0; d < D; d += kLanes<T>) {
    const std::size_t left = D - d;
    DCN_UNROLL
    for (int r = 0; r < R; ++r) {
      const std::size_t at = r * stride + d;
      prefetch_far(x0 + at + R * stride);  // rows may lie a page apart: no hardware looks ahead
      if (left >= kLanes<T>)
        store(xL + at, fma(broadcast(aL[r]), load(x0 + at), load(cL + d)));
      else
        store_partial(xL + at, fma(broadcast(aL[r]), load_partial(x0 + at, left), load(cL + d)),
                      left);
    }
  }
}

template <class T>
void cross_vector_forward(T* xL, T* p, T* a, const T* x0, const T* w, const T* c, const T* q,
                          std::size_t Trows, std::size_t L, std::size_t D, std::size_t stride) {
  std::size_t t = 0;
  for (; t + kBlockRows <= Trows; t += kBlockRows)
    block_forward<T, kBlockRows>(xL + t * stride, p + t, a + t, x0 + t * stride, w, c, q, Trows, L,
                                 D, stride);
  for (; t < Trows; ++t)
    block_forward<T, 1>(xL + t * stride, p + t, a + t, x0 + t * stride, w, c, q, Trows, L, D,
                        stride);
}

// R rows of the backward for layers [l, l + N): dx0 gets dp_l w_l, dw_l dp_l x0. The first call of
// a row also brings in dxL: dx0 = aL dxL, dc = its sum over rows.
template <class T, int R, int N, bool kFirst>
DCN_INLINE void block_columns(T* dx0, T* dw, T* dc, const T* dxL, const T* dp, const T* aL,
                              const T* x0, const T* w, std::size_t Trows, std::size_t D,
                              std::size_t stride) {
  Vec<T> dpv[N > 0 ? N : 1][R] = {}, aLv[R];
  DCN_UNROLL
  for (int r = 0; r < R; ++r) {
    aLv[r] = broadcast(aL[r]);
    DCN_UNROLL
    for (int n = 0; n < N; ++n) dpv[n][r] = broadcast(dp[n * Trows + r]);
  }
  const auto columns = [&](std::size_t d, auto load_some, auto store_some) {
    Vec<T> wv[N > 0 ? N : 1] = {}, dwv[N > 0 ? N : 1] = {};
    DCN_UNROLL
    for (int n = 0; n < N; ++n) {
      wv[n] = load_some(w + n * D + d);
      dwv[n] = load_some(dw + n * D + d);
    }
    Vec<T> total = kFirst ? load_some(dc + d) : Vec<T>{};
    DCN_UNROLL
    for (int r = 0; r < R; ++r) {
      const std::size_t at = r * stride + d;
      Vec<T> dx;
      if constexpr (kFirst) {
        prefetch_far(x0 + at + R * stride);
        prefetch_far(dxL + at + R * stride);
        const Vec<T> g = load_some(dxL + at);
        total = total + g;
        dx = aLv[r] * g;
      } else {
        dx = load_some(dx0 + at);
      }
      const Vec<T> x = load_some(x0 + at);
      DCN_UNROLL
      for (int n = 0; n < N; ++n) {
        dx = fma(dpv[n][r], wv[n], dx);
        dwv[n] = fma(dpv[n][r], x, dwv[n]);
      }
      store_some(dx0 + at, dx);
    }
    DCN_UNROLL
    for (int n = 0; n < N; ++n) store_some(dw + n * D + d, dwv[n]);
    if constexpr (kFirst) store_some(dc + d, total);
  };
  std::size_t d = 0;
  for (; d + kLanes<T> <= D; d += kLanes<T>)
    columns(d, [](const T* from) { return load(from); }, [](T* to, Vec<T> v) { store(to, v); });
  if (d < D)
    columns(d, [=](const T* from) { return load_partial(from, D - d); },
            [=](T* to, Vec<T> v) { store_partial(to, v, D - d); });
}

// with G = dxL: da_L = G . x0, then down: da_l = da_{l+1} (1 + p_l), dp_l = da_{l+1} a_l,
// dq_l = sum_t da_{l+1}; dx0 = a_L G + sum_l dp_l w_l; dw_l = sum_t dp_l x0 + dq_l c_l
template <class T, int R>
DCN_INLINE void block_backward(T* dx0, T* dw, T* dp, T* dq, T* dc, const T* dxL, const T* p,
                               const T* a, const T* x0, const T* w, std::size_t Trows,
                               std::size_t L, std::size_t D, std::size_t stride) {
  T da[R];
  block_dots<T, R, 0, true>(nullptr, 0, da, x0, dxL, nullptr, D, stride);
  for (std::size_t l = L; l-- > 0;)
    for (int r = 0; r < R; ++r) {
      dp[l * Trows + r] = da[r] * a[l * Trows + r];
      dq[l] = dq[l] + da[r];
      da[r] = da[r] + da[r] * p[l * Trows + r];
    }
  const T* aL = a + L * Trows;
  std::size_t l = L < 3 ? L : 3;
  if (l == 3)
    block_columns<T, R, 3, true>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, stride);
  else if (l == 2)
    block_columns<T, R, 2, true>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, stride);
  else if (l == 1)
    block_columns<T, R, 1, true>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, stride);
  else
    block_columns<T, R, 0, true>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, stride);
  for (; l < L; ++l)
    block_columns<T, R, 1, false>(dx0, dw + l * D, dc, dxL, dp + l * Trows, aL, x0, w + l * D,
                                  Trows, D, stride);
}

// db_k = sum_t G + sum_{l > k} dq_l w_l, because c_l is the sum of the b below l
template <class T>
DCN_INLINE void finish_backward(T* dw, T* db, const T* dq, T* dc, const T* w, const T* c,
                                std::size_t L, std::size_t D) {
  for (std::size_t l = L; l-- > 0;)  // dc holds dLoss / dc_{l+1} on entry of each round
    for (std::size_t d = 0; d < D; ++d) {
      db[l * D + d] += dc[d];
      dw[l * D + d] += dq[l] * c[l * padded<T>(D) + d];
      dc[d] += dq[l] * w[l * D + d];
    }
}

template <class T>
void cross_vector_backward(T* dx0, T* dw, T* db, T* dp, T* dq, T* dc, const T* dxL, const T* p,
                           const T* a, const T* x0, const T* w, const T* c, std::size_t Trows,
                           std::size_t L, std::size_t D, std::size_t stride) {
  for (std::size_t d = 0; d < D; ++d) dc[d] = T(0);
  for (std::size_t l = 0; l < L; ++l) dq[l] = T(0);
  std::size_t t = 0;
  for (; t + kBlockRows <= Trows; t += kBlockRows)
    block_backward<T, kBlockRows>(dx0 + t * stride, dw, dp + t, dq, dc, dxL + t * stride, p + t,
                                  a + t, x0 + t * stride, w, Trows, L, D, stride);
  for (; t < Trows; ++t)
    block_backward<T, 1>(dx0 + t * stride, dw, dp + t, dq, dc, dxL + t * stride, p + t, a + t,
                         x0 + t * stride, w, Trows, L, D, stride);
  finish_backward(dw, db, dq, dc, w, c, L, D);
}

// Both at once for those who do not want xL: each block is read from memory once.
template <class T, int R>
DCN_INLINE void block_both(T* dx0, T* dw, T* p, T* a, T* dp, T* dq, T* dc, const T* dxL,
                           const T* x0, const T* w, const T* q, std::size_t Trows, std::size_t L,
                           std::size_t D, std::size_t stride) {
  block_scalars<T, R>(p, a, x0, w, q, Trows, L, D, stride);
  block_backward<T, R>(dx0, dw, dp, dq, dc, dxL, p, a, x0, w, Trows, L, D, stride);
}

template <class T>
void cross_vector_gradients(T* dx0, T* dw, T* db, T* p, T* a, T* dp, T* dq, T* dc, const T* dxL,
                            const T* x0, const T* w, const T* c, const T* q, std::size_t Trows,
                            std::size_t L, std::size_t D, std::size_t stride) {
  for (std::size_t d = 0; d < D; ++d) dc[d] = T(0);
  for (std::size_t l = 0; l < L; ++l) dq[l] = T(0);
  std::size_t t = 0;
  for (; t + kBlockRows <= Trows; t += kBlockRows)
    block_both<T, kBlockRows>(dx0 + t * stride, dw, p + t, a + t, dp + t, dq, dc, dxL + t * stride,
                              x0 + t * stride, w, q, Trows, L, D, stride);
  for (; t < Trows; ++t)
    block_both<T, 1>(dx0 + t * stride, dw, p + t, a + t, dp + t, dq, dc, dxL + t * stride,
                     x0 + t * stride, w, q, Trows, L, D, stride);
  finish_backward(dw, db, dq, dc, w, c, L, D);
}
