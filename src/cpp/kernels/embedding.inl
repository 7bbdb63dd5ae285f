// Stage 2: ids and rows of the table -> x0 = [embeddings, dense columns], and the way back.

DCN_INLINE std::size_t row_of(const std::int64_t* rows, std::size_t t) {
  return rows != nullptr ? static_cast<std::size_t>(rows[t]) : t;
}

// out[k] = f(out[k], in[k]) for one row of a table, K numbers
template <class T, class F> DCN_INLINE void for_row(T* out, const T* in, std::size_t K, F&& f) {
  std::size_t k = 0;
  for (; k + kLanes<T> <= K; k += kLanes<T>) store(out + k, f(load(out + k), load(in + k)));
  if (k < K)
    store_partial(out + k, f(load_partial(out + k, K - k), load_partial(in + k, K - k)), K - k);
}

// Rows of the batch that are on their way from their tables: the numbers of a row are soon copied,
// so that more rows pass until memory has answered.
inline constexpr std::size_t kRowsAhead = 4, kDenseRowsAhead = 16;

template <class T>
void embedding_forward(T* x0, const Field<T>* fields, const std::int32_t* ids,
                       const std::int64_t* rows, std::size_t Trows, std::size_t F, std::size_t D) {
  for (std::size_t t = 0; t < Trows; ++t, x0 += ld<T>(D)) {
    const std::int32_t* id = ids + row_of(rows, t) * F;
    const std::int32_t* later = ids + row_of(rows, t + kRowsAhead < Trows ? t + kRowsAhead : t) * F;
    for (std::size_t f = 0; f < F; ++f) {
      const Field<T>& field = fields[f];
      const std::size_t now = static_cast<std::size_t>(id[f]);
      const T* from = field.rows + now * field.K;
      prefetch(field.rows + static_cast<std::size_t>(later[f]) * field.K);
      if (field.factors == nullptr) {
        for_row(x0 + field.column, from, field.K, [](Vec<T>, Vec<T> e) { return e; });
        continue;
      }
      prefetch(field.factors + later[f]);
      const Vec<T> factor = broadcast(field.factors[now]);
      for_row(x0 + field.column, from, field.K, [=](Vec<T>, Vec<T> e) { return factor * e; });
    }
  }
}

// The runs are short and many (rare ids) or few and long (frequent ones): always one after the
// other, so that the sum does not depend on how the rows are shared among threads.
template <class T>
void embedding_backward(T* g, const T* dx, std::size_t dx_ld, const std::size_t* columns,
                        const std::uint32_t* occurrences, const std::uint32_t* starts,
                        std::size_t U, std::size_t F, std::size_t K) {
  const auto n_fields = static_cast<std::uint32_t>(F);
  for (std::size_t u = 0; u < U; ++u, g += K) {
    for (std::size_t k = 0; k < K; ++k) g[k] = T(0);
    for (std::uint32_t i = starts[u]; i < starts[u + 1]; ++i) {
      const std::uint32_t row = occurrences[i] / n_fields;
      const T* from = dx + row * dx_ld + columns[occurrences[i] - row * n_fields];
      for_row(g, from, K, [](Vec<T> sum, Vec<T> d) { return sum + d; });
    }
  }
}

// Collision weights (DCN^2): a row times a number of its own, c e. dc = dx . e, de = c dx.
template <class T>
void collision_backward(T* g, T* dfactors, const T* table, const T* factors,
                        const std::uint32_t* rows, std::size_t U, std::size_t K) {
  for (std::size_t u = 0; u < U; ++u, g += K) {
    const Vec<T> factor = broadcast(factors[rows[u]]);
    Vec<T> total = broadcast(T(0));
    for_row(g, table + static_cast<std::size_t>(rows[u]) * K, K, [&](Vec<T> d, Vec<T> e) {
      total = fma(d, e, total);
      return factor * d;
    });
    dfactors[u] = sum(total);
  }
}

template <class T>
void stack_forward(T* x0, const T* dense, std::size_t dense_ld, const std::int64_t* rows,
                   std::size_t Trows, std::size_t M, std::size_t column, std::size_t D) {
  // where the dense columns are the last and begin with a vector, the padding is what is left of
  // their last one
  const bool to_the_end = column % kLanes<T> == 0 && column + M == D;
  const std::size_t padding = to_the_end ? 0 : padded<T>(D) - D;
  for (std::size_t t = 0; t < Trows; ++t, x0 += ld<T>(D)) {
    const T* row = M > 0 ? dense + row_of(rows, t) * dense_ld : dense;
    if (M > 0 && t + kDenseRowsAhead < Trows) {
      const T* later = dense + row_of(rows, t + kDenseRowsAhead) * dense_ld;
      for (std::size_t d = 0; d < M; d += kLanes<T>) prefetch(later + d);
      prefetch(later + M - 1);  // a row begins anywhere in a line
    }
    T* out = x0 + column;
    std::size_t d = 0;
    for (; d + kLanes<T> <= M; d += kLanes<T>) store(out + d, load(row + d));
    if (d < M) store_partial(out + d, load_partial(row + d, M - d), to_the_end ? kLanes<T> : M - d);
    if (padding > 0) store_partial(x0 + D, broadcast(T(0)), padding);
  }
}

template <class T>
void unstack(T* out, const T* x, std::size_t x_ld, std::size_t Trows, std::size_t W) {
  for (std::size_t t = 0; t < Trows; ++t, x += x_ld, out += W) {
    std::size_t d = 0;
    for (; d + kLanes<T> <= W; d += kLanes<T>) store(out + d, load(x + d));
    if (d < W) store_partial(out + d, load_partial(x + d, W - d), W - d);
  }
}
