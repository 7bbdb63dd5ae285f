// Stage 3 with TensorFlow Recommenders' preactivation: the gate g = act(W x + b) comes from the
// dense kernels, what is left is elementwise.

template <class T>
void cross_gate_forward(T* xn, const T* g, const T* x0, const T* x, std::size_t Trows,
                        std::size_t D, T diag) {
  for_tile<T>(Trows, D, [=](std::size_t at) {
    const Vec<T> xv = load(x + at);
    const Vec<T> z = fma(broadcast(diag), xv, load(g + at));
    store(xn + at, fma(load(x0 + at), z, xv));
  });
}

// dg = dxn x0; dx = dxn + diag dg; dx0 += dxn z with z = g + diag x
template <class T>
void cross_gate_backward(T* dg, T* dx, T* dx0_acc, const T* dxn, const T* g, const T* x0,
                         const T* x, std::size_t Trows, std::size_t D, T diag) {
  for_tile<T>(Trows, D, [=](std::size_t at) {
    const Vec<T> d = load(dxn + at);
    const Vec<T> gate = d * load(x0 + at);
    if (dx0_acc != nullptr) {
      const Vec<T> z = fma(broadcast(diag), load(x + at), load(g + at));
      store(dx0_acc + at, fma(d, z, load(dx0_acc + at)));
    }
    store(dg + at, gate);
    store(dx + at, fma(broadcast(diag), gate, d));
  });
}
