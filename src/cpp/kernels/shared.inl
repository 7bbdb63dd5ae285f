// Stages 3 and 4, first layers, less work: ids repeat within a batch, so W's columns of a field are
// multiplied once with each distinct row of its table. Rows of the batch add up what their ids
// name; backward, the gradients of the products are added up by id before they are multiplied.

// N vectors of the products of a field's rows u, u + 1, ... with its columns of W
template <class T, int R, int N>
DCN_INLINE void shared_tile(T* products, std::size_t stride, const SharedField<T>& field,
                            const T* columns, std::size_t D, std::size_t u) {
  Vec<T> acc[R][N] = {};
  multiply_tile<T, R, N>(acc, field.rows + u * ld<T>(field.K), ld<T>(field.K), 1, columns,
                         kLanes<T>, D * kLanes<T>, field.K, [](std::size_t) {});
  DCN_UNROLL
  for (int r = 0; r < R; ++r)
    DCN_UNROLL
    for (int n = 0; n < N; ++n)
      store(products + (u + r) * stride + n * kLanes<T>, acc[r][n]);
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

template <class T, int N>
DCN_INLINE void shared_columns_backward(T* dsums, T* dW, const T* dz, const SharedField<T>* fields,
                                        std::size_t H, std::size_t D, std::size_t O,
                                        std::size_t v) {
  const std::size_t first = v * kLanes<T>, left = O - first;
  for (std::size_t h = 0; h < H; ++h) {
    const SharedField<T>& field = fields[h];
    T* to = dsums + field.first * ld<T>(O) + first;
    const auto n_fields = static_cast<std::uint32_t>(field.n_fields);
    for (std::size_t u = 0; u < field.U; ++u) {
      Vec<T> total[N] = {};
      for (std::uint32_t i = field.starts[u]; i < field.starts[u + 1]; ++i) {
        const T* from = dz + field.occurrences[i] / n_fields * ld<T>(O) + first;
        DCN_UNROLL
        for (int j = 0; j < N; ++j) total[j] = total[j] + load(from + j * kLanes<T>);
      }
      DCN_UNROLL
      for (int j = 0; j < N; ++j) store(to + u * ld<T>(O) + j * kLanes<T>, total[j]);
    }
    add_outer(dW + first * D + field.column, D, to, ld<T>(O), field.rows, ld<T>(field.K), field.U,
              left < N * kLanes<T> ? left : N * kLanes<T>, field.K);
  }
}

// f(vectors at a time, first vector) for the vectors of the block that O has
template <class T, class F>
DCN_INLINE void for_block(std::size_t O, std::size_t v, const F& f) {
  if (v + kSharedVectors <= vectors<T>(O)) return f(Constant<kSharedVectors>{}, v);
  for (; v < vectors<T>(O); ++v) f(Constant<1>{}, v);
}

template <class T>
void shared_forward(T* sums, T* products, const SharedField<T>* fields, const std::uint32_t* index,
                    Packed<T> W, std::size_t n, std::size_t H, std::size_t D, std::size_t O,
                    std::size_t v) {
  for_block<T>(O, v, [&](auto count, std::size_t at) {
    shared_columns_forward<T, count.value>(sums, products, fields, index, W, n, H, D, O, at);
  });
}

template <class T>
void shared_backward(T* dsums, T* dW, const T* dz, const SharedField<T>* fields, std::size_t H,
                     std::size_t D, std::size_t O, std::size_t v) {
  for_block<T>(O, v, [&](auto count, std::size_t at) {
    shared_columns_backward<T, count.value>(dsums, dW, dz, fields, H, D, O, at);
  });
}

template <class T>
void shared_rows_backward(T* g, T* packed, const T* dsums, SharedField<T> field, const T* W,
                          std::size_t D, std::size_t O, bool add) {
  pack_weights<T>(nullptr, packed, W + field.column, D, O, field.K);
  const Span whole{0, O};
  multiply_todo(dsums + field.first * ld<T>(O), ld<T>(O), packed, field.U, O, field.K,
                Todo<T>{&whole, 1, nullptr}, AddEpilogue<T>{g, add, ld<T>(field.K)});
}
