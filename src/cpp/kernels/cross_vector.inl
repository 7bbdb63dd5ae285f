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

// kStreaming: the results of all rows fit no cache, so they are stored by streaming stores, without
// being read first.
template <bool kStreaming, class T> DCN_INLINE void store_out(T* p, Vec<T> v) {
  if constexpr (kStreaming)
    stream_store(p, v);
  else
    store(p, v);
}

// p(n) = x0 . w (n), and s = x0 . dxL where kBackward, of one row: the products that come first
// read the table row by row, which is how memory is fast. Two sums each, so that they need not
// wait. Where the row's gradient will be written, dx0, is on its way meanwhile.
template <class T, int N, bool kBackward, bool kStreaming>
DCN_INLINE void row_dots(T* p, std::size_t p_ld, T* s, const T* x0, const T* dxL, const T* w,
                         const T* dx0, std::size_t D) {
  constexpr int kSums = N > 0 ? N : 1;
  Vec<T> acc[2][kSums] = {}, with_g[2] = {};
  const auto add = [&](int half, std::size_t d, auto load_some) {
    const Vec<T> xv = load_some(x0 + d);
    DCN_UNROLL
    for (int n = 0; n < N; ++n) acc[half][n] = fma(xv, load_some(w + n * D + d), acc[half][n]);
    if constexpr (kBackward) {
      if constexpr (!kStreaming) prefetch(dx0 + d);
      with_g[half] = fma(load_some(dxL + d), xv, with_g[half]);
    }
  };
  const auto whole = [](const T* from) { return load(from); };
  std::size_t d = 0;
  for (; d + 2 * kLanes<T> <= D; d += 2 * kLanes<T>) {
    add(0, d, whole);
    add(1, d + kLanes<T>, whole);
  }
  if (d + kLanes<T> <= D) {
    add(0, d, whole);
    d += kLanes<T>;
  }
  if (d < D) add(1, d, [=](const T* from) { return load_partial(from, D - d); });
  DCN_UNROLL
  for (int n = 0; n < N; ++n) p[n * p_ld] = sum(acc[0][n] + acc[1][n]);
  if constexpr (kBackward) *s = sum(with_g[0] + with_g[1]);
}

// p (L,T) and a (L+1,T) of one row; s = x0 . dxL on the way, where kBackward
template <class T, bool kBackward, bool kStreaming>
DCN_INLINE void row_scalars(T* p, T* a, T* s, const T* x0, const T* dxL, const T* w, const T* q,
                            const T* dx0, std::size_t Trows, std::size_t L, std::size_t D) {
  std::size_t l = 0;
  if (L >= 3) {
    row_dots<T, 3, kBackward, kStreaming>(p, Trows, s, x0, dxL, w, dx0, D);
    l = 3;
  } else if (kBackward) {
    row_dots<T, 0, true, kStreaming>(nullptr, 0, s, x0, dxL, nullptr, dx0, D);
  }
  for (; l + 3 <= L; l += 3)
    row_dots<T, 3, false, kStreaming>(p + l * Trows, Trows, nullptr, x0, nullptr, w + l * D,
                                      nullptr, D);
  for (; l < L; ++l)
    row_dots<T, 1, false, kStreaming>(p + l * Trows, Trows, nullptr, x0, nullptr, w + l * D,
                                      nullptr, D);
  T al = a[0] = T(1);
  for (l = 0; l < L; ++l) {
    al = (al + al * p[l * Trows]) + q[l];
    a[(l + 1) * Trows] = al;
  }
}

template <class T, bool kStreaming>
void cross_vector_forward_as(T* xL, T* p, T* a, const T* x0, const T* w, const T* c, const T* q,
                             std::size_t Trows, std::size_t L, std::size_t D, std::size_t stride) {
  const T* cL = c + L * padded<T>(D);
  for (std::size_t t = 0; t < Trows; ++t, x0 += stride, xL += stride) {
    row_scalars<T, false, kStreaming>(p + t, a + t, nullptr, x0, nullptr, w, q, nullptr, Trows, L,
                                      D);
    const Vec<T> aL = broadcast(a[L * Trows + t]);
    std::size_t d = 0;
    for (; d + kLanes<T> <= D; d += kLanes<T>)
      store_out<kStreaming>(xL + d, fma(aL, load(x0 + d), load(cL + d)));
    if (d < D) store_partial(xL + d, fma(aL, load_partial(x0 + d, D - d), load(cL + d)), D - d);
  }
  if constexpr (kStreaming) stream_fence();
}

