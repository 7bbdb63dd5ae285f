#include "capi/file_bytes.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "capi/failure.hpp"

#if defined(__unix__) || defined(__APPLE__)
#define DCNFAST_MAPS 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace dcn {
namespace {

constexpr std::size_t kMappedFrom = std::size_t{1} << 25;  // fewer bytes are sooner copied

[[noreturn]] void refuse(const std::string& why) { throw Failure(DCNFAST_CANNOT_READ, why); }

[[noreturn]] void refuse_shorter() {
  refuse_file("the file is cut off: it became shorter while it was read");
}

}  // namespace

#ifdef DCNFAST_MAPS

namespace {

struct Opened {
  int number;
  ~Opened() { ::close(number); }
};

int open_file(const char* path) {
  for (;;) {
    const int number = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe does not wait
    if (number >= 0 || errno != EINTR) return number;
  }
}

}  // namespace

FileBytes::FileBytes(const std::string& path) {
  const Opened file{open_file(path.c_str())};
  struct stat about;
  if (file.number < 0 || ::fstat(file.number, &about) != 0)
    refuse(std::generic_category().message(errno));
  if (S_ISDIR(about.st_mode)) refuse("it is a folder, want a model file");
  if (!S_ISREG(about.st_mode)) refuse("it is a device or a pipe, want a model file");
  size_ = static_cast<std::size_t>(about.st_size);
  if (size_ >= kMappedFrom) {
    void* const found = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.number, 0);
    if (found == MAP_FAILED) refuse(std::generic_category().message(errno));
    data_ = static_cast<const unsigned char*>(found);
    mapped_ = true;
    return;
  }
  memory_ = Memory(size_ + 1, Contents::anything);
  auto* const to = static_cast<unsigned char*>(memory_.data());
  data_ = to;
  for (std::size_t at = 0; at < size_;) {
    const ssize_t n = ::read(file.number, to + at, size_ - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse(std::generic_category().message(errno));
    if (n == 0) refuse_shorter();
    at += static_cast<std::size_t>(n);
  }
}

FileBytes::~FileBytes() {
  if (mapped_) ::munmap(const_cast<unsigned char*>(data_), size_);
}

#else

FileBytes::FileBytes(const std::string& path) {
  const std::filesystem::path place(std::u8string(path.begin(), path.end()));
  std::error_code error;
  if (!std::filesystem::is_regular_file(place, error)) refuse("there is no such file");
  const std::uintmax_t size = std::filesystem::file_size(place, error);
  std::ifstream file(place, std::ios::binary);
  if (error || !file) refuse("the system does not open it");
  size_ = static_cast<std::size_t>(size);
  memory_ = Memory(size_ + 1, Contents::anything);
  data_ = static_cast<const unsigned char*>(memory_.data());
  if (!file.read(static_cast<char*>(memory_.data()), static_cast<std::streamsize>(size_)))
    refuse_shorter();
}

FileBytes::~FileBytes() = default;

#endif

}  // namespace dcn
