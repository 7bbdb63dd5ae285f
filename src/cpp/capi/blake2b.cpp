#include "capi/blake2b.hpp"

#include <algorithm>
#include <cstring>

namespace dcn {
namespace {

constexpr std::uint64_t kStart[8] = {0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B,
                                     0xA54FF53A5F1D36F1, 0x510E527FADE682D1, 0x9B05688C2B3E6C1F,
                                     0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179};

constexpr unsigned char kOrder[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                          {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                          {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                          {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                          {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                          {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                          {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                          {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                          {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                          {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

constexpr std::uint64_t rotated(std::uint64_t x, int by) { return x >> by | x << (64 - by); }

inline void blend(std::uint64_t* v, int a, int b, int c, int d, std::uint64_t x, std::uint64_t y) {
  v[a] += v[b] + x;
  v[d] = rotated(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = rotated(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = rotated(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotated(v[b] ^ v[c], 63);
}

std::uint64_t word(const unsigned char* bytes) {
  std::uint64_t found = 0;
  for (int i = 7; i >= 0; --i) found = found << 8 | bytes[i];
  return found;
}

}  // namespace

Blake2b::Blake2b(std::size_t digest_size) {
  std::copy_n(kStart, 8, h_.begin());
  h_[0] ^= 0x01010000 ^ digest_size;
}

void Blake2b::compress(const unsigned char* block, bool last) noexcept {
  std::uint64_t m[16], v[16];
  for (int i = 0; i < 16; ++i) m[i] = word(block + 8 * i);
  for (std::size_t i = 0; i < 8; ++i) {
    v[i] = h_[i];
    v[i + 8] = kStart[i];
  }
  v[12] ^= done_;
  if (last) v[14] = ~v[14];
  for (int round = 0; round < 12; ++round) {
    const unsigned char* s = kOrder[round % 10];
    blend(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
    blend(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
    blend(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
    blend(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
    blend(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
    blend(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
    blend(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
    blend(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
  }
  for (std::size_t i = 0; i < 8; ++i) h_[i] ^= v[i] ^ v[i + 8];
}

// The last block is told apart, so a full one waits until more comes.
void Blake2b::update(const void* bytes, std::size_t n) noexcept {
  const auto* from = static_cast<const unsigned char*>(bytes);
  while (n > 0) {
    if (held_ == rest_.size()) {
      done_ += held_;
      compress(rest_.data(), false);
      held_ = 0;
    }
    for (; held_ == 0 && n > rest_.size(); n -= rest_.size(), from += rest_.size()) {
      done_ += rest_.size();
      compress(from, false);
    }
    const std::size_t some = std::min(n, rest_.size() - held_);
    std::memcpy(rest_.data() + held_, from, some);
    held_ += some;
    from += some;
    n -= some;
  }
}

std::array<std::uint64_t, 8> Blake2b::finish() noexcept {
  std::fill(rest_.begin() + static_cast<std::ptrdiff_t>(held_), rest_.end(), 0);
  done_ += held_;
  compress(rest_.data(), true);
  return h_;
}

std::array<unsigned char, 32> digest_bytes(Blake2b digest) noexcept {
  const std::array<std::uint64_t, 8> words = digest.finish();
  std::array<unsigned char, 32> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<unsigned char>(words[i / 8] >> (8 * (i % 8)));
  return bytes;
}

std::string digest_digits(Blake2b digest) {
  std::string digits;
  for (const unsigned char byte : digest_bytes(digest)) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  return digits;
}

}  // namespace dcn
