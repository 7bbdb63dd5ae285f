// Gradients of weights: products over the rows of a tile. A register tile of the result is added up
// in registers over a panel of rows, and then to what is there.

// Rows of b in a panel, which stays in L1 while a's columns pass.
inline constexpr std::size_t kPanelRows = 192;
static_assert(kPanelRows % kRowStep == 0);
// From so many register tiles of a's columns on it pays to lay a panel of b together, and from so
// many vectors of b on to lay a's columns together.
inline constexpr std::size_t kManyTiles = 12, kManyVectors = 8;

// out (M,N) dense, row stride out_ld, += a (rows,M)^T b (rows,N), in the columns to keep, null for
// all. a_packed: what pack_columns made of a, or null.
template <class T> struct Outer {
  T* out;
  std::size_t out_ld;
  const T *a, *a_packed, *b;
  std::size_t a_ld, b_ld, rows, M, N;
  const T* keep;

  std::size_t panel_rows() const {
    const std::size_t n_panels = (rows + kPanelRows - 1) / kPanelRows;
    return n_panels > 0 ? (rows + n_panels - 1) / n_panels : 1;
  }
  std::size_t whole_tiles() const { return M / kTileRows * kTileRows; }
};

// The columns of a that whole register tiles take, in the order in which they are read: they lie in
// as many places as a panel has rows, too many to be fetched in time again and again.
// packed (panels, tiles, rows of the panel, kTileRows)
template <class T> void pack_columns(T* packed, const Outer<T>& o) {
  const std::size_t panel = o.panel_rows(), whole = o.whole_tiles();
  for (std::size_t first = 0; first < o.rows; first += panel) {
    const std::size_t n = o.rows - first < panel ? o.rows - first : panel;
    for (std::size_t t = 0; t < n; ++t) {
      const T* from = o.a + (first + t) * o.a_ld;
      T* to = packed + first * whole + t * kTileRows;
      for (std::size_t m = 0; m < whole; m += kTileRows, from += kTileRows, to += n * kTileRows) {
        T some[kTileRows];  // all read before the first is written, so that vectors may do it
        DCN_UNROLL
        for (int r = 0; r < kTileRows; ++r) some[r] = from[r];
        DCN_UNROLL
        for (int r = 0; r < kTileRows; ++r) to[r] = some[r];
      }
    }
  }
}

// out (R, N vectors) += a^T b over rows; `last` columns count in the last vector
template <class T, int R, int N, int kSteps>
DCN_INLINE void outer_tile(T* out, std::size_t out_ld, const T* a, std::size_t a_ld, const T* b,
                           std::size_t b_ld, std::size_t rows, std::size_t last) {
  // the result is touched once, at the end: have it on its way while the product runs
  DCN_UNROLL
  for (int r = 0; r < R; ++r) {
    DCN_UNROLL
    for (int n = 0; n <= N; ++n) prefetch(out + r * out_ld + n * kLanes<T>);
  }
  Vec<T> acc[R][N] = {};
  multiply_tile<T, R, N, kSteps>(acc, a, 1, a_ld, b, b_ld, kLanes<T>, rows, NothingAhead());
  DCN_UNROLL
  for (int r = 0; r < R; ++r) {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) {
      T* p = out + r * out_ld + n * kLanes<T>;
      if (n + 1 < N || last == kLanes<T>)
        store(p, load(p) + acc[r][n]);
      else
        store_partial(p, load_partial(p, last) + acc[r][n], last);
    }
  }
}

