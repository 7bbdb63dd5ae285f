#include "capi/read_network.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>

namespace dcn {
namespace {

template <class T> bool all_finite(const unsigned char* data, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    T number;
    std::memcpy(&number, data + i * sizeof number, sizeof number);
    if (!std::isfinite(number)) return false;
  }
  return true;
}

// Numbers in fewer bytes, as dcnfast/network/row_codes.py has them.

float bfloat16_at(const unsigned char* data) {
  std::uint16_t upper;
  std::memcpy(&upper, data, sizeof upper);
  return std::bit_cast<float>(static_cast<std::uint32_t>(upper) << 16);
}

float scale_of(const unsigned char* row) {
  float scale;
  std::memcpy(&scale, row, sizeof scale);
  return scale;
}

bool all_finite(RowCode code, const unsigned char* data, std::size_t rows, std::size_t K) {
  constexpr float kMost = std::numeric_limits<float>::max() / 128;
  for (std::size_t i = 0; i < rows; ++i, data += row_bytes(code, K)) {
    if (code == RowCode::int8 && !(std::abs(scale_of(data)) <= kMost)) return false;
    for (std::size_t k = 0; code == RowCode::bfloat16 && k < K; ++k)
      if (!std::isfinite(bfloat16_at(data + 2 * k))) return false;
  }
  return true;
}

template <class T>
void expand(T* to, RowCode code, const unsigned char* data, std::size_t rows, std::size_t K) {
  for (std::size_t i = 0; i < rows; ++i, data += row_bytes(code, K))
    for (std::size_t k = 0; k < K; ++k)
      *to++ = code == RowCode::bfloat16
                  ? static_cast<T>(bfloat16_at(data + 2 * k))
                  : static_cast<T>(static_cast<signed char>(data[kScaleBytes + k])) *
                        static_cast<T>(scale_of(data));
}

// The parameters of a file, by name.
template <class T> class Tensors {
 public:
  Tensors(State& state, const ModelFile& file, bool check_tables)
      : where_(state.within("parameters") + "."), names_(state.part("parameters")), file_(&file),
        check_tables_(check_tables) {}

  const FileArray& operator[](const std::string& name) const {
    const auto found = file_->arrays().find(where_ + name);
    if (found == file_->arrays().end()) names_.refuse("an array '" + name + "'");
    return found->second;
  }

  // The numbers up to the end of the last one.
  std::size_t size() const {
    const unsigned char* end = file_->data();
    for (const auto& [name, array] : file_->arrays())
      if (name.starts_with(where_)) end = std::max(end, array.data + array.size * sizeof(T));
    return static_cast<std::size_t>(end - file_->data()) / sizeof(T);
  }

  // How a tensor is stored: null as it is.
  const RowCode* code(const FileArray& array, const Tensor& tensor) const {
    static constexpr RowCode kBfloat16 = RowCode::bfloat16, kInt8 = RowCode::int8;
    const RowCode* code = array.dtype == Dtype::u16  ? &kBfloat16
                          : array.dtype == Dtype::u8 ? &kInt8
                                                     : nullptr;
    std::vector<std::size_t> shape = tensor.shape;
    if (code == &kInt8 && !shape.empty()) shape.back() += kScaleBytes;
    if ((code == nullptr && array.dtype != kDtypeOf<T>) || array.shape != shape)
      names_.refuse("an array '" + tensor.name + "' of the network's type and shape");
    return code;
  }

  // Throws Failure unless all are those of the network, finite. Only stored ones may be coded.
  void check(const Layout& layout, bool stored) const {
    std::size_t n = 0;
    for (const auto& [name, array] : file_->arrays()) n += name.starts_with(where_) ? 1 : 0;
    if (n != layout.tensors().size()) names_.refuse("the network's arrays and no others");
    for (const Tensor& tensor : layout.tensors()) {
      const FileArray& array = (*this)[tensor.name];
      const RowCode* how = code(array, tensor);
      const bool table = tensor.part == Part::tables;
      if (how != nullptr ? !stored : stored && table)
        names_.refuse("an array '" + tensor.name + "' of the network's type");
      if (table && !check_tables_) continue;
      const bool finite = how == nullptr
                              ? all_finite<T>(array.data, array.size)
                              : all_finite(*how, array.data, rows_of(tensor), K_of(tensor));
      if (!finite) names_.refuse("finite parameters");
    }
  }

  // Whether they lie as the engine lays them out.
  bool lie_as(const Layout& layout) const {
    return std::all_of(layout.tensors().begin(), layout.tensors().end(), [&](const Tensor& tensor) {
      return (*this)[tensor.name].data == file_->data() + tensor.offset * sizeof(T);
    });
  }

  // Copies them, but for tables that are stored.
  Buffer<T> flat(const Layout& layout, std::size_t size) const {
    Buffer<T> flat(size);
    for (const Tensor& tensor : layout.tensors()) {
      if (tensor.offset + tensor.size > size) continue;
      const FileArray& array = (*this)[tensor.name];
      const RowCode* how = code(array, tensor);
      T* const to = flat.data() + tensor.offset;
      if (how == nullptr)
        std::memcpy(to, array.data, array.size * sizeof(T));
      else
        expand(to, *how, array.data, rows_of(tensor), K_of(tensor));
    }
    return flat;
  }

  [[noreturn]] void refuse(const std::string& wanted) const { names_.refuse(wanted); }

 private:
  static std::size_t K_of(const Tensor& t) { return t.shape.empty() ? 1 : t.shape.back(); }
  static std::size_t rows_of(const Tensor& t) { return K_of(t) == 0 ? 0 : t.size / K_of(t); }

  std::string where_;
  State names_;
  const ModelFile* file_;
  bool check_tables_;
};

template <class T>
std::unique_ptr<Network<T>> copied(const NetworkConfig& config, const Tensors<T>& tensors) {
  auto network = std::make_unique<Network<T>>(config);
  tensors.check(network->layout(), false);
  network->set_parameters(tensors.flat(network->layout(), network->size()).data());
  return network;
}

template <class T>
std::unique_ptr<Network<T>> lent(const NetworkConfig& config, const Tensors<T>& tensors,
                                 const ModelFile& file) {
  if (reinterpret_cast<std::uintptr_t>(file.data()) % (padded<T>(1) * sizeof(T)) != 0)
    return nullptr;
  std::unique_ptr<Network<T>> network;
  try {
    network = std::make_unique<Network<T>>(config, reinterpret_cast<const T*>(file.data()),
                                           tensors.size());
  } catch (const std::invalid_argument&) {  // another layout
    return nullptr;
  }
  tensors.check(network->layout(), false);
  return tensors.lie_as(network->layout()) ? std::move(network) : nullptr;
}

template <class T>
std::unique_ptr<Network<T>> stored(const NetworkConfig& config, const Tensors<T>& tensors) {
  if (config.collision_weights) tensors.refuse("no collision weights");
  std::vector<StoredTable> tables;
  Layout layout;
  layout.begin(Part::tables);
  EmbeddingPart<T>(config).add(layout);
  for (const Tensor& tensor : layout.tensors()) {
    const FileArray& array = tensors[tensor.name];
    const RowCode* how = tensors.code(array, tensor);
    if (how == nullptr || reinterpret_cast<std::uintptr_t>(array.data) % 2 != 0)
      tensors.refuse("stored tables");
    tables.push_back({array.data, *how});
  }
  auto network = std::make_unique<Network<T>>(config, tables);
  tensors.check(network->layout(), true);
  network->set_parameters(tensors.flat(network->layout(), network->size()).data());
  return network;
}

}  // namespace

template <class T>
std::unique_ptr<Network<T>> read_network(State& state, const NetworkConfig& config,
                                         const ModelFile& file, bool check_tables) {
  const Tensors<T> tensors(state, file, check_tables);
  if (state.has("compressed")) {
    state.text("compressed");
    return stored(config, tensors);
  }
  std::unique_ptr<Network<T>> network = lent(config, tensors, file);
  return network != nullptr ? std::move(network) : copied(config, tensors);
}

template std::unique_ptr<Network<float>> read_network(State&, const NetworkConfig&,
                                                      const ModelFile&, bool);
template std::unique_ptr<Network<double>> read_network(State&, const NetworkConfig&,
                                                       const ModelFile&, bool);

}  // namespace dcn
