// The register-tiled product under every dense kernel. A tile of R rows by N vectors of the result
// stays in registers over the whole depth; what follows the product (bias, activation, Hadamard
// product, residual) happens in the epilogue, before the tile leaves them. Every element of the
// result is one chain of multiply-adds in the order of the depth, wherever its row lies in the
// tile, so a row's result does not depend on its neighbours.

template <int kValue> struct Constant {
  static constexpr int value = kValue;
};

// Vectors of a column of register tiles, where `left` are left: an odd number ends with three, for
// a single one leaves the multipliers waiting for loads.
inline constexpr int kWide = kTileVectors + 1;
DCN_INLINE constexpr int tile_vectors(std::size_t left) {
  if (kTileRowsWide > 0 && left == kWide) return kWide;
  return left >= kTileVectors ? kTileVectors : 1;
}
DCN_INLINE constexpr int tile_rows(int vectors) {
  return kTileRowsWide > 0 && vectors == kWide ? kTileRowsWide : kTileRows;
}

// Whole tiles of a batch end with whole register tiles, those of three vectors with small ones.
static_assert(kRowStep % kTileRows == 0 && kRowStep % kTileRowsSmall == 0);
static_assert(kTileRows % kTileRowsSmall == 0 && kTileRowsWide % kTileRowsSmall == 0 &&
              kTileRowsMiddle % kTileRowsSmall == 0);
static_assert(kTileRowsWide <= kTileRows && kTileRowsMiddle < kTileRows);

// What is packed, of the type of the last argument.
template <class T> DCN_INLINE Vec<T> load_packed(const T* p, T) { return load(p); }
template <class T> DCN_INLINE Vec<T> load_packed(const Bfloat16* p, T) {
  return load_bfloat16(reinterpret_cast<const unsigned char*>(p), kLanes<T>, T(0));
}

// One step of the depth, `a_at` numbers from where the pointers to three rows each are.
template <class T, int R, int N, class B>
DCN_INLINE void multiply_step(Vec<T> (&acc)[R][N], const T* const (&group)[(R + 2) / 3],
                              std::size_t a_row, std::size_t a_at, const B* b,
                              std::size_t b_vector) {
  Vec<T> columns[N];
  DCN_UNROLL
  for (int n = 0; n < N; ++n) columns[n] = load_packed(b + n * b_vector, T(0));
  DCN_UNROLL
  for (int r = 0; r < R; ++r) {
    const Vec<T> row = broadcast(group[r / 3][r % 3 * a_row + a_at]);
    DCN_UNROLL
    for (int n = 0; n < N; ++n) acc[r][n] = fma(row, columns[n], acc[r][n]);
  }
}

// acc[r][n] += a(r, k) * b(k, n) for k < depth, kSteps at a time.
// a(r, k) = a[r * a_row + k * a_depth]; b(k, n) = vector at b[k * b_depth + n * b_vector]
// ahead(k): prefetches what will be read later, while the product runs
template <class T, int R, int N, int kSteps = 1, class B, class Ahead>
DCN_INLINE void multiply_tile(Vec<T> (&acc)[R][N], const T* a, std::size_t a_row,
                              std::size_t a_depth, const B* b, std::size_t b_depth,
                              std::size_t b_vector, std::size_t depth, const Ahead& ahead) {
  // a pointer for every three rows: as one pointer and R - 1 offsets, which is what gcc makes of
  // them if it sees where they come from, they need more registers than there are
  constexpr int kGroups = (R + 2) / 3;
  const T* group[kGroups];
  DCN_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    group[g] = a + 3 * g * a_row;
    if (g > 0) DCN_OPAQUE(group[g]);
  }
  std::size_t k = 0;
  const auto advance = [&](std::size_t steps) {
    DCN_UNROLL
    for (int g = 0; g < kGroups; ++g) group[g] += steps * a_depth;
    b += steps * b_depth;
    k += steps;
  };
  if constexpr (kSteps > 1)
    while (k + kSteps <= depth) {
      DCN_UNROLL
      for (int u = 0; u < kSteps; ++u) {
        ahead(k + u);
        multiply_step<T, R, N>(acc, group, a_row, u * a_depth, b + u * b_depth, b_vector);
      }
      advance(kSteps);
    }
  while (k < depth) {
    ahead(k);
    multiply_step<T, R, N>(acc, group, a_row, 0, b, b_vector);
    advance(1);
  }
}

// From this depth on the first steps of a product prefetch, row after row, what the epilogue will
// read and write, so that it is on its way; a shorter product is over too soon. Not lambdas: gcc 12
// takes one that only prefetches for one that does nothing.
inline constexpr std::size_t kAskFrom = 96;
template <class T, int R, int N, class Epilogue> struct AskForRows {
  const Epilogue& epilogue;
  std::size_t row, column;

  DCN_INLINE void operator()(std::size_t k) const {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) epilogue.prefetch_operands(row + k, column + n * kLanes<T>);
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

  // in this vector of columns
  DCN_INLINE bool nothing(std::size_t vector) const {
    if (keep == nullptr) return false;
    for (std::size_t i = 0; i < kLanes<T>; ++i)
      if (keep[vector * kLanes<T> + i] != T(0)) return false;
    return true;
  }
  // tile_vectors from this vector on, or 1 if not all of them have something, or 0
  int some(std::size_t vector, std::size_t count) const {
    const int n = tile_vectors(count - vector);
    for (int i = 0; i < n; ++i)
      if (nothing(vector + i)) return i > 0 ? 1 : 0;
    return n;
  }
};

