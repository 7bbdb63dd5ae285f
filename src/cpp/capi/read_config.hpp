// The description of a network, read from a model file: the counterpart of
// dcnfast/network/saved.py.
#pragma once

#include "capi/state.hpp"
#include "network/config.hpp"

namespace dcn {

struct SavedConfig {
  NetworkConfig network;
  bool single = true;  // float32, else float64
};

// What a file does not name has the default of dcnfast/network/config.py. Throws Failure where it
// names what this version does not know.
SavedConfig read_config(State state);

}  // namespace dcn