template <class T>
void cross_vector_forward(T* xL, T* p, T* a, const T* x0, const T* w, const T* c, const T* q,
                          std::size_t Trows, std::size_t L, std::size_t D, std::size_t stride,
                          bool streaming) {
  const auto run = streaming ? cross_vector_forward_as<T, true> : cross_vector_forward_as<T, false>;
  run(xL, p, a, x0, w, c, q, Trows, L, D, stride);
}

// Rows that the rest of the backward takes together: each load of w and dw serves so many.
inline constexpr int kBlockRows = 4;

// R rows of the backward for layers [l, l + N): dx0 gets dp_l w_l, dw_l dp_l x0. The first call of
// a row also brings in dxL: dx0 = aL dxL, dc = its sum over rows.
template <class T, int R, int N, bool kFirst, bool kStreaming>
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
  const auto columns = [&](std::size_t d, auto load_some, auto store_some, auto store_dx) {
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
        const Vec<T> g = load_some(dxL + at);
        if constexpr (kStreaming) {  // nobody else asks for the next block while this one computes
          prefetch_to_L2(dxL + at + R * stride);
          prefetch_to_L2(x0 + at + R * stride);
        }
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
      store_dx(dx0 + at, dx);
    }
    DCN_UNROLL
    for (int n = 0; n < N; ++n) store_some(dw + n * D + d, dwv[n]);
    if constexpr (kFirst) store_some(dc + d, total);
  };
  std::size_t d = 0;
  for (; d + kLanes<T> <= D; d += kLanes<T>)
    columns(
        d, [](const T* from) { return load(from); }, [](T* to, Vec<T> v) { store(to, v); },
        [](T* to, Vec<T> v) { store_out<kStreaming>(to, v); });
  if (d < D) {
    const auto some = [=](T* to, Vec<T> v) { store_partial(to, v, D - d); };
    columns(d, [=](const T* from) { return load_partial(from, D - d); }, some, some);
  }
}

// with G = dxL: da_L = G . x0, then down: da_l = da_{l+1} (1 + p_l), dp_l = da_{l+1} a_l,
// dq_l = sum_t da_{l+1}; dx0 = a_L G + sum_l dp_l w_l; dw_l = sum_t dp_l x0 + dq_l c_l
// s (R) = G . x0 is given, and p and a
template <class T, int R, bool kStreaming>
DCN_INLINE void block_backward(T* dx0, T* dw, T* dp, T* dq, T* dc, const T* s, const T* dxL,
                               const T* p, const T* a, const T* x0, const T* w, std::size_t Trows,
                               std::size_t L, std::size_t D, std::size_t stride) {
  for (int r = 0; r < R; ++r) {
    T da = s[r];
    for (std::size_t l = L; l-- > 0;) {
      dp[l * Trows + r] = da * a[l * Trows + r];
      dq[l] = dq[l] + da;
      da = da + da * p[l * Trows + r];
    }
  }
  const T* aL = a + L * Trows;
  std::size_t l = L < 3 ? L : 3;
  if (l == 3)
    block_columns<T, R, 3, true, kStreaming>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, stride);
  else if (l == 2)
    block_columns<T, R, 2, true, kStreaming>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, stride);
  else if (l == 1)
    block_columns<T, R, 1, true, kStreaming>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, stride);
  else
    block_columns<T, R, 0, true, kStreaming>(dx0, dw, dc, dxL, dp, aL, x0, w, Trows, D, stride);
  for (; l < L; ++l)
    block_columns<T, R, 1, false, false>(dx0, dw + l * D, dc, dxL, dp + l * Trows, aL, x0,
                                         w + l * D, Trows, D, stride);
}

template <int R> struct RowsConstant {
  static constexpr int value = R;
};

// Rows of a table that lie pages apart share the same few sets of L1, and drive each other out of
// it: then each is taken alone. With streaming stores parts of a page are enough.
template <class T, bool kStreaming> DCN_INLINE bool rows_collide(std::size_t stride) {
  return stride * sizeof(T) % (kStreaming ? 1024 : 4096) == 0;
}

// f(row, rows as a constant): blocks, unless each row is to be alone, then one by one what is left
template <class F> DCN_INLINE void for_blocks(std::size_t Trows, bool alone, F&& f) {
  std::size_t t = 0;
  for (; !alone && t + kBlockRows <= Trows; t += kBlockRows) f(t, RowsConstant<kBlockRows>{});
  for (; t < Trows; ++t) f(t, RowsConstant<1>{});
}

