// Stage 5: logits = W [x, h] + b, without ever laying x and h side by side: W's columns are split.

template <class T> struct BiasEpilogue {
  T* out;
  const T* bias;
  std::size_t stride;

  DCN_INLINE void operator()(std::size_t row, std::size_t column, Vec<T> product) const {
    store(out + row * stride + column, product + load(bias + column));
  }
};

// The bias comes with the part that is written first: x's, or h's where there is no x.
template <class T>
void combine_forward(T* logits, const T* x, const T* h, Packed<T> Wx, Packed<T> Wh,
                     std::size_t Trows, std::size_t D, std::size_t H, std::size_t C) {
  const std::size_t stride = ld<T>(C);
  if (x != nullptr)
    multiply_packed(x, ld<T>(D), Wx.by_output, Trows, D, C,
                    BiasEpilogue<T>{logits, Wx.bias, stride});
  if (h != nullptr && x != nullptr)
    multiply_packed(h, ld<T>(H), Wh.by_output, Trows, H, C, AddEpilogue<T>{logits, true, stride});
  if (h != nullptr && x == nullptr)
    multiply_packed(h, ld<T>(H), Wh.by_output, Trows, H, C,
                    BiasEpilogue<T>{logits, Wh.bias, stride});
}

template <class T>
void combine_backward(T* dx, T* dh, T* dW, T* db, const T* dlogits, const T* x, const T* h,
                      Packed<T> Wx, Packed<T> Wh, std::size_t Trows, std::size_t D, std::size_t H,
                      std::size_t C) {
  const std::size_t stride = ld<T>(C);
  const std::size_t width = (x != nullptr ? D : 0) + (h != nullptr ? H : 0);
  for_columns(db, Trows, C, [=](std::size_t at) { return load(dlogits + at); });
  if (x != nullptr) {
    add_outer(dW, width, dlogits, stride, x, ld<T>(D), Trows, C, D);
    if (dx != nullptr)
      multiply_packed(dlogits, stride, Wx.by_input, Trows, C, D, StoreEpilogue<T>{dx, ld<T>(D)});
  }
  if (h != nullptr) {
    T* dWh = dW + (x != nullptr ? D : 0);
    add_outer(dWh, width, dlogits, stride, h, ld<T>(H), Trows, C, H);
    if (dh != nullptr)
      multiply_packed(dlogits, stride, Wh.by_input, Trows, C, H, StoreEpilogue<T>{dh, ld<T>(H)});
  }
}
