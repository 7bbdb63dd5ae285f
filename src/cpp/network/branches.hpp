// The topology, once: which deep parts there are, what each reads, and what reaches the head. All
// else that depends on it (layout, workspace, head, first layers, the order of the backward) is
// derived from here.
#pragma once

#include <cstddef>
#include <vector>

#include "network/config.hpp"

namespace dcn {

enum class BranchInput : int { x0, xL };

// A deep part; its output reaches the head.
struct Branch {
  const char* name;  // its tensors' names begin with it
  BranchInput input;
  std::vector<std::size_t> hidden;  // widths of its layers

  std::size_t width() const noexcept { return hidden.back(); }  // H
};

struct Topology {
  std::vector<Branch> branches;  // in the order of the head's inputs, behind xL
  bool cross_to_head;            // whether xL, which is x0 without cross layers, reaches the head
};

inline Topology topology_of(const NetworkConfig& config) {
  if (config.hidden.empty()) return {{}, true};
  const Branch parallel{"deep", BranchInput::x0, config.hidden};
  const Branch stacked{"deep", BranchInput::xL, config.hidden};
  switch (config.structure) {
    case Structure::parallel:
      return {{parallel}, config.cross_layers > 0};
    case Structure::stacked:
      return {{stacked}, false};
    case Structure::stacked_parallel:
      return {{stacked, {"deep_parallel", BranchInput::x0, config.hidden}}, false};
  }
  return {};
}

}  // namespace dcn
