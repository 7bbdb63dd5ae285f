// Stage 2: rows of the table -> x0. Embeddings will stand in front of the dense columns.

template <class T>
void stack_forward(T* x0, const T* dense, const std::int64_t* rows, std::size_t Trows,
                   std::size_t M) {
  for (std::size_t t = 0; t < Trows; ++t, x0 += ld<T>(M)) {
    const T* row = dense + (rows != nullptr ? static_cast<std::size_t>(rows[t]) : t) * M;
    std::size_t d = 0;
    for (; d + kLanes<T> <= M; d += kLanes<T>) store(x0 + d, load(row + d));
    if (d < M) store(x0 + d, load_partial(row + d, M - d));  // the padding becomes zero
  }
}

template <class T> void unstack(T* out, const T* x, std::size_t Trows, std::size_t W) {
  for (std::size_t t = 0; t < Trows; ++t, x += ld<T>(W), out += W) {
    std::size_t d = 0;
    for (; d + kLanes<T> <= W; d += kLanes<T>) store(out + d, load(x + d));
    if (d < W) store_partial(out + d, load(x + d), W - d);
  }
}
