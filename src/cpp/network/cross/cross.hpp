// Stage 3: the cross layers of one tile, in any of their three forms.
#pragma once

#include <vector>

#include "network/config.hpp"
#include "network/packed.hpp"
#include "network/parameters.hpp"

namespace dcn {

// What the forward pass of one tile keeps for the backward pass, and its scratch.
template <class T> struct CrossTile {
  std::vector<T*> x;    // L+1 pointers to (T,D); x[0] is x0. The vector form has x0 and xL only
  std::vector<T*> z;    // L pointers to (T,D), matrix and low rank: z, then dz; g with a gate
  std::vector<T*> pre;  // L pointers to (T,D), W x + b for a gelu gate, else null
  std::vector<T*> t;    // L pointers to (T,R), low rank
  T *p = nullptr, *a = nullptr;                    // (L,T), (L+1,T), vector form
  T *dt = nullptr, *dx = nullptr;                  // scratch (T,R), (T,D)
  T *dz = nullptr, *dg = nullptr, *dtt = nullptr;  // scratch (T,D), (T,D), (T,R), with a gate
  T *dp = nullptr, *dq = nullptr, *dc = nullptr;   // scratch (L,T), (L), (D) or (R)
  T* db = nullptr;                                 // (L,D), where there is no bias to learn
  const Shared<T>* shared = nullptr;               // of the first product, set for a tile

  T* xL() const { return x.back(); }
};

template <class T> class CrossPart {
 public:
  CrossPart() = default;
  // Adds its tensors to the layout: cross_W, cross_U and cross_V, or cross_w; then cross_b.
  CrossPart(const NetworkConfig& config, Layout& layout);

  // From the flat parameters, once a step: adds its matrices to `packings`; does without threads
  // what the vector form needs.
  void pack(const KernelTable<T>& k, Packings<T>& packings, const T* parameters);
  // Lays out a tile of `rows`; x[0] is given.
  CrossTile<T> carve(Carver<T>& carver, T* x0, std::size_t rows) const;

  void forward(const KernelTable<T>& k, CrossTile<T>& tile, const T* parameters,
               std::size_t rows) const;
  // dxL (T,D) and x[1] to x[L] are overwritten. dx0 (T,D) becomes the gradient of x0; null where
  // nobody asks for it.
  void backward(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* gradients,
                const T* parameters, std::size_t rows) const;

  std::size_t layers() const noexcept { return L_; }
  // the product with x0, where there is one
  FirstLayer<T> first_layer() const {
    if (L_ == 0 || kind_ == CrossKind::vector) return {};
    if (kind_ == CrossKind::matrix) return {&packed_w_[0], w_, D_};
    return {&packed_v_[0], v_, R_};
  }

 private:
  // W, or V, of a layer; the product with x0 may be shared
  Packed<T> inner(const CrossTile<T>& tile, std::size_t l) const {
    Packed<T> packed = (kind_ == CrossKind::matrix ? packed_w_[l] : packed_v_[l]).view();
    if (l == 0) packed.shared = tile.shared;
    return packed;
  }
  bool gated() const noexcept { return gate_ != Activation::identity; }
  void forward_gate(const KernelTable<T>& k, CrossTile<T>& tile, std::size_t l,
                    std::size_t rows) const;
  void backward_gate(const KernelTable<T>& k, CrossTile<T>& tile, std::size_t l, T* dx, T* dx0,
                     const T* dxn, T* db, T* gradients, std::size_t rows) const;
  // where backward leaves dz: over z, which it needs no longer, unless it is shared
  T* gradient_of_z(const CrossTile<T>& tile, std::size_t l) const;
  void backward_products(const KernelTable<T>& k, CrossTile<T>& tile, T* dx0, T* dxL, T* db,
                         T* gradients, std::size_t rows) const;

  CrossKind kind_ = CrossKind::matrix;
  std::size_t L_ = 0, D_ = 0, R_ = 0;
  T diag_ = 0;
  bool bias_ = true;
  Activation gate_ = Activation::identity;
  std::size_t w_ = 0, u_ = 0, v_ = 0, b_ = 0;         // offsets of the tensors
  std::vector<PackedMatrix<T>> packed_w_, packed_v_;  // W, or U and V
  Buffer<T> c_, q_;                                   // vector form: see cross_vector_prepare
  Buffer<T> no_bias_;                                 // (L,D) zeros, where there is no bias
};

extern template class CrossPart<float>;
extern template class CrossPart<double>;

}  // namespace dcn