template <class T> DCN_INLINE void start_backward(T* dq, T* dc, std::size_t L, std::size_t D) {
  for (std::size_t d = 0; d < D; ++d) dc[d] = T(0);
  for (std::size_t l = 0; l < L; ++l) dq[l] = T(0);
}

// db_k = sum_t G + sum_{l > k} dq_l w_l, because c_l is the sum of the b below l
template <class T>
DCN_INLINE void finish_backward(T* dw, T* db, const T* dq, T* dc, const T* w, const T* c,
                                std::size_t L, std::size_t D) {
  for (std::size_t l = L; l-- > 0;) {  // dc holds dLoss / dc_{l+1} on entry of each round
    const Vec<T> dql = broadcast(dq[l]);
    for (std::size_t d = 0; d < D; d += kLanes<T>) {
      const std::size_t at = l * D + d, n = D - d < kLanes<T> ? D - d : kLanes<T>;
      const Vec<T> g = load_partial(dc + d, n);
      store_partial(db + at, load_partial(db + at, n) + g, n);
      store_partial(dw + at, load_partial(dw + at, n) + dql * load(c + l * padded<T>(D) + d), n);
      store_partial(dc + d, g + dql * load_partial(w + at, n), n);
    }
  }
}

template <class T>
void cross_vector_backward(T* dx0, T* dw, T* db, T* dp, T* dq, T* dc, const T* dxL, const T* p,
                           const T* a, const T* x0, const T* w, const T* c, std::size_t Trows,
                           std::size_t L, std::size_t D, std::size_t stride) {
  start_backward(dq, dc, L, D);
  for_blocks(Trows, rows_collide<T, false>(stride), [=](std::size_t t, auto rows) {
    constexpr int R = decltype(rows)::value;
    T s[R];
    const std::size_t at = t * stride;
    for (int r = 0; r < R; ++r)
      row_dots<T, 0, true, false>(nullptr, 0, s + r, x0 + at + r * stride, dxL + at + r * stride,
                                  nullptr, dx0 + at + r * stride, D);
    block_backward<T, R, false>(dx0 + at, dw, dp + t, dq, dc, s, dxL + at, p + t, a + t, x0 + at, w,
                                Trows, L, D, stride);
  });
  finish_backward(dw, db, dq, dc, w, c, L, D);
}

// Both at once for those who do not want xL: each block is read from memory once.
template <class T, bool kStreaming>
void cross_vector_gradients_as(T* dx0, T* dw, T* db, T* p, T* a, T* dp, T* dq, T* dc, const T* dxL,
                               const T* x0, const T* w, const T* c, const T* q, std::size_t Trows,
                               std::size_t L, std::size_t D, std::size_t stride) {
  start_backward(dq, dc, L, D);
  for_blocks(Trows, rows_collide<T, kStreaming>(stride), [=](std::size_t t, auto rows) {
    constexpr int R = decltype(rows)::value;
    T s[R];
    const std::size_t at = t * stride;
    for (int r = 0; r < R; ++r)
      row_scalars<T, true, kStreaming>(p + t + r, a + t + r, s + r, x0 + at + r * stride,
                                       dxL + at + r * stride, w, q, dx0 + at + r * stride, Trows, L,
                                       D);
    block_backward<T, R, kStreaming>(dx0 + at, dw, dp + t, dq, dc, s, dxL + at, p + t, a + t,
                                     x0 + at, w, Trows, L, D, stride);
  });
  finish_backward(dw, db, dq, dc, w, c, L, D);
  if constexpr (kStreaming) stream_fence();
}

template <class T>
void cross_vector_gradients(T* dx0, T* dw, T* db, T* p, T* a, T* dp, T* dq, T* dc, const T* dxL,
                            const T* x0, const T* w, const T* c, const T* q, std::size_t Trows,
                            std::size_t L, std::size_t D, std::size_t stride, bool streaming) {
  // more layers than one pass takes read dx0 again
  const auto run = streaming && L <= 3 ? cross_vector_gradients_as<T, true>
                                       : cross_vector_gradients_as<T, false>;
  run(dx0, dw, db, p, a, dp, dq, dc, dxL, x0, w, c, q, Trows, L, D, stride);
}
