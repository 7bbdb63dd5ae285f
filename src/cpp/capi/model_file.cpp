#include "capi/model_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <string_view>
#include <thread>

#include "base/thread_pool.hpp"
#include "capi/blake2b.hpp"
#include "capi/failure.hpp"

namespace dcn {
namespace {

constexpr std::size_t kMostHeader = 100'000'000;
constexpr std::size_t kBlock = std::size_t{1} << 22;  // bytes that have a digest of their own
constexpr std::size_t kMostAxes = 8;
constexpr std::size_t kFormat = 1;

struct DtypeRecord {
  const char* name;
  std::size_t bytes;
};
constexpr DtypeRecord kDtypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2},
                                   {"I16", 2},  {"U32", 4}, {"I32", 4}, {"U64", 8},
                                   {"I64", 8},  {"F32", 4}, {"F64", 8}};

Dtype dtype_named(const std::string& name, const std::string& array) {
  for (std::size_t i = 0; i < std::size(kDtypes); ++i)
    if (name == kDtypes[i].name) return static_cast<Dtype>(i);
  refuse_file("the file's array '" + array + "' is of type '" + name + "', which is not known");
}

// A size, or a place in the file.
std::size_t size_of(const Json& json, const std::string& array) {
  const auto* found = json.as<std::int64_t>();
  if (found == nullptr || *found < 0 || *found >= std::int64_t{1} << 62)
    refuse_file("the file's array '" + array + "' has no shape of integers");
  return static_cast<std::size_t>(*found);
}

std::string looks_like(std::string_view bytes) {
  if (bytes.empty()) return "is empty";
  if (bytes.starts_with('\x80')) return "looks like a pickle, want a file that save() has written";
  if (bytes.starts_with("PK")) return "looks like a zip archive, such as those of skops or torch";
  if (bytes.starts_with("\x89HDF")) return "looks like HDF5";
  if (bytes.size() > 8 && bytes[8] == '{')
    return "looks like a file of safetensors that another program has written, or is damaged";
  return "begins otherwise";
}

}  // namespace

std::size_t bytes_of(Dtype dtype) noexcept { return kDtypes[static_cast<int>(dtype)].bytes; }
const char* name_of(Dtype dtype) noexcept { return kDtypes[static_cast<int>(dtype)].name; }

// What the fixed beginning of the header says:
// {"__metadata__":{"format":"dcnfast-1","digest":"<64 digits>","tables":"<begin>-<end> <64>",
struct ModelFile::Start {
  explicit Start(const FileBytes& bytes) {
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    rest_ = all.substr(std::min<std::size_t>(8, all.size()), 512);
    const std::size_t before = rest_.size();
    std::size_t version = 0;
    if (!(takes("{\"__metadata__\":{\"format\":\"dcnfast-") && number(version, 9) &&
          takes("\",\"digest\":\"")))
      refuse_file("it is no model file of dcnfast: it " + looks_like(all));
    if (version != kFormat)
      refuse_file("the file has version " + std::to_string(version) +
                  " of the format, want at most " + std::to_string(kFormat) +
                  (version > kFormat ? ": it needs a later version of dcnfast"
                                     : ", which does not exist: it is damaged"));
    digest_at = before - rest_.size();
    if (!(digits(digest) && takes("\",\"tables\":\"") && number(begin, 19) && takes("-") &&
          number(end, 19) && takes(" ") && digits(tables) && takes("\",")))
      refuse_file("it is no model file of dcnfast: it " + looks_like(all));
    for (int i = 7; i >= 0; --i) header = header << 8 | bytes.data()[i];
    if (header < before - rest_.size() || header > std::min(kMostHeader, bytes.size() - 8))
      refuse_file("the file is damaged or cut off: its header has not the length it says");
    if (begin > end || end > bytes.size() - 8 - header)
      refuse_file("the file is damaged or cut off");
  }

