// Stage 2, numbers: piecewise linear embeddings (Gorishniy et al., 2022, eq. 1), and back. With the
// vectors at the edges of the bins at hand, a number costs K multiply-adds, however many bins there
// are: the embedding lies between two of them.

// Where a number lies: in this bin, that far into it.
template <class T> struct Place {
  std::size_t bin;
  T share;

  DCN_INLINE Place(T place, std::size_t bins) {
    const T last = static_cast<T>(bins - 1);
    const T inside = place > T(0) ? place : T(0);  // NaN becomes 0
    bin = static_cast<std::size_t>(inside < last ? inside : last);
    share = place - static_cast<T>(bin);
  }
};

template <class T> DCN_INLINE bool is_missing_place(T place) {
  return place < static_cast<T>(kMissingPlace / 2);
}

template <class T>
void piecewise_prepare(T* blocks, const T* W, const T* b, const T* v, const T* missing,
                       const T* scales, const std::size_t* bins, std::size_t J, std::size_t K) {
  const std::size_t stride = padded<T>(K);
  for (std::size_t j = 0; j < J; ++j, b += K, v += K, missing += K) {
    const T* above = b;
    for (std::size_t i = 0; i <= bins[j]; ++i, blocks += stride) {
      for (std::size_t k = 0; k < K; ++k) blocks[k] = i == 0 ? b[k] : above[k] + scales[j] * W[k];
      if (i > 0) W += K;
      above = blocks;
    }
    for (std::size_t k = 0; k < K; ++k) blocks[k] = v[k];
    for (std::size_t k = 0; k < K; ++k) blocks[stride + k] = missing[k];
    blocks += 2 * stride;
  }
}

template <class T>
void piecewise_forward(T* x, const T* dense, const std::int64_t* rows, const T* blocks,
                       const std::size_t* bins, std::size_t Trows, std::size_t J, std::size_t K,
                       std::size_t M, std::size_t D) {
  const std::size_t stride = padded<T>(K), columns = M + 2 * J;
  x += D - J * K;
  for (std::size_t t = 0; t < Trows; ++t, x += ld<T>(D)) {
    const T* pair = dense + row_of(rows, t) * columns + M;
    const T* block = blocks;
    for (std::size_t j = 0; j < J; ++j, pair += 2) {
      const T *slope = block + (bins[j] + 1) * stride, *missing = slope + stride;
      const Place<T> at(pair[1], bins[j]);
      const T* low = is_missing_place(pair[1]) ? missing : block + at.bin * stride;
      const T* high = is_missing_place(pair[1]) ? missing : low + stride;
      const Vec<T> share = broadcast(at.share), z = broadcast(pair[0]);
      T* out = x + j * K;
      for (std::size_t k = 0; k < K; k += kLanes<T>) {
        const Vec<T> base = load(low + k);
        Vec<T> e = fma(share, load(high + k) - base, fma(z, load(slope + k), base));
        if (low == high) e = base;
        if (k + kLanes<T> <= K)
          store(out + k, e);
        else
          store_partial(out + k, e, K - k);
      }
      block = missing + stride;
    }
  }
}

// What each bin's edges get; piecewise_collect makes gradients of it.
template <class T>
void piecewise_backward(T* dblocks, const T* dx, const T* dense, const std::int64_t* rows,
                        const std::size_t* bins, std::size_t Trows, std::size_t J, std::size_t K,
                        std::size_t M, std::size_t D) {
  const std::size_t stride = padded<T>(K), columns = M + 2 * J;
  dx += D - J * K;
  for (std::size_t t = 0; t < Trows; ++t, dx += ld<T>(D)) {
    const T* pair = dense + row_of(rows, t) * columns + M;
    T* block = dblocks;
    for (std::size_t j = 0; j < J; ++j, pair += 2) {
      T *slope = block + (bins[j] + 1) * stride, *missing = slope + stride;
      const bool is_missing = is_missing_place(pair[1]);
      const Place<T> at(pair[1], bins[j]);
      T* low = is_missing ? missing : block + at.bin * stride;
      const Vec<T> share = broadcast(at.share), z = broadcast(pair[0]);
      const T* g = dx + j * K;
      for (std::size_t k = 0; k < K; k += kLanes<T>) {
        const Vec<T> d = k + kLanes<T> <= K ? load(g + k) : load_partial(g + k, K - k);
        if (is_missing) {
          store(missing + k, load(missing + k) + d);
          continue;
        }
        const Vec<T> upper = share * d;
        T* high = low + stride;
        store(low + k, load(low + k) + (d - upper));
        store(high + k, load(high + k) + upper);
        store(slope + k, fma(z, d, load(slope + k)));
      }
      block = missing + stride;
    }
  }
}

// An edge's vector is the sum of the pieces below, so a piece gets what all edges above it get.
template <class T>
void piecewise_collect(T* dW, T* db, T* dv, T* dmissing, T* dblocks, const T* scales,
                       const std::size_t* bins, std::size_t J, std::size_t K) {
  const std::size_t stride = padded<T>(K);
  for (std::size_t j = 0; j < J; ++j, db += K, dv += K, dmissing += K) {
    const T *slope = dblocks + (bins[j] + 1) * stride, *missing = slope + stride;
    for (std::size_t i = bins[j]; i > 0; --i) {
      T *above = dblocks + i * stride, *piece = dW + (i - 1) * K;
      for (std::size_t k = 0; k < K; ++k) piece[k] += scales[j] * above[k];
      for (std::size_t k = 0; k < K; ++k) above[k - stride] += above[k];
    }
    for (std::size_t k = 0; k < K; ++k) db[k] += dblocks[k];
    for (std::size_t k = 0; k < K; ++k) dv[k] += slope[k];
    for (std::size_t k = 0; k < K; ++k) dmissing[k] += missing[k];
    dW += bins[j] * K;
    dblocks += (bins[j] + 3) * stride;
  }
}
