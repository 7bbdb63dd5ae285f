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

// out(n, row) = x (row) . y (n), R rows against N vectors at a time: each load serves R or N
// products
template <class T, int R, int N>
DCN_INLINE void dots_tile(T* out, std::size_t out_ld, const T* x, std::size_t x_ld, const T* y,
                          std::size_t D) {
  Vec<T> acc[N][R] = {};
  std::size_t d = 0;
  for (; d + kLanes<T> <= D; d += kLanes<T>) DCN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> xv = load(x + r * x_ld + d);
      DCN_UNROLL
      for (int n = 0; n < N; ++n) acc[n][r] = fma(xv, load(y + n * D + d), acc[n][r]);
    }
  if (d < D)
    DCN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> xv = load(x + r * x_ld + d);  // padded rows: zero or cut off by y's zeros
      DCN_UNROLL
      for (int n = 0; n < N; ++n)
        acc[n][r] = fma(xv, load_partial(y + n * D + d, D - d), acc[n][r]);
    }
  DCN_UNROLL
  for (int n = 0; n < N; ++n)
    DCN_UNROLL
    for (int r = 0; r < R; ++r) out[n * out_ld + r] = sum(acc[n][r]);
}

template <class T, int N>
DCN_INLINE void dots_rows(T* out, const T* x, const T* y, std::size_t Trows, std::size_t D) {
  std::size_t t = 0;
  for (; t + 4 <= Trows; t += 4)
    dots_tile<T, 4, N>(out + t, Trows, x + t * ld<T>(D), ld<T>(D), y, D);
  for (; t < Trows; ++t)
    dots_tile<T, 1, N>(out + t, Trows, x + t * ld<T>(D), ld<T>(D), y, D);
}

// p (L,T) = x0 (T,D) w (L,D)^T
template <class T>
DCN_INLINE void dots(T* p, const T* x0, const T* w, std::size_t Trows, std::size_t L,
                     std::size_t D) {
  std::size_t l = 0;
  for (; l + 3 <= L; l += 3) dots_rows<T, 3>(p + l * Trows, x0, w + l * D, Trows, D);
  for (; l < L; ++l) dots_rows<T, 1>(p + l * Trows, x0, w + l * D, Trows, D);
}

template <class T>
void cross_vector_forward(T* xL, T* p, T* a, const T* x0, const T* w, const T* c, const T* q,
                          std::size_t Trows, std::size_t L, std::size_t D) {
  dots(p, x0, w, Trows, L, D);
  for (std::size_t t = 0; t < Trows; ++t) a[t] = T(1);
  for (std::size_t l = 0; l < L; ++l)
    for (std::size_t t = 0; t < Trows; ++t) {
      const T al = a[l * Trows + t];
      a[(l + 1) * Trows + t] = (al + al * p[l * Trows + t]) + q[l];
    }
  const T* aL = a + L * Trows;
  const T* cL = c + L * padded<T>(D);
  for (std::size_t t = 0; t < Trows; ++t)
    for (std::size_t d = 0; d < D; d += kLanes<T>) {
      const std::size_t at = t * ld<T>(D) + d;
      store(xL + at, fma(broadcast(aL[t]), load(x0 + at), load(cL + d)));
    }
}

// Columns [d, d + lanes) of the backward for layers [l, l + N): dx0 gets dp_l w_l, dw_l dp_l x0.
// The first call of a column also brings in dxL: dx0 = aL dxL, dc = its sum over rows.
template <class T, int N, bool kFirst>
DCN_INLINE void cross_vector_column(T* dx0, T* dw, T* dc, const T* dxL, const T* dp, const T* aL,
                                    const T* x0, const T* w, std::size_t Trows, std::size_t D,
                                    std::size_t d) {
  const std::size_t left = D - d < kLanes<T> ? D - d : kLanes<T>;
  Vec<T> wv[N > 0 ? N : 1] = {}, dwv[N > 0 ? N : 1] = {};
  DCN_UNROLL
  for (int n = 0; n < N; ++n) wv[n] = load_partial(w + n * D + d, left);
  Vec<T> total = broadcast(T(0));
  std::size_t at = d;
  for (std::size_t t = 0; t < Trows; ++t, at += ld<T>(D)) {
    Vec<T> dx;
    if constexpr (kFirst) {
      const Vec<T> g = load(dxL + at);
      total = total + g;
      dx = broadcast(aL[t]) * g;
    } else {
      dx = load(dx0 + at);
    }
    const Vec<T> x = load(x0 + at);
    DCN_UNROLL
    for (int n = 0; n < N; ++n) {
      const Vec<T> dpn = broadcast(dp[n * Trows + t]);
      dx = fma(dpn, wv[n], dx);
      dwv[n] = fma(dpn, x, dwv[n]);
    }
    store(dx0 + at, dx);
  }
  DCN_UNROLL
  for (int n = 0; n < N; ++n) add_partial(dw + n * D + d, dwv[n], left);
  if constexpr (kFirst) store_partial(dc + d, total, left);
}

// with G = dxL: da_L = G . x0, then down: da_l = da_{l+1} (1 + p_l), dp_l = da_{l+1} a_l,
// dq_l = sum_t da_{l+1}; dx0 = a_L G + sum_l dp_l w_l; dw_l = sum_t dp_l x0 + dq_l c_l;
// db_k = sum_t G + sum_{l > k} dq_l w_l, because c_l is the sum of the b below l
template <class T>
void cross_vector_backward(T* dx0, T* dw, T* db, T* dp, T* dq, T* dc, const T* dxL, const T* p,
                           const T* a, const T* x0, const T* w, const T* c, std::size_t Trows,
                           std::size_t L, std::size_t D) {
  for (std::size_t t = 0; t < Trows; ++t) {
    Vec<T> acc = broadcast(T(0));
    for (std::size_t d = 0; d < D; d += kLanes<T>) {
      const std::size_t at = t * ld<T>(D) + d;
      const Vec<T> g = D - d < kLanes<T> ? load_partial(dxL + at, D - d) : load(dxL + at);
      acc = fma(g, load(x0 + at), acc);
    }
    T da = sum(acc);
    for (std::size_t l = L; l-- > 0;) {
      dp[l * Trows + t] = da * a[l * Trows + t];
      dq[l] = (t == 0 ? T(0) : dq[l]) + da;
      da = da + da * p[l * Trows + t];
    }
  }
  const T* aL = a + L * Trows;
  for (std::size_t d = 0; d < D; d += kLanes<T>) {
    std::size_t l = L < 3 ? L : 3;
    if (l == 3)
      cross_vector_column<T, 3, true>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, d);
    else if (l == 2)
      cross_vector_column<T, 2, true>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, d);
    else if (l == 1)
      cross_vector_column<T, 1, true>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, d);
    else
      cross_vector_column<T, 0, true>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, d);
    for (; l < L; ++l)
      cross_vector_column<T, 1, false>(dx0, dw + l * D, dc, dxL, dp + l * Trows, aL, x0, w + l * D,
                                       Trows, D, d);
  }
  for (std::size_t l = L; l-- > 0;)  // dc holds dLoss / dc_{l+1} on entry of each round
    for (std::size_t d = 0; d < D; ++d) {
      db[l * D + d] += dc[d];
      dw[l * D + d] += dq[l] * c[l * padded<T>(D) + d];
      dc[d] += dq[l] * w[l * D + d];
    }
}
