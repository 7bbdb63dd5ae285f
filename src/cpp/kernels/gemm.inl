// The register-tiled product under every dense kernel. A tile of R rows by N vectors of the result
// stays in registers over the whole depth; what follows the product (bias, activation, Hadamard
// product, residual) happens in the epilogue, before the tile leaves them. Every element of the
// result is one chain of multiply-adds in the order of the depth, wherever its row lies in the
// tile, so a row's result does not depend on its neighbours.

// acc[r][n] += a(r, k) * b(k, n) for k < depth.
// a(r, k) = a[r * a_row + k * a_depth]; b(k, n) = vector at b[k * b_depth + n * b_vector]
// ahead(k): asks for what will be read later, while the product runs
template <class T, int R, int N, class Ahead>
DCN_INLINE void multiply_tile(Vec<T> (&acc)[R][N], const T* a, std::size_t a_row,
                              std::size_t a_depth, const T* b, std::size_t b_depth,
                              std::size_t b_vector, std::size_t depth, const Ahead& ahead) {
  for (std::size_t k = 0; k < depth; ++k) {
    Vec<T> columns[N];
  DCN_UNROLL
    for (int n = 0; n < N; ++n) columns[n] = load(b + n * b_vector);
    ahead(k);
    DCN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> row = broadcast(a[r * a_row]);
      DCN_UNROLL
      for (int n = 0; n < N; ++n) acc[r][n] = fma(row, columns[n], acc[r][n]);
    }
    a += a_depth;
    b += b_depth;
  }
}

// Columns of deep weights do not fit in L1: they come from L2 again for every tile of rows.
inline constexpr std::size_t kDepthAhead = 12;

template <class T, int R, int N, class Epilogue>
DCN_INLINE void packed_tile(const T* a, std::size_t a_ld, const T* packed, std::size_t row,
                            std::size_t vector, std::size_t depth, const Epilogue& epilogue) {
  const T* b = packed + vector * depth * kLanes<T>;
  auto ahead = [=](std::size_t k) {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) prefetch(b + (n * depth + k + kDepthAhead) * kLanes<T>);
  };
  Vec<T> acc[R][N] = {};
  multiply_tile<T, R, N>(acc, a + row * a_ld, a_ld, 1, b, kLanes<T>, depth * kLanes<T>, depth,
                         ahead);
  DCN_UNROLL
  for (int r = 0; r < R; ++r)
    DCN_UNROLL
    for (int n = 0; n < N; ++n) epilogue(row + r, (vector + n) * kLanes<T>, acc[r][n]);
}

template <class T, int N, class Epilogue>
DCN_INLINE void packed_column(const T* a, std::size_t a_ld, const T* packed, std::size_t vector,
                              std::size_t rows, std::size_t depth, const Epilogue& epilogue) {
  std::size_t r = 0;
  for (; r + kTileRows <= rows; r += kTileRows)
    packed_tile<T, kTileRows, N>(a, a_ld, packed, r, vector, depth, epilogue);
  for (; r + kTileRowsSmall <= rows; r += kTileRowsSmall)
    packed_tile<T, kTileRowsSmall, N>(a, a_ld, packed, r, vector, depth, epilogue);
  for (; r < rows; ++r) packed_tile<T, 1, N>(a, a_ld, packed, r, vector, depth, epilogue);
}

// epilogue(row, column, a (rows,depth) times packed (vectors, depth, lanes))
template <class T, class Epilogue>
DCN_INLINE void multiply_packed(const T* a, std::size_t a_ld, const T* packed, std::size_t rows,
                                std::size_t depth, std::size_t width, const Epilogue& epilogue) {
  const std::size_t count = vectors<T>(width);
  std::size_t v = 0;
  // columns outside, rows inside: one column of the weights stays in L1/L2 while the rows pass
  for (; v + kTileVectors <= count; v += kTileVectors)
    packed_column<T, kTileVectors>(a, a_ld, packed, v, rows, depth, epilogue);
  for (; v < count; ++v) packed_column<T, 1>(a, a_ld, packed, v, rows, depth, epilogue);
}

// ---- gradients of weights: products over the rows of a tile

// Rows of b that are packed at a time: a panel of them stays in L1 while a's columns pass.
inline constexpr std::size_t kPanelRows = 192;

