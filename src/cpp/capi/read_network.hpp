// The network of a model file, which reads its parameters where they are.
#pragma once

#include <memory>

#include "capi/state.hpp"
#include "network/network.hpp"

namespace dcn {

// Of the state "network" without its config; the file must stay. Throws Failure unless it has the
// tensors of the network, finite; tables are read for that only with `check_tables`.
template <class T>
std::unique_ptr<Network<T>> read_network(State& state, const NetworkConfig& config,
                                         const ModelFile& file, bool check_tables);

extern template std::unique_ptr<Network<float>> read_network(State&, const NetworkConfig&,
                                                             const ModelFile&, bool);
extern template std::unique_ptr<Network<double>> read_network(State&, const NetworkConfig&,
                                                              const ModelFile&, bool);

}  // namespace dcn
