// Stage 3: the cross layers of one tile, whatever their kind. Each kind is a class in a file of its
// own, each backward below its forward; kinds.cpp lists them.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "network/config.hpp"
#include "network/packed.hpp"
#include "network/parameters.hpp"

namespace dcn {

// What the forward pass of one tile keeps for the backward pass, and its scratch: a kind's own.
template <class T> struct CrossTile {
  virtual ~CrossTile() = default;

  const T* x0 = nullptr;              // (T,D)
  T* xL = nullptr;                    // (T,D), which backward may overwrite
  const Shared<T>* shared = nullptr;  // of the first product, set for a tile
};

template <class T> class Cross {
 public:
  virtual ~Cross() = default;

  // Adds its tensors to the layout.
  virtual void add(Layout& layout) = 0;
  // From the flat parameters, once a step: adds its matrices to `packings`; does without threads
  // what is no packing.
  virtual void pack(const KernelTable<T>& k, Packings<T>& packings, const T* parameters) = 0;
  // Lays out a tile of `rows`; x0 is given.
  virtual std::unique_ptr<CrossTile<T>> carve(Carver<T>& carver, const T* x0,
                                              std::size_t rows) const = 0;

  virtual void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T* parameters,
                       std::size_t rows) const = 0;
  // dxL (T,D) is overwritten, and what the tile keeps. dx0 (T,D) becomes the gradient of x0; null
  // where nobody asks for it. The two are not the same.
  virtual void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients,
                        const T* parameters, std::size_t rows) const = 0;

  // the product with x0, where there is one
  virtual FirstLayer<T> first_layer() const { return {}; }
  // Whether weights are tied, or stay 0: then gradients of all parameters go through `project`.
  virtual bool projects() const { return false; }
  virtual void project(T* gradients) const noexcept { static_cast<void>(gradients); }
  // numbers of the largest matrix that a row is multiplied with
  virtual std::size_t largest_weights() const { return 0; }
};

// The bias of all layers, (L,D) in the flat parameters; zeros where none is learned.
template <class T> class CrossBias {
 public:
  explicit CrossBias(const NetworkConfig& config)
      : learned_(config.cross_bias), L_(config.cross_layers), D_(config.width()),
        zeros_(learned_ ? 0 : L_ * D_) {}

  void add(Layout& layout) {
    if (learned_) offset_ = layout.add("cross_b", {L_, D_}, Role::bias);
  }
  const T* values(const T* parameters) const {
    return learned_ ? parameters + offset_ : zeros_.data();
  }
  // where gradients go: to scratch (L,D) if there is none to learn
  T* carve(Carver<T>& carver) const { return learned_ ? nullptr : carver.take(L_ * D_); }
  T* gradients(T* flat, T* scratch) const { return learned_ ? flat + offset_ : scratch; }

 private:
  bool learned_;
  std::size_t L_, D_, offset_ = 0;
  Buffer<T> zeros_;
};

// Weights of all layers: a name, as "W" for cross_W, and the letters of the shape, as "LDR"; a
// matrix is (.., outputs, inputs). E are experts, H half of D, rounded up. Without letters there is
// none.
struct CrossTensor {
  const char* name = "";
  std::string_view letters;
  std::string_view letters_shared = {};  // where one for all layers is possible
  bool optional = false;                 // options decide whether there is any
};

// What is known of a kind without a network: its weights, in the order in which it adds them, which
// the bias follows.
struct CrossKind {
  const char* name;
  std::array<CrossTensor, 4> tensors;

  // whether it has a rank, or experts
  constexpr bool ranked() const { return has('R'); }
  constexpr bool has(char letter) const {
    return std::ranges::any_of(tensors, [letter](const CrossTensor& t) {
      return t.letters.find(letter) != t.letters.npos;
    });
  }
  // numbers of a layer, without the bias, at most
  constexpr double weights(double D, double R, double E) const {
    double sum = 0;
    for (const CrossTensor& tensor : tensors) {
      double product = tensor.letters.empty() ? 0 : 1;
      for (const char letter : tensor.letters)
        product *= letter == 'D'   ? D
                   : letter == 'R' ? R
                   : letter == 'E' ? E
                   : letter == 'H' ? (D + 1) / 2
                                   : 1;
      sum += product;
    }
    return sum;
  }
};

// The kinds there are, in the order of kinds.cpp.
std::vector<CrossKind> cross_kinds();
// Null without layers. The configuration names a kind that there is.
template <class T> std::unique_ptr<Cross<T>> make_cross(const NetworkConfig& config);

}  // namespace dcn
