// Stage 4, by choice: dropout. The mask is a function of the step, the layer, the row of the batch
// and the column, so it needs no memory and does not depend on tiles or threads.

// Sixteen bits decide about a unit: one hash serves four. A unit is kept if its bits reach the
// threshold, and then divided by the probability of that.
template <class T>
void dropout(T* out, const T* h, std::uint64_t stream, std::uint32_t threshold,
             std::size_t first_row, std::size_t Trows, std::size_t W) {
  const T kept = T(65536) / static_cast<T>(65536 - threshold);
  for (std::size_t t = 0; t < Trows; ++t, out += ld<T>(W), h += ld<T>(W)) {
    const std::uint64_t row = static_cast<std::uint64_t>(first_row + t) << 32;
    for (std::size_t w = 0; w < W; w += 4) {
      const std::uint64_t bits = mix_bits(stream + (row + w / 4) * kGolden);
      for (std::size_t i = 0; i < 4; ++i)
        out[w + i] = ((bits >> (16 * i)) & 0xFFFFu) >= threshold ? h[w + i] * kept : T(0);
    }
  }
}