template <class T, int R, int N, class B, class Epilogue>
DCN_INLINE void packed_tile(const T* a, std::size_t a_ld, const B* packed, std::size_t row,
                            std::size_t vector, std::size_t depth, const Todo<T>& todo,
                            const Epilogue& epilogue) {
  Vec<T> acc[R][N] = {};
  for (std::size_t s = 0; s < todo.n_spans; ++s) {
    const Span span = todo.spans[s];
    const B* b = packed + (vector * depth + span.begin) * kLanes<T>;
    const T* from = a + row * a_ld + span.begin;
    const std::size_t n = span.end - span.begin, asking = n < kAskFrom ? 0 : R;
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

// Apart from what surrounds it, so that the product has all registers for itself.
template <class T, int N, class Epilogue>
DCN_NOINLINE void packed_column(const T* a, std::size_t a_ld, const T* packed, std::size_t vector,
                                std::size_t rows, std::size_t depth, const Todo<T> todo,
                                const Epilogue epilogue) {
  constexpr int R = tile_rows(N);
  std::size_t r = 0;
  for (; r + R <= rows; r += R)
    packed_tile<T, R, N>(a, a_ld, packed, r, vector, depth, todo, epilogue);
  for (; r + kTileRowsSmall <= rows; r += kTileRowsSmall)
    packed_tile<T, kTileRowsSmall, N>(a, a_ld, packed, r, vector, depth, todo, epilogue);
  for (; r < rows; ++r) packed_tile<T, 1, N>(a, a_ld, packed, r, vector, depth, todo, epilogue);
}

// A row alone is a column of register tiles of its own: its speed is that of the cache the weights
// come from, once there are enough sums at a time to hide the latency of an addition.
inline constexpr int kRowVectors = 4;
template <class T, int N, class B, class Epilogue>
DCN_NOINLINE void packed_row(const T* a, const B* packed, std::size_t vector, std::size_t depth,
                             const Todo<T> todo, const Epilogue epilogue) {
  packed_tile<T, 1, N>(a, 0, packed, 0, vector, depth, todo, epilogue);
}

// The vectors of a row alone, but for one that may be left; returns how many are done.
template <class T, class B, class Epilogue>
DCN_INLINE std::size_t multiply_row(const T* a, const B* packed, std::size_t depth,
                                    std::size_t count, const Todo<T>& todo,
                                    const Epilogue& epilogue) {
  std::size_t v = 0;
  for (; v + kRowVectors <= count; v += kRowVectors)
    packed_row<T, kRowVectors>(a, packed, v, depth, todo, epilogue);
  for (; v + 2 <= count; v += 2) packed_row<T, 2>(a, packed, v, depth, todo, epilogue);
  return v;
}

// epilogue(row, column, a (rows,depth) times packed (vectors, depth, lanes)); zero where nothing is
// to do
template <class T, class Epilogue>
void multiply_todo(const T* a, std::size_t a_ld, const T* packed, std::size_t rows,
                   std::size_t depth, std::size_t width, const Todo<T>& todo,
                   const Epilogue& epilogue) {
  const std::size_t count = vectors<T>(width);
  // columns outside, rows inside: one column of the weights stays in L1/L2 while the rows pass
  std::size_t v = 0;
  if (rows == 1 && todo.keep == nullptr) v = multiply_row(a, packed, depth, count, todo, epilogue);
  while (v < count) {
    const int n = todo.some(v, count);
    if (n == kTileVectors)
      packed_column<T, kTileVectors>(a, a_ld, packed, v, rows, depth, todo, epilogue);
    else if (kTileRowsWide > 0 && n == kWide)
      packed_column<T, kWide>(a, a_ld, packed, v, rows, depth, todo, epilogue);
    else if (n == 1)
      packed_column<T, 1>(a, a_ld, packed, v, rows, depth, todo, epilogue);
    else
      for (std::size_t r = 0; r < rows; ++r) epilogue(r, v * kLanes<T>, broadcast(T(0)));
    v += n > 0 ? n : 1;
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
  if (Trows == 1 && W.halves != nullptr) {  // the same numbers in the same order
    const std::size_t count = vectors<T>(O),
                      v = multiply_row(x, W.halves, I, count, todo, epilogue);
    if (v < count) packed_row<T, 1>(x, W.halves, v, I, todo, epilogue);
    return;
  }
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
  // 2^32 / repeats, rounded up: a product in place of a division, exact for the rows of a tile
  std::uint64_t share = std::uint64_t{1} << 32;

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
    if (stride != 0) prefetch(at(row, column));  // a bias is in L1
  }
  DCN_INLINE const T* at(std::size_t row, std::size_t column) const {
    return first + (row * share >> 32) * stride + column;
  }
};
template <class T> DCN_INLINE Base<T> base_of(const Packed<T>& W, std::size_t stride) {
  if (W.shared != nullptr) {
    const std::uint64_t repeats = W.shared->repeats;
    return {W.shared->sums, stride, ((std::uint64_t{1} << 32) + repeats - 1) / repeats};
  }
  return {W.bias, 0};
}

template <class T> struct StoreEpilogue {
  T* out;
  std::size_t stride;

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
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

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
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

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
    prefetch(out + row * stride + column);
    base.prefetch_operands(row, column);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    store(out + row * stride + column, product + load(base.at(row, column)));
  }
};

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
