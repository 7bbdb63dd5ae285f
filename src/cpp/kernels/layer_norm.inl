// Stage 4, by choice: layer normalisation (Ba, Kiros, Hinton 2016) before the activation. Each row
// by itself, so that a row's prediction does not depend on the others.

// f(column, how many of the vector's numbers count) over the O columns of a row, added up
template <class T, class F> DCN_INLINE T row_sum(std::size_t O, F&& f) {
  Vec<T> total = broadcast(T(0));
  for (std::size_t o = 0; o < O; o += kLanes<T>)
    total = total + f(o, O - o < kLanes<T> ? O - o : kLanes<T>);
  return sum(total);
}

template <class T> DCN_INLINE T reciprocal_root(T x) {
  T lanes[kLanes<T>];
  store(lanes, broadcast(T(1)) / sqrt(broadcast(x)));
  return lanes[0];
}

template <class T, class Act>
void layer_norm_forward_as(T* hn, T* y, T* xhat, T* inv, const T* z, const T* scale, const T* shift,
                           std::size_t Trows, std::size_t O) {
  const T size = static_cast<T>(O);
  for (std::size_t t = 0; t < Trows; ++t) {
    const std::size_t row = t * ld<T>(O);
    const Vec<T> mean = broadcast(
        row_sum<T>(O, [=](std::size_t o, std::size_t n) { return load_partial(z + row + o, n); }) /
        size);
    const T variance = row_sum<T>(O,
                                  [=](std::size_t o, std::size_t n) {
                                    Vec<T> away = load_partial(z + row + o, n) - mean;
                                    if (n < kLanes<T>) {  // the mean was taken from the padding too
                                      T lanes[kLanes<T>];
                                      store(lanes, away);
                                      away = load_partial(lanes, n);
                                    }
                                    return away * away;
                                  }) /
                       size;
    inv[t] = reciprocal_root<T>(variance + static_cast<T>(kLayerNormEpsilon));
    for (std::size_t o = 0; o < O; o += kLanes<T>) {
      const std::size_t at = row + o, n = O - o < kLanes<T> ? O - o : kLanes<T>;
      const Vec<T> x = (load(z + at) - mean) * broadcast(inv[t]);
      const Vec<T> scaled = fma(x, load_partial(scale + o, n), load_partial(shift + o, n));
      store(xhat + at, x);
      if constexpr (Act::keeps_z) store(y + at, scaled);
      store(hn + at, Act::template activate<T>(scaled));
    }
  }
}

// dy = dhn act'(y); dscale += sum dy xhat; dshift += sum dy; with s = dy scale:
// dz = inv (s - mean(s) - xhat mean(s xhat)), means over the O columns of the row
template <class T, class Act>
void layer_norm_backward_as(T* dz, T* dscale, T* dshift, const T* dhn, const T* hn, const T* y,
                            const T* xhat, const T* inv, const T* scale, std::size_t Trows,
                            std::size_t O) {
  const T size = static_cast<T>(O);
  for (std::size_t t = 0; t < Trows; ++t) {
    const std::size_t row = t * ld<T>(O);
    Vec<T> sum_s = broadcast(T(0)), sum_sx = broadcast(T(0));
    for (std::size_t o = 0; o < O; o += kLanes<T>) {
      const std::size_t at = row + o, n = O - o < kLanes<T> ? O - o : kLanes<T>;
      const Vec<T> dy = load_partial(dhn + at, n) * Act::template slope<T>(load(hn + at), y + at);
      const Vec<T> x = load_partial(xhat + at, n);
      const Vec<T> s = dy * load_partial(scale + o, n);
      add_partial(dscale + o, dy * x, n);
      add_partial(dshift + o, dy, n);
      store(dz + at, s);
      sum_s = sum_s + s;
      sum_sx = fma(s, x, sum_sx);
    }
    const Vec<T> mean_s = broadcast(sum(sum_s) / size), mean_sx = broadcast(sum(sum_sx) / size);
    for (std::size_t o = 0; o < O; o += kLanes<T>) {
      const std::size_t at = row + o;
      const Vec<T> centred = load(dz + at) - mean_s - load(xhat + at) * mean_sx;
      store(dz + at, broadcast(inv[t]) * centred);
    }
  }
}

template <class T>
void layer_norm_forward(T* hn, T* y, T* xhat, T* inv, const T* z, const T* scale, const T* shift,
                        std::size_t Trows, std::size_t O, Activation activation) {
  with_activation(activation, [&](auto act) {
    layer_norm_forward_as<T, decltype(act)>(hn, y, xhat, inv, z, scale, shift, Trows, O);
  });
}

template <class T>
void layer_norm_backward(T* dz, T* dscale, T* dshift, const T* dhn, const T* hn, const T* y,
                         const T* xhat, const T* inv, const T* scale, std::size_t Trows,
                         std::size_t O, Activation activation) {
  with_activation(activation, [&](auto act) {
    layer_norm_backward_as<T, decltype(act)>(dz, dscale, dshift, dhn, hn, y, xhat, inv, scale,
                                             Trows, O);
  });
}
