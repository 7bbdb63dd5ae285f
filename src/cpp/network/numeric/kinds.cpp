// The kinds of embeddings of numbers: a new one is a file beside these and a line here.
#include "network/numeric/piecewise.hpp"

namespace dcn {

namespace {

template <class T> using Made = std::unique_ptr<NumericEmbedding<T>>;

template <class T> struct NumericRecord {
  const char* name;
  Made<T> (*make)(const NetworkConfig& config);
};

template <class T, class Kind> Made<T> make_kind(const NetworkConfig& config) {
  return std::make_unique<Kind>(config);
}

template <class T>
constexpr NumericRecord<T> kNumeric[] = {
    {"piecewise", make_kind<T, PiecewiseEmbedding<T>>},
};

}  // namespace

std::vector<std::string> numeric_kinds() {
  std::vector<std::string> names;
  for (const auto& record : kNumeric<float>) names.emplace_back(record.name);
  return names;
}

template <class T> std::unique_ptr<NumericEmbedding<T>> make_numeric(const NetworkConfig& config) {
  if (config.numeric_bins.empty()) return nullptr;
  for (const NumericRecord<T>& record : kNumeric<T>)
    if (config.numeric_embedding == record.name) return record.make(config);
  return nullptr;
}

template std::unique_ptr<NumericEmbedding<float>> make_numeric(const NetworkConfig& config);
template std::unique_ptr<NumericEmbedding<double>> make_numeric(const NetworkConfig& config);

}  // namespace dcn
