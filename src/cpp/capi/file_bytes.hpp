// All bytes of a file in memory, from a cache line on: mapped where there are many, else copied.
#pragma once

#include <cstddef>
#include <string>

#include "base/buffer.hpp"

namespace dcn {

class FileBytes {
 public:
  // Throws Failure if the file cannot be read or is no file but a folder, say.
  explicit FileBytes(const std::string& path);
  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  const unsigned char* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  const unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
  bool mapped_ = false;
  Memory memory_;
};

}  // namespace dcn
