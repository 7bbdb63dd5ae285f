// The register-tiled product under every dense kernel. A tile of R rows by N vectors of the result
// stays in registers over the whole depth; what follows the product (bias, activation, Hadamard
// product, residual) happens in the epilogue, before the tile leaves them. Every element of the
// result is one chain of multiply-adds in the order of the depth, wherever its row lies in the
// tile, so a row's result does not depend on its neighbours.

template <int kValue> struct Constant {
  static constexpr int value = kValue;
};

// acc[r][n] += a(r, k) * b(k, n) for k < depth.
// a(r, k) = a[r * a_row + k * a_depth]; b(k, n) = vector at b[k * b_depth + n * b_vector]
// ahead(k): asks for what will be read later, while the product runs
template <class T, int R, int N, class Ahead>
DCN_INLINE void multiply_tile(Vec<T> (&acc)[R][N], const T* a, std::size_t a_row,
                              std::size_t a_depth, const T* b, std::size_t b_depth,
                              std::size_t b_vector, std::size_t depth, const Ahead& ahead) {
  // a pointer for every three rows: as one pointer and R - 1 offsets, which is what gcc makes of
  // them if it sees where they come from, they need more registers than there are
  constexpr int kGroups = (R + 2) / 3;
  const T* group[kGroups];
  DCN_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    group[g] = a + 3 * g * a_row;
    if (g > 0) DCN_HIDE_ORIGIN(group[g]);
  }
  for (std::size_t k = 0; k < depth; ++k) {
    Vec<T> columns[N];
    DCN_UNROLL
    for (int n = 0; n < N; ++n) columns[n] = load(b + n * b_vector);
    ahead(k);
    DCN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> row = broadcast(group[r / 3][r % 3 * a_row]);
      DCN_UNROLL
      for (int n = 0; n < N; ++n) acc[r][n] = fma(row, columns[n], acc[r][n]);
    }
    DCN_UNROLL
    for (int g = 0; g < kGroups; ++g) group[g] += a_depth;
    b += b_depth;
  }
}

// What the epilogue will read and write is on its way while the product runs: the first steps ask
// for it, row after row. Not lambdas: gcc 12 takes one that only prefetches for one that does
// nothing.
template <class T, int R, int N, class Epilogue> struct AskForRows {
  const Epilogue& epilogue;
  std::size_t row, column;

  DCN_INLINE void operator()(std::size_t k) const {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) epilogue.ask(row + k, column + n * kLanes<T>);
  }
};
struct NothingAhead {
  DCN_INLINE void operator()(std::size_t) const {}
};

// What of a product is to be done: spans of its depth, and columns of the result. keep has a 1 or a
// 0 for each of these; null stands for all.
template <class T> struct Todo {
  const Span* spans;
  std::size_t n_spans;
  const T* keep;

  DCN_INLINE bool none(std::size_t column) const {
    if (keep == nullptr) return false;
    for (std::size_t i = 0; i < kLanes<T>; ++i)
      if (keep[column + i] != T(0)) return false;
    return true;
  }
};

template <class T, int R, int N, class Epilogue>
DCN_INLINE void packed_tile(const T* a, std::size_t a_ld, const T* packed, std::size_t row,
                            std::size_t vector, std::size_t depth, const Todo<T>& todo,
                            const Epilogue& epilogue) {
  Vec<T> acc[R][N] = {};
  for (std::size_t s = 0; s < todo.n_spans; ++s) {
    const Span span = todo.spans[s];
    const T* b = packed + (vector * depth + span.begin) * kLanes<T>;
    const T* from = a + row * a_ld + span.begin;
    const std::size_t n = span.end - span.begin, asking = n < R ? n : R;
    multiply_tile<T, R, N>(acc, from, a_ld, 1, b, kLanes<T>, depth * kLanes<T>, asking,
                           AskForRows<T, R, N, Epilogue>{epilogue, row, vector * kLanes<T>});
    multiply_tile<T, R, N>(acc, from + asking, a_ld, 1, b + asking * kLanes<T>, kLanes<T>,
                           depth * kLanes<T>, n - asking, NothingAhead());
  }
  const std::size_t column = vector * kLanes<T>;
  if (todo.keep != nullptr) {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) {
      const Vec<T> keep = load(todo.keep + column + n * kLanes<T>);
      DCN_UNROLL
      for (int r = 0; r < R; ++r) acc[r][n] = acc[r][n] * keep;
    }
  }
  DCN_UNROLL
  for (int r = 0; r < R; ++r) {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) epilogue(row + r, column + n * kLanes<T>, acc[r][n]);
  }
}