// out (R, N vectors) += a^T panel over rows; `last` columns count in the last vector
template <class T, int R, int N>
DCN_INLINE void outer_tile(T* out, std::size_t out_ld, const T* a, std::size_t a_ld, const T* panel,
                           std::size_t rows, std::size_t last) {
  // the result is touched once, at the end: have it on its way while the product runs
  DCN_UNROLL
  for (int r = 0; r < R; ++r)
    DCN_UNROLL
    for (int n = 0; n <= N; ++n) prefetch(out + r * out_ld + n * kLanes<T>);
  Vec<T> acc[R][N] = {};
  // so is what the next tile reads of a
  multiply_tile<T, R, N>(acc, a, 1, a_ld, panel, N * kLanes<T>, kLanes<T>, rows,
                         [=](std::size_t k) { prefetch(a + k * a_ld + R); });
  DCN_UNROLL
  for (int r = 0; r < R; ++r)
    DCN_UNROLL
    for (int n = 0; n < N; ++n) {
      T* p = out + r * out_ld + n * kLanes<T>;
      if (n + 1 < N || last == kLanes<T>)
        store(p, load(p) + acc[r][n]);
      else
        store_partial(p, load_partial(p, last) + acc[r][n], last);
    }
}

template <class T, int N>
DCN_INLINE void outer_column(T* out, std::size_t out_ld, const T* a, std::size_t a_ld, const T* b,
                             std::size_t b_ld, std::size_t rows, std::size_t M, std::size_t last) {
  alignas(64) T panel[kPanelRows * N * kLanes<T>];
  const std::size_t n_panels = (rows + kPanelRows - 1) / kPanelRows;
  const std::size_t even = (rows + n_panels - 1) / (n_panels > 0 ? n_panels : 1);
  for (std::size_t first = 0; first < rows; first += even) {
    const std::size_t n_rows = rows - first < even ? rows - first : even;
    for (std::size_t t = 0; t < n_rows; ++t)
      DCN_UNROLL
      for (int n = 0; n < N; ++n)
        store(panel + (t * N + n) * kLanes<T>, load(b + (first + t) * b_ld + n * kLanes<T>));
    const T* part = a + first * a_ld;
    std::size_t m = 0;
    for (; m + kTileRows <= M; m += kTileRows)
      outer_tile<T, kTileRows, N>(out + m * out_ld, out_ld, part + m, a_ld, panel, n_rows, last);
    for (; m + kTileRowsSmall <= M; m += kTileRowsSmall)
      outer_tile<T, kTileRowsSmall, N>(out + m * out_ld, out_ld, part + m, a_ld, panel, n_rows,
                                       last);
    for (; m < M; ++m)
      outer_tile<T, 1, N>(out + m * out_ld, out_ld, part + m, a_ld, panel, n_rows, last);
  }
}

// out (M,N) dense, row stride out_ld, += a (rows,M)^T b (rows,N)
template <class T>
void add_outer(T* out, std::size_t out_ld, const T* a, std::size_t a_ld, const T* b,
               std::size_t b_ld, std::size_t rows, std::size_t M, std::size_t N) {
  const std::size_t count = vectors<T>(N);
  for (std::size_t v = 0; v < count;) {
    const std::size_t step = v + kTileVectors <= count ? kTileVectors : 1;
    const std::size_t column = v * kLanes<T>;
    const std::size_t left = N - column - (step - 1) * kLanes<T>;
    const std::size_t last = left < kLanes<T> ? left : kLanes<T>;
    if (step == kTileVectors)
      outer_column<T, kTileVectors>(out + column, out_ld, a, a_ld, b + column, b_ld, rows, M, last);
    else
      outer_column<T, 1>(out + column, out_ld, a, a_ld, b + column, b_ld, rows, M, last);
    v += step;
  }
}

template <class T>
void pack_weights(T* by_output, T* by_input, const T* W, std::size_t w_ld, std::size_t O,
                  std::size_t I) {
  if (by_output != nullptr)
    for (std::size_t v = 0; v < vectors<T>(O); ++v) {
      const std::size_t first = v * kLanes<T>, left = O - first;
      const std::size_t n = left < kLanes<T> ? left : kLanes<T>;
      for (std::size_t i = 0; i < I; ++i, by_output += kLanes<T>)
        for (std::size_t lane = 0; lane < kLanes<T>; ++lane)
          by_output[lane] = lane < n ? W[(first + lane) * w_ld + i] : T(0);
    }
  if (by_input != nullptr)
    for (std::size_t v = 0; v < vectors<T>(I); ++v) {
      const std::size_t left = I - v * kLanes<T>;
      const std::size_t n = left < kLanes<T> ? left : kLanes<T>;
      for (std::size_t o = 0; o < O; ++o)
        store(by_input + (v * O + o) * kLanes<T>, load_partial(W + o * w_ld + v * kLanes<T>, n));
    }
}
