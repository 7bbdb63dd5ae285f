// The arguments of the functions of single crosses, checked.
#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "bindings/arrays.hpp"
#include "dispatch/kinds.hpp"
#include "network/cross/cross.hpp"
#include "network/cross/vector.hpp"

namespace dcn {

// The arguments of a call, checked: what kind of layers, and where their parameters lie.
template <class T> struct Layers {
  NetworkConfig config;
  std::vector<const Array<T>*> parameters;  // the weights, then the bias

  bool vector() const { return config.cross == kVectorCross.name; }
};

template <class T> using Weights = std::vector<Array<T>>;

inline const CrossKind& kind_named(const std::string& name) {
  static const std::vector<CrossKind> kinds = cross_kinds();
  for (const CrossKind& kind : kinds)
    if (name == kind.name) return kind;
  throw py::value_error("cross: kind is '" + name + "', want one that there is");
}

// What the options of a call are; each kind has some of them.
struct CrossOptions {
  double diag_scale;
  std::string preactivation, gating;
  bool linear;
  double scale;
};

// The shape that a tensor ought to have; the first that has R or E says how many they are.
class CrossShapes {
 public:
  CrossShapes(py::ssize_t L, py::ssize_t D) : sizes_{{'L', L}, {'D', D}, {'H', (D + 1) / 2}} {}

  template <class T> std::vector<Dim> of(const Array<T>& weight, std::string_view letters) {
    std::vector<Dim> want;
    const bool fits = weight.ndim() == static_cast<py::ssize_t>(letters.size());
    for (std::size_t at = 0; at < letters.size(); ++at) {
      const char letter = letters[at];
      if (fits && size(letter) < 0) sizes_[letter] = weight.shape(static_cast<py::ssize_t>(at));
      want.push_back({name(letter), size(letter)});
    }
    return want;
  }
  // -1 where no tensor has said it
  py::ssize_t size(char letter) const {
    const auto found = sizes_.find(letter);
    return found == sizes_.end() ? -1 : found->second;
  }

 private:
  static const char* name(char letter) {
    return letter == 'L'   ? "L"
           : letter == 'D' ? "D"
           : letter == 'H' ? "H"
           : letter == 'E' ? "E"
                           : "R";
  }
  std::map<char, py::ssize_t> sizes_;
};

// An array (0,) stands for a tensor that the options leave out.
template <class T> bool left_out(const Array<T>& weight) {
  return weight.ndim() == 1 && weight.size() == 0;
}

// The weights of a kind, checked, in its order; those that there are go to `found`, and the
// configuration gets what their shapes say.
template <class T>
void check_weights(const char* name, const CrossKind& kind, const Weights<T>& weights,
                   CrossShapes& shapes, NetworkConfig& config,
                   std::vector<const Array<T>*>& found) {
  std::size_t i = 0;
  for (const CrossTensor& tensor : kind.tensors) {
    if (tensor.letters.empty()) continue;
    if (i == weights.size())
      throw py::value_error(std::string(name) + ": " + tensor.name +
                            " is missing among the weights");
    const Array<T>& weight = weights[i++];
    if (tensor.optional && left_out(weight)) continue;
    const bool shared = !tensor.letters_shared.empty() &&
                        weight.ndim() == static_cast<py::ssize_t>(tensor.letters_shared.size());
    config.shared_gate = config.shared_gate || shared;
    check_shape(name, tensor.name, weight,
                shapes.of(weight, shared ? tensor.letters_shared : tensor.letters));
    found.push_back(&weight);
  }
  if (i < weights.size())
    throw py::value_error(std::string(name) + ": " + std::to_string(weights.size()) +
                          " weights, want " + std::to_string(i));
}

// Whether the tensors that options ask for are there, and no others.
template <class T>
void check_optional(const std::string& name, const CrossKind& kind, const Weights<T>& weights,
                    const NetworkConfig& config) {
  std::size_t i = 0;
  for (const CrossTensor& tensor : kind.tensors) {
    if (tensor.letters.empty()) continue;
    const bool given = !left_out(weights[i++]);
    if (!tensor.optional) continue;
    const bool is_gate = tensor.letters_shared.size() > 0;
    const bool wanted =
        is_gate ? config.gating != Gating::constant : config.preactivation != Activation::identity;
    if (given != wanted)
      throw py::value_error(name + ": " + tensor.name + " is " + (given ? "given" : "None") +
                            (is_gate ? " and gating is " : " and preactivation is ") +
                            (is_gate ? (wanted ? "not 'constant'" : "'constant'")
                                     : (wanted ? "not 'identity'" : "'identity'")) +
                            ", want " + (wanted ? "an array" : "None"));
  }
}

template <class T>
Layers<T> layers_of(const std::string& function, const CrossKind& kind, const Array<T>& x0,
                    const Weights<T>& weights, const Array<T>& b, const CrossOptions& options) {
  const char* name = function.c_str();
  check_shape(name, "x0", x0, {{"B"}, {"D"}});
  const py::ssize_t D = x0.shape(1);
  check_shape(name, "b", b, {{"L"}, {"D", D}});
  check_finite(name, "diag_scale", options.diag_scale);
  check_finite(name, "scale", options.scale);
  Layers<T> layers;
  layers.config.gating = gating_named(options.gating);
  layers.config.preactivation = activation_named(options.preactivation);
  CrossShapes shapes(b.shape(0), D);
  check_weights(name, kind, weights, shapes, layers.config, layers.parameters);
  check_optional(function, kind, weights, layers.config);
  layers.parameters.push_back(&b);
  layers.config.n_dense = static_cast<std::size_t>(D);
  layers.config.cross = kind.name;
  layers.config.cross_layers = static_cast<std::size_t>(b.shape(0));
  layers.config.cross_rank = static_cast<std::size_t>(std::max<py::ssize_t>(shapes.size('R'), 0));
  layers.config.cross_experts =
      static_cast<std::size_t>(std::max<py::ssize_t>(shapes.size('E'), 0));
  layers.config.diag_scale = options.diag_scale;
  layers.config.cross_linear = options.linear;
  layers.config.cross_factor = options.scale;
  return layers;
}

}  // namespace dcn
