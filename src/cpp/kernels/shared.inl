// Stages 3 and 4, first layers, less work: ids repeat within a batch, so W's columns of a field are
// multiplied once with each distinct row of its table. Rows of the batch add up what their ids
// name; backward, the gradients of the products are added up by id before they are multiplied.

// N vectors of the products of a field's rows u, u + 1, ... with its columns of W
template <class T, int R, int N>
DCN_INLINE void shared_tile(T* products, std::size_t stride, const SharedField<T>& field,
                            const T* columns, std::size_t D, std::size_t u) {
  Vec<T> acc[R][N] = {};
  multiply_tile<T, R, N>(acc, field.rows + u * ld<T>(field.K), ld<T>(field.K), 1, columns,
                         kLanes<T>, D * kLanes<T>, field.K, NothingAhead());
  DCN_UNROLL
  for (int r = 0; r < R; ++r) {
    DCN_UNROLL
    for (int n = 0; n < N; ++n) store(products + (u + r) * stride + n * kLanes<T>, acc[r][n]);
  }
}

template <class T, int N>
DCN_INLINE void shared_products(T* products, std::size_t stride, const SharedField<T>& field,
                                const T* columns, std::size_t D) {
  std::size_t u = 0;
  for (; u + kTileRows <= field.U; u += kTileRows)
    shared_tile<T, kTileRows, N>(products, stride, field, columns, D, u);
  for (; u < field.U; ++u) shared_tile<T, 1, N>(products, stride, field, columns, D, u);
}

template <class T, int N>
DCN_INLINE void shared_columns_forward(T* sums, T* products, const SharedField<T>* fields,
                                       const std::uint32_t* index, const Packed<T>& W,
                                       std::size_t n, std::size_t H, std::size_t D, std::size_t O,
                                       std::size_t v) {
  constexpr int kStep = N % kTileVectors == 0 ? kTileVectors : 1;
  for (std::size_t h = 0; h < H; ++h)
    for (std::size_t i = 0; i < N; i += kStep)
      shared_products<T, kStep>(products + (fields[h].first * N + i) * kLanes<T>, N * kLanes<T>,
                                fields[h],
                                W.by_output + ((v + i) * D + fields[h].column) * kLanes<T>, D);
  Vec<T> bias[N];
  DCN_UNROLL
  for (int i = 0; i < N; ++i) bias[i] = load(W.bias + (v + i) * kLanes<T>);
  for (std::size_t t = 0; t < n; ++t, index += H) {
    Vec<T> total[N];
    DCN_UNROLL
    for (int i = 0; i < N; ++i) total[i] = bias[i];
    for (std::size_t h = 0; h < H; ++h) {
      const T* product = products + index[h] * N * kLanes<T>;
      DCN_UNROLL
      for (int i = 0; i < N; ++i) total[i] = total[i] + load(product + i * kLanes<T>);
    }
    DCN_UNROLL
    for (int i = 0; i < N; ++i) store(sums + t * ld<T>(O) + (v + i) * kLanes<T>, total[i]);
  }
}

// sums (count, N vectors) of dz over the runs of a field's rows u, u + 1, ...
template <class T, int N>
DCN_INLINE void sum_by_unit(T* sums, const T* dz, std::size_t dz_ld, const SharedField<T>& field,
                            std::size_t u, std::size_t count) {
  const std::uint32_t* place = field.places + (field.starts[u] - field.starts[0]);
  for (const std::size_t end = u + count; u < end; ++u, sums += N * kLanes<T>) {
    Vec<T> total[N] = {};
    for (std::uint32_t left = field.starts[u + 1] - field.starts[u]; left > 0; --left) {
      const T* from = dz + *place++ * dz_ld;
      DCN_UNROLL
      for (int j = 0; j < N; ++j) total[j] = total[j] + load(from + j * kLanes<T>);
    }
    DCN_UNROLL
    for (int j = 0; j < N; ++j) store(sums + j * kLanes<T>, total[j]);
  }
}

template <class T, int N>
DCN_INLINE void shared_columns_backward(T* g, T* dW, T* scratch, const T* dz,
                                        const SharedField<T>* fields, const T* W, std::size_t H,
                                        std::size_t D, std::size_t O, std::size_t v) {
  constexpr std::size_t kWidth = N * kLanes<T>;
  const std::size_t first = v * kLanes<T>, left = O - first < kWidth ? O - first : kWidth;
  const Span whole{0, left};
  T *sums = scratch, *packed = scratch + kSharedUnits * kWidth;
  for (std::size_t h = 0; h < H; ++h) {
    const SharedField<T>& field = fields[h];
    const std::size_t stride = ld<T>(field.K), at = first * D + field.column;
    pack_weights<T>(nullptr, packed, W + at, D, left, field.K);
    for (std::size_t u = 0; u < field.U; u += kSharedUnits) {
      const std::size_t count = field.U - u < kSharedUnits ? field.U - u : kSharedUnits;
      sum_by_unit<T, N>(sums, dz + first, ld<T>(O), field, u, count);
      add_outer(dW + at, D, sums, kWidth, field.rows + u * stride, stride, count, left, field.K,
                static_cast<T*>(nullptr));
      multiply_todo(sums, kWidth, packed, count, left, field.K, Todo<T>{&whole, 1, nullptr},
                    StoreEpilogue<T>{g, stride});
      g += count * stride;
    }
  }
}

// f(vectors at a time) for the vectors of the block that O has
template <class T, class F> DCN_INLINE void for_block(std::size_t O, std::size_t v, const F& f) {
  static_assert(kSharedVectors == 4);
  switch (vectors<T>(O) - v) {
    case 1:
      return f(Constant<1>{});
    case 2:
      return f(Constant<2>{});
    case 3:
      return f(Constant<3>{});
    default:
      return f(Constant<4>{});
  }
}

template <class T>
void shared_forward(T* sums, T* products, const SharedField<T>* fields, const std::uint32_t* index,
                    Packed<T> W, std::size_t n, std::size_t H, std::size_t D, std::size_t O,
                    std::size_t v) {
  for_block<T>(O, v, [&](auto count) {
    shared_columns_forward<T, count.value>(sums, products, fields, index, W, n, H, D, O, v);
  });
}

template <class T>
void shared_backward(T* g, T* dW, T* scratch, const T* dz, const SharedField<T>* fields, const T* W,
                     std::size_t H, std::size_t D, std::size_t O, std::size_t v) {
  for_block<T>(O, v, [&](auto count) {
    shared_columns_backward<T, count.value>(g, dW, scratch, dz, fields, W, H, D, O, v);
  });
}
