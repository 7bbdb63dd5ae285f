// Stage 3, matrix form. Wang et al. 2021, eq. 1: x_{l+1} = x0 * z + x_l, z = W_l x_l + b_l, with
// TensorFlow Recommenders' diag_scale: z += diag x_l.

// z = product + b + diag x;  xn = x0 z + x, while the tile is in registers
template <class T> struct CrossEpilogue {
  T *xn, *z;
  const T *x0, *x;
  Base<T> base;
  T diag;
  std::size_t stride;

  DCN_INLINE void ask(std::size_t row, std::size_t column) const {
    const std::size_t at = row * stride + column;
    prefetch(xn + at);
    prefetch(z + at);
    prefetch(x0 + at);
    prefetch(x + at);
    prefetch(base.at(row, column));
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

// dz = dxn * x0; dx0 += dxn * z; db += sum over rows of dz
template <class T>
DCN_INLINE void cross_gradient_of_z(T* dz, T* dx0_acc, T* db, const T* dxn, const T* z, const T* x0,
                                    std::size_t Trows, std::size_t D) {
  for_columns(db, Trows, D, [=](std::size_t at) {
    const Vec<T> g = load(dxn + at);
    const Vec<T> dzv = g * load(x0 + at);
    store(dz + at, dzv);
    if (dx0_acc != nullptr) store(dx0_acc + at, fma(g, load(z + at), load(dx0_acc + at)));
    return dzv;
  });
}

// dx = product + diag dz + dxn, and in the first layer, where x is x0, what dx0 has collected
template <class T> struct CrossBackwardEpilogue {
  T* dx;
  const T *dz, *dxn, *collected;
  T diag;
  std::size_t stride;

  DCN_INLINE void ask(std::size_t row, std::size_t column) const {
    const std::size_t at = row * stride + column;
    prefetch(dx + at);
    prefetch(dz + at);
    prefetch(dxn + at);
    if (collected != nullptr) prefetch(collected + at);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    const std::size_t at = row * stride + column;
    Vec<T> sum_at = fma(broadcast(diag), load(dz + at), product + load(dxn + at));
    if (collected != nullptr) sum_at = sum_at + load(collected + at);
    store(dx + at, sum_at);
  }
};

template <class T>
void cross_matrix_backward(T* dx, T* dx0_acc, T* dW, T* db, T* dz, const T* dxn, const T* z,
                           const T* x0, const T* x, Packed<T> W, std::size_t Trows, std::size_t D,
                           T diag) {
  cross_gradient_of_z(dz, dx0_acc, db, dxn, z, x0, Trows, D);
  add_outer(dW, D, dz, ld<T>(D), x, ld<T>(D), Trows, D, D, W.shared);
  if (dx != nullptr)
    multiply_back(
        dz, ld<T>(D), W, Trows, D, D,
        CrossBackwardEpilogue<T>{dx, dz, dxn, x == x0 ? dx0_acc : nullptr, diag, ld<T>(D)});
}
