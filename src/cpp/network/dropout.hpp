// Dropout: numbers left out in a step of training. The masks are counted, not drawn, so that any
// part of a batch has its own.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bits.hpp"
#include "dispatch/kernel_table.hpp"

namespace dcn {

// Which numbers: a new stream every step, a new row of it for every row of the batch.
struct DropoutAt {
  bool active = false;
  std::uint64_t seed = 0, step = 0;
  std::size_t first_row = 0;
  std::size_t rows = 0;  // of a member; a tile has those of all members, one after the other
  double share = 1;      // of the rates, in this step
};

class Dropout {
 public:
  // rate: the share that is left out
  explicit Dropout(double rate) : rate_(rate) {}

  bool possible() const noexcept { return threshold(1) > 0; }
  bool drops(const DropoutAt& at) const noexcept { return at.active && threshold(at.share) > 0; }
  // out = h times the mask (rows,width) of this layer; out may be h. Members have streams of their
  // own, the first that of a network without members.
  template <class T>
  void apply(const KernelTable<T>& k, T* out, const T* h, std::size_t layer, const DropoutAt& at,
             std::size_t rows, std::size_t width) const {
    const std::uint64_t first = mix_bits(mix_bits(at.seed + at.step * kGolden) + layer * kGolden);
    for (std::size_t row = 0, member = 0; row < rows; row += at.rows, ++member) {
      const std::uint64_t stream = member == 0 ? first : mix_bits(first + member * kGolden);
      const std::size_t from = row * ld<T>(width);
      k.dropout(out + from, h + from, stream, threshold(at.share), at.first_row, at.rows, width);
    }
  }

 private:
  // of 65536; 0 without dropout
  std::uint32_t threshold(double share) const noexcept {
    return std::min<std::uint32_t>(65535, static_cast<std::uint32_t>(rate_ * share * 65536 + 0.5));
  }

  double rate_;
};

}  // namespace dcn
