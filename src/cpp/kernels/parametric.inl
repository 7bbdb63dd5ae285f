// Stage 4, by choice: parametric activations (Holzmueller et al. 2024), (1 - a) z + a act(z) with a
// share a of each unit that is learned.

template <class T, class Act>
void parametric_forward_as(T* h, const T* z, const T* a, std::size_t Trows, std::size_t O) {
  for (std::size_t t = 0; t < Trows; ++t, h += ld<T>(O), z += ld<T>(O))
    for (std::size_t o = 0; o < O; o += kLanes<T>) {
      const Vec<T> share = load_partial(a + o, O - o < kLanes<T> ? O - o : kLanes<T>);
      const Vec<T> zv = load(z + o);
      store(h + o, fma(share, Act::template activate<T>(zv) - zv, zv));
    }
}

// dz = dh (1 + a (act'(z) - 1)); da += sum over rows of dh (act(z) - z)
template <class T, class Act>
void parametric_backward_as(T* dz, T* da, const T* dh, const T* z, const T* a, std::size_t Trows,
                            std::size_t O) {
  const Vec<T> one = broadcast(T(1));
  for (std::size_t o = 0; o < O; o += kLanes<T>) {
    const std::size_t n = O - o < kLanes<T> ? O - o : kLanes<T>;
    const Vec<T> share = load_partial(a + o, n);
    Vec<T> sum = broadcast(T(0));
    for (std::size_t t = 0, at = o; t < Trows; ++t, at += ld<T>(O)) {
      const Vec<T> d = load(dh + at), zv = load(z + at), h = Act::template activate<T>(zv);
      sum = fma(d, h - zv, sum);
      store(dz + at, d * fma(share, Act::template slope<T>(h, z + at) - one, one));
    }
    add_partial(da + o, sum, n);
  }
}

template <class T>
void parametric_forward(T* h, const T* z, const T* a, std::size_t Trows, std::size_t O,
                        Activation activation) {
  with_activation(activation,
                  [&](auto act) { parametric_forward_as<T, decltype(act)>(h, z, a, Trows, O); });
}

template <class T>
void parametric_backward(T* dz, T* da, const T* dh, const T* z, const T* a, std::size_t Trows,
                         std::size_t O, Activation activation) {
  with_activation(activation, [&](auto act) {
    parametric_backward_as<T, decltype(act)>(dz, da, dh, z, a, Trows, O);
  });
}
