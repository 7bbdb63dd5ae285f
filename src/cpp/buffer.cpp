#include "buffer.hpp"

#include <cstdlib>

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

Memory::Memory(std::size_t bytes) : bytes_(bytes + kAlign) {
#if defined(__linux__)
  if (bytes_ >= kLarge) {
    memory_ = data_ = map_huge(bytes_);
    return;
  }
#endif
  memory_ = std::calloc(bytes_, 1);
  if (memory_ == nullptr) throw std::bad_alloc();
  const auto address = reinterpret_cast<std::uintptr_t>(memory_);
  data_ = static_cast<char*>(memory_) + (kAlign - address % kAlign) % kAlign;
}

Memory::~Memory() {
#if defined(__linux__)
  if (bytes_ >= kLarge) {
    munmap(memory_, bytes_);
    return;
  }
#endif
  std::free(memory_);
}

}  // namespace dcn
