// Stage 2 for columns of lists: the rows of a table that a list names, pooled while they are
// gathered, and the way back.

inline constexpr std::size_t kItemsAhead = 16;  // that are on their way from their table

// n numbers, a vector at most
template <class T> DCN_INLINE Vec<T> load_columns(const T* p, std::size_t n) {
  return n == kLanes<T> ? load(p) : load_partial(p, n);
}

template <class T> DCN_INLINE void store_columns(T* p, const Vec<T>& a, std::size_t n) {
  if (n == kLanes<T>)
    store(p, a);
  else
    store_partial(p, a, n);
}

// Rows of a field's table, as they are pooled: n numbers of one from column k on, a vector at most.
// stored_rows.inl has those that are expanded.
template <class T> struct RowsOfField {
  const T* rows;
  const T* factors;  // of each row, or NULL
  std::size_t K;

  DCN_INLINE Vec<T> load(std::int32_t id, std::size_t k, std::size_t n) const {
    const std::size_t row = static_cast<std::size_t>(id);
    const Vec<T> e = load_columns(rows + row * K + k, n);
    return factors == nullptr ? e : broadcast(factors[row]) * e;
  }
  DCN_INLINE void ask(std::int32_t id) const { prefetch(rows + static_cast<std::size_t>(id) * K); }
};

template <class T> DCN_INLINE RowsOfField<T> rows_of_field(const Field<T>& field) {
  return {field.rows, field.factors, field.K};
}

template <class T, class Rows>
DCN_INLINE void prefetch_items(const Rows& table, const Lists<T>& lists, std::size_t begin,
                               std::size_t end) {
  for (std::size_t i = begin; i < end && i < begin + kItemsAhead; ++i) table.ask(lists.ids[i]);
}

// out[k] = pool of the items' numbers, a vector of columns at a time: begin() is what it starts
// from, step(pool, item, numbers) takes one more.
template <class T, class Rows, class Begin, class Step>
DCN_INLINE void pool_lists(T* out, const Rows& table, std::size_t K, const Lists<T>& lists,
                           const std::int64_t* rows, std::size_t Trows, std::size_t stride,
                           bool add, Begin&& begin, Step&& step) {
  for (std::size_t t = 0; t < Trows; ++t, out += stride) {
    const std::size_t row = row_of(rows, t);
    const auto first = static_cast<std::size_t>(lists.offsets[row]);
    const auto last = static_cast<std::size_t>(lists.offsets[row + 1]);
    if (t + 1 < Trows) {
      const std::size_t next = row_of(rows, t + 1);
      prefetch_items(table, lists, static_cast<std::size_t>(lists.offsets[next]),
                     static_cast<std::size_t>(lists.offsets[next + 1]));
    }
    for (std::size_t k = 0; k < K; k += kLanes<T>) {
      const std::size_t n = K - k < kLanes<T> ? K - k : kLanes<T>;
      Vec<T> pool = broadcast(T(0));
      for (std::size_t i = first; i < last; ++i) {
        if (k == 0 && i + kItemsAhead < last) table.ask(lists.ids[i + kItemsAhead]);
        const Vec<T> e = table.load(lists.ids[i], k, n);
        pool = i == first ? begin(i, e) : step(pool, i, e);
      }
      store_columns(out + k, add ? load_columns(out + k, n) + pool : pool, n);
    }
  }
}

template <class T, class Rows>
DCN_INLINE void pool_sum(T* out, const Rows& table, std::size_t K, const Lists<T>& lists,
                         const std::int64_t* rows, std::size_t Trows, std::size_t stride,
                         bool add) {
  const T* weights = lists.weights;
  if (weights == nullptr)
    return pool_lists(
        out, table, K, lists, rows, Trows, stride, add, [](std::size_t, Vec<T> e) { return e; },
        [](Vec<T> sum, std::size_t, Vec<T> e) { return sum + e; });
  pool_lists(
      out, table, K, lists, rows, Trows, stride, add,
      [=](std::size_t i, Vec<T> e) { return broadcast(weights[i]) * e; },
      [=](Vec<T> sum, std::size_t i, Vec<T> e) { return fma(broadcast(weights[i]), e, sum); });
}