  bool takes(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool number(std::size_t& to, std::size_t most) {
    std::size_t n = 0;
    for (to = 0; n < rest_.size() && n <= most && rest_[n] >= '0' && rest_[n] <= '9'; ++n)
      to = 10 * to + static_cast<std::size_t>(rest_[n] - '0');
    rest_.remove_prefix(n);
    return n > 0 && n <= most;
  }
  bool digits(std::string_view& to) {
    to = rest_.substr(0, 64);
    if (to.size() < 64 || to.find_first_not_of("0123456789abcdef") != to.npos) return false;
    rest_.remove_prefix(64);
    return true;
  }

  std::string_view digest, tables;
  std::size_t digest_at = 0;  // in the header
  std::size_t begin = 0, end = 0, header = 0;

 private:
  std::string_view rest_;
};

ModelFile::ModelFile(const std::string& path, bool verify) : bytes_(path) {
  if (std::endian::native != std::endian::little)
    throw Failure(DCNFAST_UNSUPPORTED, "this machine is big-endian, on which only Python loads");
  const Start start(bytes_);
  data_ = bytes_.data() + 8 + start.header;
  data_size_ = bytes_.size() - 8 - start.header;
  check_digests(start, verify);
  const Json header = parse_json({reinterpret_cast<const char*>(bytes_.data()) + 8, start.header});
  const Json* about = header.find("__metadata__");
  const Json* model = about == nullptr ? nullptr : about->find("model");
  const auto* text = model == nullptr ? nullptr : model->as<std::string>();
  if (text == nullptr) refuse_file("the file's __metadata__ has no 'model'");
  document_ = parse_json(*text);
  list_arrays(header);
}

void ModelFile::check_digests(const Start& start, bool verify) const {
  const unsigned char* const header = bytes_.data() + 8;
  Blake2b all(32);
  all.update(bytes_.data(), 8 + start.digest_at);
  const std::size_t behind = start.digest_at + start.digest.size();
  all.update(header + behind, start.header - behind);
  all.update(data_, start.begin);
  all.update(data_ + start.end, data_size_ - start.end);
  if (digest_digits(all) != start.digest)
    refuse_file("the file is damaged or cut off: its digest is another");
  if (!verify) return;
  const std::size_t n = (start.end - start.begin + kBlock - 1) / kBlock;
  std::vector<std::array<unsigned char, 32>> blocks(n);
  parallel_for(n > 1 ? std::thread::hardware_concurrency() : 1, n,
               [&](std::size_t block, std::size_t) {
                 const std::size_t first = start.begin + block * kBlock;
                 Blake2b digest(32);
                 digest.update(data_ + first, std::min(kBlock, start.end - first));
                 blocks[block] = digest_bytes(digest);
               });
  Blake2b of_blocks(32);
  for (const auto& block : blocks) of_blocks.update(block.data(), block.size());
  if (digest_digits(of_blocks) != start.tables)
    refuse_file("the file is damaged: the digest of its tables is another");
}

void ModelFile::list_arrays(const Json& header) {
  std::size_t at = 0;
  for (const auto& [name, entry] : *header.object()) {
    if (name == "__metadata__") continue;
    const Json *dtype = entry.find("dtype"), *shape = entry.find("shape"),
               *offsets = entry.find("data_offsets");
    const bool whole = dtype != nullptr && dtype->as<std::string>() != nullptr &&
                       shape != nullptr && shape->list() != nullptr && offsets != nullptr &&
                       offsets->list() != nullptr && offsets->list()->size() == 2;
    if (!whole || shape->list()->size() > kMostAxes)
      refuse_file("the file's array '" + name + "' has no dtype, shape and data_offsets");
    FileArray array{dtype_named(*dtype->as<std::string>(), name), {}, data_ + at, 1};
    for (const Json& length : *shape->list()) {
      const std::size_t m = size_of(length, name);
      array.shape.push_back(m);
      if (m > 0 && array.size > data_size_ / m && array.size > 0)
        refuse_file("the file's array '" + name + "' has more numbers than the file");
      array.size *= m;
    }
    const std::size_t bytes = bytes_of(array.dtype);
    const bool fits = array.size <= (data_size_ - at) / bytes &&
                      size_of((*offsets->list())[0], name) == at &&
                      size_of((*offsets->list())[1], name) == at + array.size * bytes;
    if (!fits) refuse_file("the file's array '" + name + "' is not where it should be");
    at += array.size * bytes;
    if (!name.starts_with("padding.")) arrays_.emplace(name, std::move(array));
  }
  if (at != data_size_)
    refuse_file("the file has " + std::to_string(data_size_) + " bytes of data, want " +
                std::to_string(at) + " as its header says");
}

}  // namespace dcn
