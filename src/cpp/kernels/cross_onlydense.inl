// Stage 3, what is behind the dense kernels in a layer of DCN^2's onlydense form:
// xn = scale x * g, g = act(W x + b).

template <class T>
void onlydense_forward(T* xn, const T* g, const T* x, std::size_t Trows, std::size_t D, T scale) {
  for_tile<T>(Trows, D, [=](std::size_t at) {
    store(xn + at, broadcast(scale) * load(x + at) * load(g + at));
  });
}

// dg = scale dxn x; dx = scale dxn g, the share of the factor x alone
template <class T>
void onlydense_backward(T* dg, T* dx, const T* dxn, const T* g, const T* x, std::size_t Trows,
                        std::size_t D, T scale) {
  for_tile<T>(Trows, D, [=](std::size_t at) {
    const Vec<T> d = broadcast(scale) * load(dxn + at);
    const Vec<T> gv = load(g + at);
    store(dg + at, d * load(x + at));
    if (dx != nullptr) store(dx + at, d * gv);
  });
}
