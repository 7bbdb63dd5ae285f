// Stage 2 of a network whose tables are stored in fewer bytes: each row is expanded when it is
// read, to the numbers that row_codes.py says.

// what the numbers of an int8 row are multiplied by, little-endian wherever it was written
DCN_INLINE float scale_of(const unsigned char* row) {
  const std::uint32_t bits =
      static_cast<std::uint32_t>(row[0]) | static_cast<std::uint32_t>(row[1]) << 8 |
      static_cast<std::uint32_t>(row[2]) << 16 | static_cast<std::uint32_t>(row[3]) << 24;
  float scale;
  ::memcpy(&scale, &bits, sizeof(scale));
  return scale;
}

// out[k] = f(out[k], number k of the row), K numbers. first(k, n) is a vector whose first n lanes
// are the numbers from k on.
template <class T, class First, class F>
DCN_INLINE void for_expanded(T* out, std::size_t K, First&& first, F&& f) {
  std::size_t k = 0;
  for (; k + kLanes<T> <= K; k += kLanes<T>) store(out + k, f(load(out + k), first(k, kLanes<T>)));
  if (k < K) store_partial(out + k, f(load_partial(out + k, K - k), first(k, K - k)), K - k);
}

template <class T, class F>
DCN_INLINE void for_stored_row(T* out, const StoredField& field, std::int32_t id, F&& f) {
  const unsigned char* row = field.rows + static_cast<std::size_t>(id) * field.stride;
  if (field.code == RowCode::bfloat16) {
    for_expanded(
        out, field.K,
        [=](std::size_t k, std::size_t n) { return load_bfloat16(row + 2 * k, n, T(0)); }, f);
  } else {
    const Vec<T> scale = broadcast(static_cast<T>(scale_of(row)));
    row += kScaleBytes;
    for_expanded(
        out, field.K,
        [=](std::size_t k, std::size_t n) { return load_int8(row + k, n, T(0)) * scale; }, f);
  }
}

// A row of int8 begins anywhere in a cache line.
DCN_INLINE void prefetch_stored(const StoredField& field, std::int32_t id) {
  const unsigned char* row = field.rows + static_cast<std::size_t>(id) * field.stride;
  prefetch(row);
  prefetch(row + field.stride - 1);
}

template <class T>
void stored_forward(T* x0, const StoredField* fields, const std::int32_t* ids,
                    const std::int64_t* rows, std::size_t Trows, std::size_t F, std::size_t D) {
  for (std::size_t t = 0; t < Trows; ++t, x0 += ld<T>(D)) {
    const std::int32_t* id = ids + row_of(rows, t) * F;
    const std::int32_t* later = ids + row_of(rows, t + kRowsAhead < Trows ? t + kRowsAhead : t) * F;
    for (std::size_t f = 0; f < F; ++f) {
      prefetch_stored(fields[f], later[f]);
      for_stored_row(x0 + fields[f].column, fields[f], id[f], [](Vec<T>, Vec<T> e) { return e; });
    }
  }
}

template <class T>
void stored_wide_forward(T* logits, const StoredField* fields, const std::int32_t* ids,
                         const std::int64_t* rows, std::size_t Trows, std::size_t F,
                         std::size_t C) {
  for (std::size_t t = 0; t < Trows; ++t, logits += ld<T>(C)) {
    const std::int32_t* id = ids + row_of(rows, t) * F;
    for (std::size_t f = 0; f < F; ++f)
      for_stored_row(logits, fields[f], id[f], [](Vec<T> sum, Vec<T> w) { return sum + w; });
  }
}

// Rows of a field's table for pool_lists, each number expanded as it is loaded.
template <class T, RowCode kCode> struct ExpandedRows {
  const unsigned char* rows;
  std::size_t stride;

  DCN_INLINE Vec<T> load(std::int32_t id, std::size_t k, std::size_t n) const {
    const unsigned char* row = rows + static_cast<std::size_t>(id) * stride;
    if constexpr (kCode == RowCode::bfloat16) {
      return load_bfloat16(row + 2 * k, n, T(0));
    } else {
      const Vec<T> scale = broadcast(static_cast<T>(scale_of(row)));
      return load_int8(row + kScaleBytes + k, n, T(0)) * scale;
    }
  }
  DCN_INLINE void ask(std::int32_t id) const {
    const unsigned char* row = rows + static_cast<std::size_t>(id) * stride;
    prefetch(row);
    prefetch(row + stride - 1);
  }
};

template <class T>
void stored_sum_forward(T* out, const StoredField& field, const Lists<T>& lists,
                        const std::int64_t* rows, std::size_t Trows, std::size_t stride, bool add) {
  const std::size_t K = field.K;
  out += field.column;
  if (field.code == RowCode::bfloat16) {
    const ExpandedRows<T, RowCode::bfloat16> table{field.rows, field.stride};
    pool_sum(out, table, K, lists, rows, Trows, stride, add);
  } else {
    const ExpandedRows<T, RowCode::int8> table{field.rows, field.stride};
    pool_sum(out, table, K, lists, rows, Trows, stride, add);
  }
}

template <class T>
void stored_max_forward(T* out, const StoredField& field, const Lists<T>& lists,
                        const std::int64_t* rows, std::size_t Trows, std::size_t stride, bool add) {
  const std::size_t K = field.K;
  out += field.column;
  if (field.code == RowCode::bfloat16) {
    const ExpandedRows<T, RowCode::bfloat16> table{field.rows, field.stride};
    pool_max(out, table, K, lists, rows, Trows, stride, add);
  } else {
    const ExpandedRows<T, RowCode::int8> table{field.rows, field.stride};
    pool_max(out, table, K, lists, rows, Trows, stride, add);
  }
}
