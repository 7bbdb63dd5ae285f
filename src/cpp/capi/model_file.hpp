// A model file: arrays and a document in a file of safetensors, with a digest over everything.
// dcnfast/serving/model_file.py writes it and says what it looks like.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "capi/file_bytes.hpp"
#include "capi/json.hpp"

namespace dcn {

enum class Dtype { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 };

std::size_t bytes_of(Dtype dtype) noexcept;
const char* name_of(Dtype dtype) noexcept;

struct FileArray {
  Dtype dtype{};
  std::vector<std::size_t> shape;
  const unsigned char* data = nullptr;  // little-endian
  std::size_t size = 0;                 // numbers
};

using FileArrays = std::map<std::string, FileArray, std::less<>>;

class ModelFile {
 public:
  // Throws Failure. Without `verify` tables are not read.
  ModelFile(const std::string& path, bool verify);

  const Json& document() const noexcept { return document_; }
  const FileArrays& arrays() const noexcept { return arrays_; }
  // Where the arrays begin, the parameters first.
  const unsigned char* data() const noexcept { return data_; }
  std::size_t data_size() const noexcept { return data_size_; }

 private:
  struct Start;
  void check_digests(const Start& start, bool verify) const;
  void list_arrays(const Json& header);

  FileBytes bytes_;
  Json document_;
  FileArrays arrays_;
  const unsigned char* data_ = nullptr;
  std::size_t data_size_ = 0;
};

}  // namespace dcn