// one panel, N vectors of columns
template <class T, int N, int kSteps>
DCN_INLINE void outer_panel(const Outer<T>& o, std::size_t first, std::size_t rows,
                            std::size_t column, const T* b, std::size_t b_ld, std::size_t last) {
  const T* a = o.a + first * o.a_ld;
  T* out = o.out + column;
  constexpr int R = tile_rows(N);
  std::size_t m = 0;
  for (; m + R <= o.M; m += R, out += R * o.out_ld) {
    const bool packed = o.a_packed != nullptr;
    const T* columns = packed ? o.a_packed + first * o.whole_tiles() + m * rows : a + m;
    outer_tile<T, R, N, kSteps>(out, o.out_ld, columns, packed ? R : o.a_ld, b, b_ld, rows, last);
  }
  if constexpr (kTileRowsMiddle > 0 && kTileRowsMiddle < R)
    for (; m + kTileRowsMiddle <= o.M; m += kTileRowsMiddle, out += kTileRowsMiddle * o.out_ld)
      outer_tile<T, kTileRowsMiddle, N, kSteps>(out, o.out_ld, a + m, o.a_ld, b, b_ld, rows, last);
  for (; m + kTileRowsSmall <= o.M; m += kTileRowsSmall, out += kTileRowsSmall * o.out_ld)
    outer_tile<T, kTileRowsSmall, N, kSteps>(out, o.out_ld, a + m, o.a_ld, b, b_ld, rows, last);
  for (; m < o.M; ++m, out += o.out_ld)
    outer_tile<T, 1, N, kSteps>(out, o.out_ld, a + m, o.a_ld, b, b_ld, rows, last);
}

// all panels, N vectors of columns from `column` on
template <class T, int N>
DCN_NOINLINE void outer_columns(const Outer<T> o, std::size_t column, std::size_t last) {
  alignas(64) T together[kPanelRows * N * kLanes<T>];
  const bool as_it_lies = o.keep == nullptr && o.M < kManyTiles * kTileRows;
  const std::size_t panel = o.panel_rows();
  for (std::size_t first = 0; first < o.rows; first += panel) {
    const std::size_t rows = o.rows - first < panel ? o.rows - first : panel;
    const T* b = o.b + first * o.b_ld + column;
    if (as_it_lies) {
      outer_panel<T, N, kStepsAsItLies>(o, first, rows, column, b, o.b_ld, last);
      continue;
    }
    for (std::size_t t = 0; t < rows; ++t) {
      DCN_UNROLL
      for (int n = 0; n < N; ++n) {
        Vec<T> columns = load(b + t * o.b_ld + n * kLanes<T>);
        if (o.keep != nullptr) columns = columns * load(o.keep + column + n * kLanes<T>);
        store(together + (t * N + n) * kLanes<T>, columns);
      }
    }
    outer_panel<T, N, 1>(o, first, rows, column, together, N * kLanes<T>, last);
  }
}

// out (M,N) dense, row stride out_ld, += a (rows,M)^T b (rows,N), in the columns that are to do.
// scratch (rows,M) or null
template <class T>
void add_outer(T* out, std::size_t out_ld, const T* a, std::size_t a_ld, const T* b,
               std::size_t b_ld, std::size_t rows, std::size_t M, std::size_t N, T* scratch,
               const Shared<T>* shared = nullptr) {
  const std::size_t count = vectors<T>(N);
  const Todo<T> todo{nullptr, 0, shared != nullptr ? shared->keep : nullptr};
  Outer<T> o{out, out_ld, a, nullptr, b, a_ld, b_ld, rows, M, N, todo.keep};
  if (scratch != nullptr && count >= kManyVectors) {
    pack_columns(scratch, o);
    o.a_packed = scratch;
  }
  for (std::size_t v = 0; v < count;) {
    int n = todo.some(v, count);
    if (n == kWide && o.a_packed != nullptr) n = kTileVectors;  // packed for tiles of other rows
    const std::size_t step = n > 0 ? n : 1, left = N - (v + step - 1) * kLanes<T>;
    const std::size_t last = left < kLanes<T> ? left : kLanes<T>;
    if (n == kTileVectors)
      outer_columns<T, kTileVectors>(o, v * kLanes<T>, last);
    else if (kTileRowsWide > 0 && n == kWide)
      outer_columns<T, kWide>(o, v * kLanes<T>, last);
    else if (n == 1)
      outer_columns<T, 1>(o, v * kLanes<T>, last);
    v += step;
  }
}
