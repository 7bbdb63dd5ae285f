// The kinds of embeddings of numbers: a new one is a file beside these and a line here.
#include "network/numeric/periodic.hpp"
#include "network/numeric/periodic_relu.hpp"
#include "network/numeric/piecewise.hpp"

namespace dcn {

namespace {

template <class T> using Made = std::unique_ptr<NumericEmbedding<T>>;

template <class T> struct NumericRecord {
  NumericKind kind;
  Made<T> (*make)(const NetworkConfig& config);
};

template <class T, class Embedding> constexpr NumericRecord<T> record_of() {
  return {Embedding::kind, [](const NetworkConfig& config) -> Made<T> {
            return std::make_unique<Embedding>(config);
          }};
}

template <class T>
constexpr NumericRecord<T> kNumeric[] = {
    record_of<T, PiecewiseEmbedding<T>>(),
    record_of<T, PeriodicEmbedding<T>>(),
    record_of<T, PeriodicReluEmbedding<T>>(),
};

}  // namespace

std::vector<NumericKind> numeric_kinds() {
  std::vector<NumericKind> kinds;
  for (const auto& record : kNumeric<float>) kinds.push_back(record.kind);
  return kinds;
}

template <class T> std::unique_ptr<NumericEmbedding<T>> make_numeric(const NetworkConfig& config) {
  if (config.numeric_bins.empty()) return nullptr;
  for (const NumericRecord<T>& record : kNumeric<T>)
    if (config.numeric_embedding == record.kind.name) return record.make(config);
  return nullptr;
}

template std::unique_ptr<NumericEmbedding<float>> make_numeric(const NetworkConfig& config);
template std::unique_ptr<NumericEmbedding<double>> make_numeric(const NetworkConfig& config);

}  // namespace dcn
