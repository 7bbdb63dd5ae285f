// What the machine can do: independent multiply-adds in registers, nothing else.

template <class T> double peak(std::size_t n) {
  T start[kTileRows * kTileVectors * kLanes<T>];  // all different, or equal registers are merged
  for (std::size_t i = 0; i < kTileRows * kTileVectors * kLanes<T>; ++i)
    start[i] = static_cast<T>(i);
  Vec<T> acc[kTileRows * kTileVectors];
  DCN_UNROLL
  for (int i = 0; i < kTileRows * kTileVectors; ++i) acc[i] = load(start + i * kLanes<T>);
  const Vec<T> shrink = broadcast(T(0.5)), one = broadcast(T(1));
  for (std::size_t k = 0; k < n; ++k)
    DCN_UNROLL
    for (int i = 0; i < kTileRows * kTileVectors; ++i) acc[i] = fma(acc[i], shrink, one);
  Vec<T> total = broadcast(T(0));
  DCN_UNROLL
  for (int i = 0; i < kTileRows * kTileVectors; ++i) total = total + acc[i];
  const double flops = 2.0 * static_cast<double>(n) * kTileRows * kTileVectors * kLanes<T>;
  return sum(total) == T(-1) ? 0.0 : flops;  // the sum is never -1; asking keeps the work alive
}
