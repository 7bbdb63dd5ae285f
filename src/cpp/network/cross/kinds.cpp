// The kinds of cross layers: a new one is a file beside these and a line here.
#include <iterator>

#include "network/cross/exponential.hpp"
#include "network/cross/gated.hpp"
#include "network/cross/lowrank.hpp"
#include "network/cross/matrix.hpp"
#include "network/cross/mixture.hpp"
#include "network/cross/onlydense.hpp"
#include "network/cross/preactivated.hpp"
#include "network/cross/shared_heads.hpp"
#include "network/cross/vector.hpp"

namespace dcn {

namespace {

template <class T> using Made = std::unique_ptr<Cross<T>>;

template <class T> struct CrossRecord {
  CrossKind kind;
  Made<T> (*make)(const NetworkConfig& config);
};

template <class T, class Plain> Made<T> make_plain(const NetworkConfig& config) {
  return std::make_unique<Plain>(config);
}

// the class without an activation before the product with x0, or with one
template <class T, class Plain, class Preactivated>
Made<T> make_either(const NetworkConfig& config) {
  if (config.preactivation == Activation::identity) return std::make_unique<Plain>(config);
  return std::make_unique<Preactivated>(config);
}

template <class T>
constexpr CrossRecord<T> kCrosses[] = {
    {kVectorCross, make_plain<T, VectorCross<T>>},
    {kMatrixCross, make_either<T, MatrixCross<T>, PreactivatedCross<T, MatrixProduct>>},
    {kLowRankCross, make_either<T, LowRankCross<T>, PreactivatedCross<T, LowRankProduct>>},
    {kGatedCross, make_plain<T, GatedCross<T>>},
    {kMixtureCross, make_plain<T, MixtureCross<T>>},
    {kExponentialCross, make_plain<T, ExponentialCross<T>>},
    {kOnlyDenseCross, make_plain<T, OnlyDenseCross<T>>},
};

}  // namespace

std::vector<CrossKind> cross_kinds() {
  std::vector<CrossKind> kinds;
  for (const auto& record : kCrosses<float>) kinds.push_back(record.kind);
  return kinds;
}

template <class T> std::unique_ptr<Cross<T>> make_cross(const NetworkConfig& config) {
  if (config.cross_layers == 0) return nullptr;
  if (config.has_shared_heads()) return std::make_unique<SharedHeads<T>>(config);
  for (const CrossRecord<T>& record : kCrosses<T>)
    if (config.cross == record.kind.name) return record.make(config);
  return nullptr;
}

template std::unique_ptr<Cross<float>> make_cross(const NetworkConfig& config);
template std::unique_ptr<Cross<double>> make_cross(const NetworkConfig& config);

}  // namespace dcn
