// Stage 4: h' = act(W h + b).

template <class T, Activation kAct> DCN_INLINE Vec<T> activate(Vec<T> z) {
  if constexpr (kAct == Activation::relu) return max(broadcast(T(0)), z);  // NaN passes
  if constexpr (kAct == Activation::tanh) return tanh(z);
  if constexpr (kAct == Activation::sigmoid) return sigmoid(z);
  if constexpr (kAct == Activation::gelu) return gelu(z);
  return z;
}

// act'(z) from h' = act(z) where that is enough, else from z
template <class T, Activation kAct> DCN_INLINE Vec<T> slope(Vec<T> h, const T* z) {
  const Vec<T> one = broadcast(T(1)), zero = broadcast(T(0));
  if constexpr (kAct == Activation::relu) return where_greater(h, zero, one, zero);
  if constexpr (kAct == Activation::tanh) return fma(zero - h, h, one);
  if constexpr (kAct == Activation::sigmoid) return fma(zero - h, h, h);
  if constexpr (kAct == Activation::gelu) return gelu_slope(load(z));
  return one;
}

template <class T, Activation kAct> struct DenseEpilogue {
  T *hn, *z;
  Base<T> base;
  std::size_t stride;

  DCN_INLINE void ask(std::size_t row, std::size_t column) const {
    const std::size_t at = row * stride + column;
    prefetch(hn + at);
    if constexpr (kAct == Activation::gelu) prefetch(z + at);
    base.ask(row, column);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    const std::size_t at = row * stride + column;
    const Vec<T> zv = product + load(base.at(row, column));
    if constexpr (kAct == Activation::gelu) store(z + at, zv);
    store(hn + at, activate<T, kAct>(zv));
  }
};

template <class T, Activation kAct>
void dense_forward_as(T* hn, T* z, const T* h, const Packed<T>& W, std::size_t Trows, std::size_t I,
                      std::size_t O) {
  multiply_weights(h, ld<T>(I), W, Trows, I, O,
                   DenseEpilogue<T, kAct>{hn, z, base_of(W, ld<T>(O)), ld<T>(O)});
}

template <Activation kAct> struct ActivationConstant {
  static constexpr Activation value = kAct;
};

// f(ActivationConstant): the choice is made once, outside the loops
template <class F> DCN_INLINE void with_activation(Activation activation, F&& f) {
  switch (activation) {
    case Activation::identity:
      return f(ActivationConstant<Activation::identity>{});
    case Activation::relu:
      return f(ActivationConstant<Activation::relu>{});
    case Activation::tanh:
      return f(ActivationConstant<Activation::tanh>{});
    case Activation::sigmoid:
      return f(ActivationConstant<Activation::sigmoid>{});
    case Activation::gelu:
      return f(ActivationConstant<Activation::gelu>{});
  }
}

template <class T>
void dense_forward(T* hn, T* z, const T* h, Packed<T> W, std::size_t Trows, std::size_t I,
                   std::size_t O, Activation activation) {
  with_activation(activation,
                  [&](auto act) { dense_forward_as<T, act.value>(hn, z, h, W, Trows, I, O); });
}

// dz = dhn * act'(z); db += sum over rows of dz
template <class T, Activation kAct>
void dense_gradient_of_z(T* dz, T* db, const T* dhn, const T* hn, const T* z, std::size_t Trows,
                         std::size_t O) {
  for_columns(db, Trows, O, [=](std::size_t at) {
    const Vec<T> dzv = load(dhn + at) * slope<T, kAct>(load(hn + at), z + at);
    store(dz + at, dzv);
    return dzv;
  });
}

template <class T>
void dense_backward(T* dh, T* dW, T* db, T* dz, T* scratch, const T* dhn, const T* hn, const T* z,
                    const T* h, Packed<T> W, std::size_t Trows, std::size_t I, std::size_t O,
                    Activation activation, bool add) {
  with_activation(activation, [&](auto act) {
    dense_gradient_of_z<T, act.value>(dz, db, dhn, hn, z, Trows, O);
  });
  add_outer(dW, I, dz, ld<T>(O), h, ld<T>(I), Trows, O, I, scratch, W.shared);
  if (dh != nullptr) multiply_back(dz, ld<T>(O), W, Trows, O, I, AddEpilogue<T>{dh, add, ld<T>(I)});
}
