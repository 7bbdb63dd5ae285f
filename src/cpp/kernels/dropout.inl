// Stage 4, by choice: dropout. The mask is a function of the step, the layer, the row of the batch
// and the column, so it needs no memory and does not depend on tiles or threads.

constexpr std::size_t kHashes = 8;  // at a time: a vector of them with AVX-512

// Sixteen bits for each of 4 kHashes units, the lowest of a hash first.
DCN_INLINE void draw_units(std::uint16_t* bits, std::uint64_t first) {
  std::uint64_t hashes[kHashes];
  for (std::size_t j = 0; j < kHashes; ++j) hashes[j] = mix_bits(first + j * kGolden);
  if constexpr (kLowestFirst) {
    ::memcpy(bits, hashes, sizeof(hashes));
  } else {
    for (std::size_t i = 0; i < 4 * kHashes; ++i)
      bits[i] = static_cast<std::uint16_t>(hashes[i / 4] >> (16 * (i % 4)));
  }
}

// Sixteen bits decide about a unit: one hash serves four. A unit is kept if its bits reach the
// threshold, and then divided by the probability of that.
template <class T>
void dropout(T* out, const T* h, std::uint64_t stream, std::uint32_t threshold,
             std::size_t first_row, std::size_t Trows, std::size_t W) {
  const Vec<T> zero = broadcast(T(0)), most_dropped = broadcast(static_cast<T>(threshold) - T(1)),
               kept = broadcast(T(65536) / static_cast<T>(65536 - threshold));
  for (std::size_t t = 0; t < Trows; ++t, out += ld<T>(W), h += ld<T>(W)) {
    const std::uint64_t row = static_cast<std::uint64_t>(first_row + t) << 32;
    for (std::size_t w = 0; w < W; w += 4 * kHashes) {
      alignas(64) std::uint16_t bits[4 * kHashes];
      draw_units(bits, stream + (row + w / 4) * kGolden);
      const std::size_t left = padded<T>(W) - w, n = left < 4 * kHashes ? left : 4 * kHashes;
      for (std::size_t i = 0; i < n; i += kLanes<T>)
        store(out + w + i, where_greater(load_uint16(bits + i, T()), most_dropped,
                                         load(h + w + i) * kept, zero));
    }
  }
}