template <class T, int N, class Epilogue>
DCN_INLINE void packed_column(const T* a, std::size_t a_ld, const T* packed, std::size_t vector,
                              std::size_t rows, std::size_t depth, const Todo<T>& todo,
                              const Epilogue& epilogue) {
  std::size_t r = 0;
  for (; r + kTileRows <= rows; r += kTileRows)
    packed_tile<T, kTileRows, N>(a, a_ld, packed, r, vector, depth, todo, epilogue);
  for (; r + kTileRowsSmall <= rows; r += kTileRowsSmall)
    packed_tile<T, kTileRowsSmall, N>(a, a_ld, packed, r, vector, depth, todo, epilogue);
  for (; r < rows; ++r) packed_tile<T, 1, N>(a, a_ld, packed, r, vector, depth, todo, epilogue);
}

// Apart from what surrounds it, so that the product has all registers for itself.
// epilogue(row, column, a (rows,depth) times packed (vectors, depth, lanes)); zero where nothing is
// to do
template <class T, class Epilogue>
DCN_APART void multiply_todo(const T* a, std::size_t a_ld, const T* packed, std::size_t rows,
                             std::size_t depth, std::size_t width, const Todo<T> todo,
                             const Epilogue epilogue) {
  const std::size_t count = vectors<T>(width);
  const auto nothing = [&](std::size_t v) { return v < count && todo.none(v * kLanes<T>); };
  // columns outside, rows inside: one column of the weights stays in L1/L2 while the rows pass
  for (std::size_t v = 0; v < count;) {
    if (nothing(v)) {
      for (std::size_t r = 0; r < rows; ++r) epilogue(r, v * kLanes<T>, broadcast(T(0)));
      v += 1;
    } else if (v + kTileVectors <= count && !nothing(v + kTileVectors - 1)) {
      packed_column<T, kTileVectors>(a, a_ld, packed, v, rows, depth, todo, epilogue);
      v += kTileVectors;
    } else {
      packed_column<T, 1>(a, a_ld, packed, v, rows, depth, todo, epilogue);
      v += 1;
    }
  }
}

// x (T,I) W^T (T,O), without what is shared
template <class T, class Epilogue>
DCN_INLINE void multiply_weights(const T* x, std::size_t x_ld, const Packed<T>& W,
                                 std::size_t Trows, std::size_t I, std::size_t O,
                                 const Epilogue& epilogue) {
  const Span whole{0, I};
  const Shared<T>* shared = W.shared;
  const Todo<T> todo{shared != nullptr ? shared->left : &whole,
                     shared != nullptr ? shared->n_left : 1, nullptr};
  multiply_todo(x, x_ld, W.by_output, Trows, I, O, todo, epilogue);
}

// dz (T,O) W (T,I), without what is shared
template <class T, class Epilogue>
DCN_INLINE void multiply_back(const T* dz, std::size_t dz_ld, const Packed<T>& W, std::size_t Trows,
                              std::size_t O, std::size_t I, const Epilogue& epilogue) {
  const Span whole{0, O};
  multiply_todo(dz, dz_ld, W.by_input, Trows, O, I,
                Todo<T>{&whole, 1, W.shared != nullptr ? W.shared->keep : nullptr}, epilogue);
}

// What is added to x W^T: the bias to every row, or the shared sums, which have it.
template <class T> struct Base {
  const T* first;
  std::size_t stride;

  DCN_INLINE const T* at(std::size_t row, std::size_t column) const {
    return first + row * stride + column;
  }
};
template <class T> DCN_INLINE Base<T> base_of(const Packed<T>& W, std::size_t stride) {
  if (W.shared != nullptr) return {W.shared->sums, stride};
  return {W.bias, 0};
}

template <class T> struct StoreEpilogue {
  T* out;
  std::size_t stride;

  DCN_INLINE void ask(std::size_t row, std::size_t column) const {
    prefetch(out + row * stride + column);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    store(out + row * stride + column, product);
  }
};

