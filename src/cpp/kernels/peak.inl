// What the machine can do: independent multiply-adds in registers, nothing else; and reading.

template <class T> double peak(std::size_t n) {
  T start[kTileRows * kTileVectors * kLanes<T>];  // all different, or equal registers are merged
  for (std::size_t i = 0; i < kTileRows * kTileVectors * kLanes<T>; ++i)
    start[i] = static_cast<T>(i);
  Vec<T> acc[kTileRows * kTileVectors];
  DCN_UNROLL
  for (int i = 0; i < kTileRows * kTileVectors; ++i) acc[i] = load(start + i * kLanes<T>);
  const Vec<T> shrink = broadcast(T(0.5)), one = broadcast(T(1));
  for (std::size_t k = 0; k < n; ++k) {
    DCN_UNROLL
    for (int i = 0; i < kTileRows * kTileVectors; ++i) acc[i] = fma(acc[i], shrink, one);
  }
  Vec<T> total = broadcast(T(0));
  DCN_UNROLL
  for (int i = 0; i < kTileRows * kTileVectors; ++i) total = total + acc[i];
  const double flops = 2.0 * static_cast<double>(n) * kTileRows * kTileVectors * kLanes<T>;
  return sum(total) == T(-1) ? 0.0 : flops;  // the sum is never -1; asking keeps the work alive
}

// Reads x (n), and adds it up in as many sums as hide the latency of an addition.
inline float read_all(const float* x, std::size_t n) {
  constexpr int kSums = 8, kStep = kSums * kLanes<float>;
  Vec<float> sums[kSums];
  DCN_UNROLL
  for (int i = 0; i < kSums; ++i) sums[i] = broadcast(0.0F);
  std::size_t j = 0;
  for (; j + kStep <= n; j += kStep) {
    DCN_UNROLL
    for (int i = 0; i < kSums; ++i) sums[i] = sums[i] + load(x + j + i * kLanes<float>);
  }
  float total = 0;
  for (; j < n; ++j) total += x[j];
  DCN_UNROLL
  for (int i = 0; i < kSums; ++i) total += sum(sums[i]);
  return total;
}
