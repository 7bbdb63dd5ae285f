// Stage 3, low rank. Wang et al. 2021, eq. 2: W = U V, U (D,R), V (R,D): z = U (V x) + b + diag x.

template <class T>
void cross_lowrank_forward(T* xn, T* z, T* t, const T* x0, const T* x, Packed<T> U, Packed<T> V,
                           std::size_t Trows, std::size_t D, std::size_t R, T diag) {
  multiply_weights(x, ld<T>(D), V, Trows, D, R, BaseEpilogue<T>{t, base_of(V, ld<T>(R)), ld<T>(R)});
  multiply_weights(t, ld<T>(R), U, Trows, R, D,
                   CrossEpilogue<T>{xn, z, x0, x, base_of(U, ld<T>(D)), diag, ld<T>(D)});
}

// dU = dz^T t, dt = dz U, dV = dt^T x, dx = dt V + diag dz + dxn
template <class T>
void cross_lowrank_backward(T* dx, T* dU, T* dV, T* db, T* dt, T* scratch, const T* dz,
                            const T* dxn, const T* t, const T* x, Packed<T> U, Packed<T> V,
                            CrossBelow<T> below, std::size_t Trows, std::size_t D, std::size_t R,
                            T diag) {
  add_rows(db, dz, Trows, D);
  add_outer(dU, R, dz, ld<T>(D), t, ld<T>(R), Trows, D, R, scratch);
  multiply_back(dz, ld<T>(D), U, Trows, D, R, StoreEpilogue<T>{dt, ld<T>(R)});
  add_outer(dV, D, dt, ld<T>(R), x, ld<T>(D), Trows, R, D, R <= D ? scratch : nullptr, V.shared);
  cross_multiply_back(dx, dt, V, dz, dxn, below, Trows, R, D, diag);
}
