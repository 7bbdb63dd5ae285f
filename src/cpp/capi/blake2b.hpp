// BLAKE2b of RFC 7693, without a key: the digest of model files, and the hash of texts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dcn {

class Blake2b {
 public:
  // A digest of so many bytes, 1 to 64.
  explicit Blake2b(std::size_t digest_size);
  void update(const void* bytes, std::size_t n) noexcept;
  // The words of the digest, of which the first digest_size bytes count, little-endian.
  std::array<std::uint64_t, 8> finish() noexcept;

 private:
  void compress(const unsigned char* block, bool last) noexcept;

  std::array<std::uint64_t, 8> h_;
  std::array<unsigned char, 128> rest_{};
  std::size_t held_ = 0;  // bytes of rest_
  std::uint64_t done_ = 0;
};

// The first digest of 32 bytes as its bytes, and as 64 digits.
std::array<unsigned char, 32> digest_bytes(Blake2b digest) noexcept;
std::string digest_digits(Blake2b digest);

}  // namespace dcn
