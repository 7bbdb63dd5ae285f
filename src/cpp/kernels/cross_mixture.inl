// Stage 3, a mixture of E low-rank experts. Wang et al. 2021, eqs. 3 and 4. All experts side by
// side are one product: h (T,E R) has those of all, expert after expert. u (T,E R + 1) is h behind
// the gates, and their sum: U (D,E R + 1) has the bias in its last column.

// act(product) in a block of columns that others follow
template <class T, class Act> struct BlockEpilogue {
  T *out, *z;
  std::size_t stride, width;

  DCN_INLINE void prefetch_operands(std::size_t row, std::size_t column) const {
    prefetch(out + row * stride + column);
  }
  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    const std::size_t at = row * stride + column, n = in_vector<T>(width - column);
    if constexpr (Act::keeps_z) store_partial(z + at, product, n);
    store_partial(out + at, Act::template activate<T>(product), n);
  }
};

template <class T>
void mixture_inner_forward(T* hn, T* z, const T* h, const Packed<T>* C, std::size_t Trows,
                           std::size_t R, std::size_t E, Activation activation) {
  const std::size_t stride = ld<T>(E * R);
  with_activation(activation, [&](auto act) {
    for (std::size_t e = 0; e < E; ++e)
      multiply_weights(
          h + e * R, stride, C[e], Trows, R, R,
          BlockEpilogue<T, decltype(act)>{hn + e * R, z == nullptr ? z : z + e * R, stride, R});
  });
}

// dz = dhn act'(z); dC_e = dz_e^T h_e; dh_e = dz_e C_e
template <class T>
void mixture_inner_backward(T* dh, T* dC, T* dz, const T* dhn, const T* hn, const T* z, const T* h,
                            const Packed<T>* C, std::size_t Trows, std::size_t R, std::size_t E,
                            Activation activation) {
  const std::size_t stride = ld<T>(E * R);
  with_activation(activation, [&](auto act) {
    for_tile<T>(Trows, E * R, [=](std::size_t at) {
      store(dz + at, load(dhn + at) * decltype(act)::template slope<T>(load(hn + at), z + at));
    });
  });
  for (std::size_t e = 0; e < E; ++e) {
    add_outer(dC + e * R * R, R, dz + e * R, stride, h + e * R, stride, Trows, R, R,
              static_cast<T*>(nullptr));
    multiply_back(dz + e * R, stride, C[e], Trows, R, R,
                  BlockEpilogue<T, Identity>{dh + e * R, nullptr, stride, R});
  }
}

// the gates of a row from their logits, and their sum
template <class T> DCN_INLINE T gates_of_row(T* g, const T* a, std::size_t E, Gating gating) {
  T top = a[0], total = T(0);
  for (std::size_t e = 1; e < E; ++e) top = a[e] > top ? a[e] : top;
  for (std::size_t e = 0; e < E; e += kLanes<T>)
    store(g + e,
          gating == Gating::sigmoid ? sigmoid(load(a + e)) : exp(load(a + e) - broadcast(top)));
  for (std::size_t e = 0; e < E; ++e) total += g[e];
  if (gating == Gating::sigmoid) return total;
  for (std::size_t e = 0; e < E; e += kLanes<T>) store(g + e, load(g + e) / broadcast(total));
  return T(1);
}

template <class T>
void mixture_gate_forward(T* u, T* gates, const T* h, const T* a, std::size_t Trows, std::size_t R,
                          std::size_t E, Gating gating) {
  for (std::size_t t = 0; t < Trows; ++t) {
    const T* from = h + t * ld<T>(E * R);
    T *to = u + t * ld<T>(E * R + 1), *g = gates + t * ld<T>(E);
    const bool constant = gating == Gating::constant;
    to[E * R] = constant ? static_cast<T>(E) : gates_of_row(g, a + t * ld<T>(E), E, gating);
    for (std::size_t e = 0; e < E; ++e, from += R, to += R) {
      const Vec<T> gate = broadcast(constant ? T(1) : g[e]);
      for (std::size_t r = 0; r < R; r += kLanes<T>) {
        const std::size_t n = in_vector<T>(R - r);
        store_partial(to + r, gate * load_partial(from + r, n), n);
      }
    }
  }
}

// dh_e = g_e du_e; with dg_e = du_e . h_e + the last of du, the logits of softmax get
// g_e (dg_e - sum of g dg), of sigmoid g_e (1 - g_e) dg_e
template <class T>
void mixture_gate_backward(T* dh, T* da, const T* du, const T* gates, const T* h, std::size_t Trows,
                           std::size_t R, std::size_t E, Gating gating) {
  const bool constant = gating == Gating::constant;
  for (std::size_t t = 0; t < Trows; ++t) {
    const T *d = du + t * ld<T>(E * R + 1), *from = h + t * ld<T>(E * R);
    const T *g = gates + t * ld<T>(E), of_sum = d[E * R];
    T *to = dh + t * ld<T>(E * R), *dg = da + t * ld<T>(E), mean = T(0);
    for (std::size_t e = 0; e < E; ++e, d += R, from += R, to += R) {
      const Vec<T> gate = broadcast(constant ? T(1) : g[e]);
      Vec<T> product = broadcast(T(0));
      for (std::size_t r = 0; r < R; r += kLanes<T>) {
        const std::size_t n = in_vector<T>(R - r);
        const Vec<T> some = load_partial(d + r, n);
        product = fma(some, load_partial(from + r, n), product);
        store_partial(to + r, gate * some, n);
      }
      if (constant) continue;
      dg[e] = sum(product) + of_sum;
      mean += g[e] * dg[e];
    }
    for (std::size_t e = 0; e < E && !constant; ++e)
      dg[e] = g[e] * (gating == Gating::sigmoid ? (T(1) - g[e]) * dg[e] : dg[e] - mean);
  }
}

template <class T>
void mixture_output_forward(T* xn, T* z, const T* u, const T* x0, const T* x, Packed<T> U,
                            std::size_t Trows, std::size_t I, std::size_t D) {
  multiply_weights(u, ld<T>(I), U, Trows, I, D,
                   CrossEpilogue<T>{xn, z, x0, x, base_of(U, ld<T>(D)), T(0), ld<T>(D)});
}

// dU_e = dz^T u_e, db = dz^T s with the sum s of the gates, du = dz U
template <class T>
void mixture_output_backward(T* du, T* dU, T* db, T* scratch, const T* dz, const T* u, Packed<T> U,
                             std::size_t Trows, std::size_t D, std::size_t R, std::size_t E) {
  const std::size_t I = E * R + 1;
  for (std::size_t e = 0; e < E; ++e)
    add_outer(dU + e * D * R, R, dz, ld<T>(D), u + e * R, ld<T>(I), Trows, D, R, scratch);
  add_outer(db, 1, dz, ld<T>(D), u + E * R, ld<T>(I), Trows, D, 1, static_cast<T*>(nullptr));
  multiply_back(dz, ld<T>(D), U, Trows, D, I, StoreEpilogue<T>{du, ld<T>(I)});
}
