// Stage 3, matrix form. Wang et al. 2021, eq. 1: x_{l+1} = x0 * z + x_l, z = W_l x_l + b_l, with
// TensorFlow Recommenders' diag_scale: z += diag x_l.

// z = product + b + diag x;  xn = x0 z + x, while the tile is in registers
template <class T> struct CrossEpilogue {
  T *xn, *z;
  const T *x0, *x;
  Base<T> base;
  T diag;
  std::size_t stride;

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
    const std::size_t at = row * stride + column;
    prefetch(xn + at);
    prefetch(z + at);
    prefetch(x0 + at);  // x is what is multiplied
    base.prefetch_operands(row, column);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    const std::size_t at = row * stride + column;
    const Vec<T> xv = load(x + at);
    const Vec<T> zv = fma(broadcast(diag), xv, product + load(base.at(row, column)));
    store(z + at, zv);
    store(xn + at, fma(load(x0 + at), zv, xv));
  }
};

template <class T>
void cross_matrix_forward(T* xn, T* z, const T* x0, const T* x, Packed<T> W, std::size_t Trows,
                          std::size_t D, T diag) {
  multiply_weights(x, ld<T>(D), W, Trows, D, D,
                   CrossEpilogue<T>{xn, z, x0, x, base_of(W, ld<T>(D)), diag, ld<T>(D)});
}

// The elementwise half of the topmost layer's backward: dz = dxn * x0, dx0 = dxn * z
template <class T>
void cross_start_backward(T* dz, T* dx0, const T* dxn, const T* z, const T* x0, std::size_t Trows,
                          std::size_t D) {
  for_tile<T>(Trows, D, [=](std::size_t at) {
    const Vec<T> g = load(dxn + at), zv = load(z + at);
    store(dz + at, g * load(x0 + at));
    if (dx0 != nullptr) store(dx0 + at, g * zv);
  });
}

// dx = product + diag dz + dxn, and while it is in registers the elementwise half of the layer
// below
template <class T, bool kDx0> struct CrossBackwardEpilogue {
  T* dx;
  const T *dz, *dxn;
  CrossBelow<T> below;
  T diag;
  std::size_t stride;

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
    const std::size_t at = row * stride + column;
    prefetch(dxn + at);  // and dx, which takes its place
    prefetch(below.z + at);
    prefetch(below.x0 + at);
    if (below.dz != below.z) prefetch(below.dz + at);
    if constexpr (kDx0) prefetch(below.dx0 + at);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    const std::size_t at = row * stride + column;
    const Vec<T> g = fma(broadcast(diag), load(dz + at), product + load(dxn + at));
    store(dx + at, g);
    const Vec<T> zv = load(below.z + at);
    store(below.dz + at, g * load(below.x0 + at));
    if constexpr (kDx0) store(below.dx0 + at, fma(g, zv, load(below.dx0 + at)));
  }
};

// In the first layer dx is the gradient of x0, which has collected what the other layers gave.
template <class T> struct CrossFirstEpilogue {
  T* dx0;
  const T *dz, *dxn;
  T diag;
  std::size_t stride;

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
    const std::size_t at = row * stride + column;
    prefetch(dx0 + at);
    prefetch(dxn + at);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    const std::size_t at = row * stride + column;
    const Vec<T> g = fma(broadcast(diag), load(dz + at), product + load(dxn + at));
    store(dx0 + at, g + load(dx0 + at));
  }
};

// dx from the product of a (T,O), which is dz or comes from it, with W (O,D)
template <class T>
DCN_INLINE void cross_multiply_back(T* dx, const T* a, const Packed<T>& W, const T* dz,
                                    const T* dxn, const CrossBelow<T>& below, std::size_t Trows,
                                    std::size_t O, std::size_t D, T diag) {
  if (dx == nullptr) return;
  if (below.z == nullptr)
    multiply_back(a, ld<T>(O), W, Trows, O, D, CrossFirstEpilogue<T>{dx, dz, dxn, diag, ld<T>(D)});
  else if (below.dx0 != nullptr)
    multiply_back(a, ld<T>(O), W, Trows, O, D,
                  CrossBackwardEpilogue<T, true>{dx, dz, dxn, below, diag, ld<T>(D)});
  else
    multiply_back(a, ld<T>(O), W, Trows, O, D,
                  CrossBackwardEpilogue<T, false>{dx, dz, dxn, below, diag, ld<T>(D)});
}

template <class T> DCN_INLINE void add_rows(T* db, const T* dz, std::size_t Trows, std::size_t D) {
  for_columns(db, Trows, D, [=](std::size_t at) { return load(dz + at); });
}

template <class T>
void cross_matrix_backward(T* dx, T* dW, T* db, T* scratch, const T* dz, const T* dxn, const T* x,
                           Packed<T> W, CrossBelow<T> below, std::size_t Trows, std::size_t D,
                           T diag) {
  add_rows(db, dz, Trows, D);
  add_outer(dW, D, dz, ld<T>(D), x, ld<T>(D), Trows, D, D, scratch, W.shared);
  cross_multiply_back(dx, dz, W, dz, dxn, below, Trows, D, D, diag);
}