template <class T, class Rows>
DCN_INLINE void pool_max(T* out, const Rows& table, std::size_t K, const Lists<T>& lists,
                         const std::int64_t* rows, std::size_t Trows, std::size_t stride,
                         bool add) {
  pool_lists(
      out, table, K, lists, rows, Trows, stride, add, [](std::size_t, Vec<T> e) { return e; },
      [](Vec<T> most, std::size_t, Vec<T> e) { return max(most, e); });
}

template <class T>
void lists_sum_forward(T* out, const Field<T>& field, const Lists<T>& lists,
                       const std::int64_t* rows, std::size_t Trows, std::size_t stride, bool add) {
  pool_sum(out + field.column, rows_of_field(field), field.K, lists, rows, Trows, stride, add);
}

template <class T>
void lists_max_forward(T* out, const Field<T>& field, const Lists<T>& lists,
                       const std::int64_t* rows, std::size_t Trows, std::size_t stride, bool add) {
  pool_max(out + field.column, rows_of_field(field), field.K, lists, rows, Trows, stride, add);
}

// number(i, k): of column k of item i
template <class Number>
DCN_INLINE void greatest_items(std::uint32_t* items, const std::uint32_t* begins, std::size_t Trows,
                               std::size_t K, Number&& number) {
  for (std::size_t t = 0; t < Trows; ++t, items += K) {
    for (std::uint32_t i = begins[t]; i < begins[t + 1]; ++i) {
      for (std::size_t k = 0; k < K; ++k) {
        const std::uint32_t best = i == begins[t] ? i : items[k];
        items[k] = number(i, k) > number(best, k) ? i : best;
      }
    }
  }
}

template <class T>
void lists_max_items(std::uint32_t* items, const T* table, const T* factors,
                     const std::int32_t* ids, const std::uint32_t* begins, std::size_t Trows,
                     std::size_t K) {
  const auto number = [=](std::uint32_t i, std::size_t k) {
    return table[static_cast<std::size_t>(ids[i]) * K + k];
  };
  if (factors == nullptr) return greatest_items(items, begins, Trows, K, number);
  greatest_items(items, begins, Trows, K, [=](std::uint32_t i, std::size_t k) {
    return factors[static_cast<std::size_t>(ids[i])] * number(i, k);
  });
}

template <class T>
void lists_backward(T* g, const T* dx, std::size_t dx_ld, const BatchLists<T>& lists,
                    const std::uint32_t* max_items, const std::uint32_t* occurrences,
                    const std::uint32_t* starts, std::size_t U, std::size_t K) {
  for (std::size_t u = 0; u < U; ++u, g += K) {
    for (std::size_t k = 0; k < K; ++k) g[k] = T(0);
    for (std::uint32_t o = starts[u]; o < starts[u + 1]; ++o) {
      const std::uint32_t item = occurrences[o];
      const std::size_t slot = lists.slots[item], m = lists.n_members > 1 ? slot / lists.B : 0;
      const Member& member = lists.members[m];
      const T* from = dx + (slot - m * lists.B) * dx_ld + member.column;
      if (member.max) {
        const std::uint32_t* best = max_items + slot * K;
        for (std::size_t k = 0; k < K; ++k) g[k] += best[k] == item ? from[k] : T(0);
      } else if (lists.weights != nullptr) {
        const Vec<T> weight = broadcast(lists.weights[item]);
        for_row(g, from, K, [=](Vec<T> sum, Vec<T> d) { return fma(weight, d, sum); });
      } else {
        for_row(g, from, K, [](Vec<T> sum, Vec<T> d) { return sum + d; });
      }
    }
  }
}
