// Stage 5: logits = sum over the parts of W_part part, plus b. The parts are never laid side by
// side: W's columns are split instead.

template <class T>
void combine_forward(T* logits, const T* x, std::size_t x_ld, Packed<T> W, std::size_t Trows,
                     std::size_t D, std::size_t C, bool add) {
  const std::size_t stride = ld<T>(C);
  if (add)
    multiply_weights(x, x_ld, W, Trows, D, C, AddEpilogue<T>{logits, true, stride});
  else
    multiply_weights(x, x_ld, W, Trows, D, C, BaseEpilogue<T>{logits, {W.bias, 0}, stride});
}

template <class T>
void combine_backward(T* dx, T* dW, std::size_t dw_ld, T* db, const T* dlogits, const T* x,
                      std::size_t x_ld, Packed<T> W, std::size_t Trows, std::size_t D,
                      std::size_t C) {
  const std::size_t stride = ld<T>(C);
  if (db != nullptr) for_columns(db, Trows, C, [=](std::size_t at) { return load(dlogits + at); });
  add_outer(dW, dw_ld, dlogits, stride, x, x_ld, Trows, C, D, static_cast<T*>(nullptr));
  if (dx != nullptr) multiply_back(dlogits, stride, W, Trows, C, D, StoreEpilogue<T>{dx, ld<T>(D)});
}

template <class T>
void wide_forward(T* logits, const Field<T>* fields, const std::int32_t* ids,
                  const std::int64_t* rows, std::size_t Trows, std::size_t F, std::size_t C) {
  for (std::size_t t = 0; t < Trows; ++t, logits += ld<T>(C)) {
    const std::int32_t* id = ids + row_of(rows, t) * F;
    for (std::size_t f = 0; f < F; ++f)
      for_row(logits, fields[f].rows + static_cast<std::size_t>(id[f]) * C, C,
              [](Vec<T> sum, Vec<T> w) { return sum + w; });
  }
}