// out = product, or out += product where another branch has written its share
template <class T> struct AddEpilogue {
  T* out;
  bool add;
  std::size_t stride;

  DCN_INLINE void ask(std::size_t row, std::size_t column) const {
    prefetch(out + row * stride + column);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    T* p = out + row * stride + column;
    store(p, add ? load(p) + product : product);
  }
};

template <class T> struct BaseEpilogue {
  T* out;
  Base<T> base;
  std::size_t stride;

  DCN_INLINE void ask(std::size_t row, std::size_t column) const {
    prefetch(out + row * stride + column);
    prefetch(base.at(row, column));
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    store(out + row * stride + column, product + load(base.at(row, column)));
  }
};

// ---- gradients of weights: products over the rows of a tile

// Rows of b that are packed at a time: a panel of them stays in L1 while a's columns pass.
inline constexpr std::size_t kPanelRows = 192;

// out (R, N vectors) += a^T panel over rows; `last` columns count in the last vector
template <class T, int R, int N>
DCN_INLINE void outer_tile(T* out, std::size_t out_ld, const T* a, std::size_t a_ld, const T* panel,
                           std::size_t rows, std::size_t last) {
  // the result is touched once, at the end: have it on its way while the product runs
  DCN_UNROLL
  for (int r = 0; r < R; ++r) {
    DCN_UNROLL
    for (int n = 0; n <= N; ++n) prefetch(out + r * out_ld + n * kLanes<T>);
  }
  Vec<T> acc[R][N] = {};
  multiply_tile<T, R, N>(acc, a, 1, a_ld, panel, N * kLanes<T>, kLanes<T>, rows, NothingAhead());
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

template <class T, int N>
DCN_INLINE void outer_column(T* out, std::size_t out_ld, const T* a, std::size_t a_ld, const T* b,
                             std::size_t b_ld, std::size_t rows, std::size_t M, std::size_t last,
                             const T* keep) {
  alignas(64) T panel[kPanelRows * N * kLanes<T>];
  const std::size_t n_panels = (rows + kPanelRows - 1) / kPanelRows;
  const std::size_t even = (rows + n_panels - 1) / (n_panels > 0 ? n_panels : 1);
  for (std::size_t first = 0; first < rows; first += even) {
    const std::size_t n_rows = rows - first < even ? rows - first : even;
    for (std::size_t t = 0; t < n_rows; ++t) {
      DCN_UNROLL
      for (int n = 0; n < N; ++n) {
        Vec<T> columns = load(b + (first + t) * b_ld + n * kLanes<T>);
        if (keep != nullptr) columns = columns * load(keep + n * kLanes<T>);
        store(panel + (t * N + n) * kLanes<T>, columns);
      }
    }
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

// out (M,N) dense, row stride out_ld, += a (rows,M)^T b (rows,N), in the columns that are to do
template <class T>
void add_outer(T* out, std::size_t out_ld, const T* a, std::size_t a_ld, const T* b,
               std::size_t b_ld, std::size_t rows, std::size_t M, std::size_t N,
               const Shared<T>* shared = nullptr) {
  const std::size_t count = vectors<T>(N);
  const Todo<T> todo{nullptr, 0, shared != nullptr ? shared->keep : nullptr};
  const auto nothing = [&](std::size_t v) { return todo.none(v * kLanes<T>); };
  for (std::size_t v = 0; v < count;) {
    if (nothing(v)) {
      v += 1;
      continue;
    }
    const bool two = v + kTileVectors <= count && !nothing(v + kTileVectors - 1);
    const std::size_t step = two ? kTileVectors : 1;
    const std::size_t column = v * kLanes<T>;
    const std::size_t left = N - column - (step - 1) * kLanes<T>;
    const std::size_t last = left < kLanes<T> ? left : kLanes<T>;
    const T* keep = todo.keep != nullptr ? todo.keep + column : nullptr;
    if (step == kTileVectors)
      outer_column<T, kTileVectors>(out + column, out_ld, a, a_ld, b + column, b_ld, rows, M, last,
                                    keep);
    else
      outer_column<T, 1>(out + column, out_ld, a, a_ld, b + column, b_ld, rows, M, last, keep);
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
