// Stage 4: h' = act(W h + b).

template <class T, class Act> struct DenseEpilogue {
  T *hn, *z;
  Base<T> base;
  std::size_t stride;

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
    const std::size_t at = row * stride + column;
    prefetch(hn + at);
    if constexpr (Act::keeps_z) prefetch(z + at);
    base.prefetch_operands(row, column);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    const std::size_t at = row * stride + column;
    const Vec<T> zv = product + load(base.at(row, column));
    if constexpr (Act::keeps_z) store(z + at, zv);
    store(hn + at, Act::template activate<T>(zv));
  }
};

template <class T, class Act>
void dense_forward_as(T* hn, T* z, const T* h, const Packed<T>& W, std::size_t Trows, std::size_t I,
                      std::size_t O) {
  multiply_weights(h, ld<T>(I), W, Trows, I, O,
                   DenseEpilogue<T, Act>{hn, z, base_of(W, ld<T>(O)), ld<T>(O)});
}

template <class T>
void dense_forward(T* hn, T* z, const T* h, Packed<T> W, std::size_t Trows, std::size_t I,
                   std::size_t O, Activation activation) {
  with_activation(activation,
                  [&](auto act) { dense_forward_as<T, decltype(act)>(hn, z, h, W, Trows, I, O); });
}

// dz = dhn * act'(z); db += sum over rows of dz
template <class T, class Act>
void dense_gradient_of_z(T* dz, T* db, const T* dhn, const T* hn, const T* z, std::size_t Trows,
                         std::size_t O) {
  for_columns(db, Trows, O, [=](std::size_t at) {
    const Vec<T> dzv = load(dhn + at) * Act::template slope<T>(load(hn + at), z + at);
    store(dz + at, dzv);
    return dzv;
  });
}

template <class T>
void dense_backward(T* dh, T* dW, T* db, T* dz, T* scratch, const T* dhn, const T* hn, const T* z,
                    const T* h, Packed<T> W, std::size_t Trows, std::size_t I, std::size_t O,
                    Activation activation, bool add) {
  with_activation(activation, [&](auto act) {
    dense_gradient_of_z<T, decltype(act)>(dz, db, dhn, hn, z, Trows, O);
  });
  add_outer(dW, I, dz, ld<T>(O), h, ld<T>(I), Trows, O, I, scratch, W.shared);
  if (dh != nullptr) multiply_back(dz, ld<T>(O), W, Trows, O, I, AddEpilogue<T>{dh, add, ld<T>(I)});
}
