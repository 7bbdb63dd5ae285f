#include "base/buffer.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace dcn {

namespace {

constexpr std::size_t kAlign = 64;

#if defined(__linux__)
// From this size on a buffer asks for huge pages: fewer faults when it is new, and rows read from
// all over a table find their page in the TLB.
constexpr std::size_t kHugePage = std::size_t{1} << 21, kLarge = 2 * kHugePage;

// Scratch is wanted again and again, in the same sizes: what was given back waits here for the next
// call, which is spared the faults of new pages.
class Spares {
 public:
  // An area of this size or a little more, which `bytes` becomes, or null.
  void* take(std::size_t& bytes) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return nullptr;  // another thread, or one that a fork left behind
    for (Area& area : areas_) {
      if (area.memory == nullptr || area.bytes < bytes || area.bytes / 2 > bytes) continue;
      bytes = area.bytes;
      kept_ -= bytes;
      return std::exchange(area, {}).memory;
    }
    return nullptr;
  }
  // In place of what has waited longest, if need be.
  bool keep(void* memory, std::size_t bytes) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || bytes > kMost / 2) return false;  // it would drive out all others
    const auto older = [](const Area& a, const Area& b) { return a.since < b.since; };
    Area* place = std::find(areas_.begin(), areas_.end(), Area{});
    while (place == areas_.end() || kept_ + bytes > kMost) {
      place = std::min_element(areas_.begin(), areas_.end(), older);
      drop(*place);
    }
    *place = {memory, bytes, ++clock_};
    kept_ += bytes;
    return true;
  }

 private:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  struct Area {
    void* memory = nullptr;
    std::size_t bytes = 0;
    std::uint64_t since = kNever;

    bool operator==(const Area&) const = default;
  };
  void drop(Area& area) {
    kept_ -= area.bytes;
    munmap(area.memory, area.bytes);
    area = {};
  }
  static constexpr std::size_t kMost = std::size_t{128} << 20;

  std::mutex mutex_;
  std::array<Area, 16> areas_;
  std::size_t kept_ = 0;
  std::uint64_t clock_ = 0;
};

Spares& spares() {
  static Spares& never_destroyed = *new Spares;
  return never_destroyed;
}

void* map_huge(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes, MADV_HUGEPAGE);  // a wish; without it the pages are small
  return memory;
}
#else
constexpr std::size_t kLarge = std::numeric_limits<std::size_t>::max();
#endif

}  // namespace

Memory::Memory(std::size_t bytes, Contents contents) : bytes_(bytes + kAlign) {
  if (bytes_ < kAlign || (memory_ends != nullptr && memory_ends())) throw std::bad_alloc();
#if defined(__linux__)
  if (bytes_ >= kLarge) {
    const std::size_t wanted = bytes_;
    memory_ = data_ = spares().take(bytes_);
    if (memory_ == nullptr)
      memory_ = data_ = map_huge(bytes_);
    else if (contents == Contents::zeros)
      std::memset(data_, 0, wanted);
    return;
  }
#endif
  memory_ = contents == Contents::zeros ? std::calloc(bytes_, 1) : std::malloc(bytes_);
  if (memory_ == nullptr) throw std::bad_alloc();
  const auto address = reinterpret_cast<std::uintptr_t>(memory_);
  data_ = static_cast<char*>(memory_) + (kAlign - address % kAlign) % kAlign;
}

Memory::~Memory() {
#if defined(__linux__)
  if (bytes_ >= kLarge) {
    if (!spares().keep(memory_, bytes_)) munmap(memory_, bytes_);
    return;
  }
#endif
  std::free(memory_);
}

}  // namespace dcn
