// The table of contents: every kernel pair, in the order in which data flows.
//
// Rules for all of them. Order of arguments: outputs, workspace, inputs, parameters, sizes,
// options. A backward repeats its forward's arguments behind its own, with a `d` in front.
// Parameter gradients are added to; activation gradients are overwritten unless the name ends in
// `_acc`. Tile buffers have 64-byte aligned rows of stride ld(width) and may be written up to
// padded(width). Parameters and their gradients are dense, unpadded. Kernels never allocate, throw,
// or read outside.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bits.hpp"
#include "dispatch/lists.hpp"
#include "dispatch/loss_kernels.hpp"
#include "dispatch/operands.hpp"
#include "dispatch/optimizer_kernels.hpp"
#include "dispatch/weights.hpp"

namespace dcn {

inline constexpr double kLayerNormEpsilon = 1e-5;  // PyTorch's

// The kinds of a family, in the order of its list in kernels/, which is the same for every
// instruction set: the number of a kind says which it is. kinds.hpp finds them by name.
template <class K> struct Kinds {
  const K* first;
  std::size_t size;

  const K* begin() const { return first; }
  const K* end() const { return first + size; }
  template <class Number> const K& operator[](Number kind) const {
    return first[static_cast<std::size_t>(kind)];
  }
};
enum class Activation : std::size_t { identity };
enum class Loss : std::size_t {};
enum class Gating : int { softmax, sigmoid, constant };  // of a mixture's experts

// The place among the bins of a number that is missing.
inline constexpr double kMissingPlace = -1e9;

struct ActivationKind {
  const char* name;
  bool keeps_z;  // what the forward was given is kept: its slope is not a function of its value
};

template <class T> struct KernelTable {
  // ---- weights: once a step
  // W (O,I) with row stride w_ld -> by_output, by_input; either may be null
  void (*pack_weights)(T* by_output, T* by_input, const T* W, std::size_t w_ld, std::size_t O,
                       std::size_t I);
  // w, b (L,D) -> c (L+1, padded(D)): c_l = sum of b below l;  q (L): c_l . w_l
  void (*cross_vector_prepare)(T* c, T* q, const T* w, const T* b, std::size_t L, std::size_t D);

  // ---- 2: embed and stack. rows (T) are numbers of rows of the table, null for the first T
  // ids (N,F), fields (F) -> the embedded columns of x0 (T,D)
  void (*embedding_forward)(T* x0, const Field<T>* fields, const std::int32_t* ids,
                            const std::int64_t* rows, std::size_t Trows, std::size_t F,
                            std::size_t D);
  // Occurrence i * F + f is the f-th field in row i of dx (B,dx_ld), at columns[f]. occurrences,
  // cut at starts (U+1) into one run a table row -> g (U,K), each run added up in its order
  void (*embedding_backward)(T* g, const T* dx, std::size_t dx_ld, const std::size_t* columns,
                             const std::uint32_t* occurrences, const std::uint32_t* starts,
                             std::size_t U, std::size_t F, std::size_t K);
  // g (U,K), of rows (U) of a table times their factors (V) -> that of these rows, in its place,
  // and of the factors (U)
  void (*collision_backward)(T* g, T* dfactors, const T* table, const T* factors,
                             const std::uint32_t* rows, std::size_t U, std::size_t K);
  // lists -> the columns of a field of out (T,stride): the sum of the rows that the items name,
  // each times its weight, or the greatest number of each column; 0 for an empty list. `add`: to
  // what is there
  void (*lists_sum_forward)(T* out, const Field<T>& field, const Lists<T>& lists,
                            const std::int64_t* rows, std::size_t Trows, std::size_t stride,
                            bool add);
  void (*lists_max_forward)(T* out, const Field<T>& field, const Lists<T>& lists,
                            const std::int64_t* rows, std::size_t Trows, std::size_t stride,
                            bool add);
  // the item (Trows,K) with the greatest number of each column, the first of equal ones; the items
  // of a row begin at begins (Trows+1); factors as in Field
  void (*lists_max_items)(std::uint32_t* items, const T* table, const T* factors,
                          const std::int32_t* ids, const std::uint32_t* begins, std::size_t Trows,
                          std::size_t K);
  // occurrences are items of a batch, cut as for embedding_backward -> g (U,K). max_items: what
  // lists_max_items says, by slot
  void (*lists_backward)(T* g, const T* dx, std::size_t dx_ld, const BatchLists<T>& lists,
                         const std::uint32_t* max_items, const std::uint32_t* occurrences,
                         const std::uint32_t* starts, std::size_t U, std::size_t K);
  // embedding_forward of stored rows; none of them is read beyond its end
  void (*stored_forward)(T* x0, const StoredField* fields, const std::int32_t* ids,
                         const std::int64_t* rows, std::size_t Trows, std::size_t F, std::size_t D);
  // lists_sum_forward and lists_max_forward of stored rows
  void (*stored_sum_forward)(T* out, const StoredField& field, const Lists<T>& lists,
                             const std::int64_t* rows, std::size_t Trows, std::size_t stride,
                             bool add);
  void (*stored_max_forward)(T* out, const StoredField& field, const Lists<T>& lists,
                             const std::int64_t* rows, std::size_t Trows, std::size_t stride,
                             bool add);
  // the first M columns of dense (N,dense_ld) -> the columns of x0 (T,D) from `column` on, and
  // zeros in the padding
  void (*stack_forward)(T* x0, const T* dense, std::size_t dense_ld, const std::int64_t* rows,
                        std::size_t Trows, std::size_t M, std::size_t column, std::size_t D);
  // the first W columns of x (T, row stride x_ld) -> out (T,W), out without padding
  void (*unstack)(T* out, const T* x, std::size_t x_ld, std::size_t Trows, std::size_t W);

  // ---- 2: piecewise linear embeddings of J numbers with bins (J) bins each. A number's block has
  // the vectors at its edges, b + s (W_1 + .. + W_i), then its slope v and the vector for missing:
  // (bins + 3, padded(K)). dense (N, M + 2 J) ends with a pair for each: z, and its place among the
  // bins. W (sum of bins, K), b, v, missing (J,K), scales s (J) -> blocks
  void (*piecewise_prepare)(T* blocks, const T* W, const T* b, const T* v, const T* missing,
                            const T* scales, const std::size_t* bins, std::size_t J, std::size_t K);
  // -> the last J K columns of x (T,D)
  void (*piecewise_forward)(T* x, const T* dense, const std::int64_t* rows, const T* blocks,
                            const std::size_t* bins, std::size_t Trows, std::size_t J,
                            std::size_t K, std::size_t M, std::size_t D);
  // dx (T,D) -> added to dblocks
  void (*piecewise_backward)(T* dblocks, const T* dx, const T* dense, const std::int64_t* rows,
                             const std::size_t* bins, std::size_t Trows, std::size_t J,
                             std::size_t K, std::size_t M, std::size_t D);
  // dblocks, which are overwritten -> added to dW, db, dv, dmissing
  void (*piecewise_collect)(T* dW, T* db, T* dv, T* dmissing, T* dblocks, const T* scales,
                            const std::size_t* bins, std::size_t J, std::size_t K);

  // ---- 2: periodic embeddings: z and a linear function of cos(w z + phase), which leaves O = K -
  // 1 outputs, or the positive part of one of sin(w z) and cos(w z), O = K. dense as above
  // -> the last J K columns of x (T,D)
  void (*periodic_forward)(T* x, const T* dense, const std::int64_t* rows,
                           Waves<const T> parameters, WaveSizes sizes, std::size_t Trows);
  void (*periodic_relu_forward)(T* x, const T* dense, const std::int64_t* rows,
                                Waves<const T> parameters, WaveSizes sizes, std::size_t Trows);
  // dx, x (T,D) -> added to sums, of the parameters' shapes with a vector for each number
  void (*periodic_backward)(Waves<T> sums, const T* dx, const T* x, const T* dense,
                            const std::int64_t* rows, Waves<const T> parameters, WaveSizes sizes,
                            std::size_t Trows);
  void (*periodic_relu_backward)(Waves<T> sums, const T* dx, const T* x, const T* dense,
                                 const std::int64_t* rows, Waves<const T> parameters,
                                 WaveSizes sizes, std::size_t Trows);
  // g (n) += factor times the sum of the lanes of each of sums (n, lanes)
  void (*add_lanes)(T* g, const T* sums, std::size_t n, T factor);

  // ---- 2: members
  // x (T,D), r (E,padded(D)) -> x0 (E,T,D) = r_e * x
  void (*members_forward)(T* x0, const T* x, const T* r, std::size_t Trows, std::size_t E,
                          std::size_t D);
  // dx0 (E,T,D) -> dx (T,D), dr (E,padded(D)), both overwritten
  void (*members_backward)(T* dx, T* dr, const T* dx0, const T* x, const T* r, std::size_t Trows,
                           std::size_t E, std::size_t D);

  // ---- 3 and 4: products with x0 that are shared by equal ids; kSharedVectors vectors of the
  // O outputs, from vector v on, at a time
  // fields (H), index (n,H) units -> sums (n,O) = bias + what the fields come to. products (units,
  // kSharedVectors vectors) is scratch
  void (*shared_forward)(T* sums, T* products, const SharedField<T>* fields,
                         const std::uint32_t* index, Packed<T> W, std::size_t n, std::size_t H,
                         std::size_t D, std::size_t O, std::size_t v);
  // dz (n,O) and W (O,D) -> g (units,ld(K)), the block's share of the gradients of the rows; dW
  // (O,D) of the fields' columns. scratch (kSharedVectors vectors, kSharedUnits + K of the
  // widest field)
  void (*shared_backward)(T* g, T* dW, T* scratch, const T* dz, const SharedField<T>* fields,
                          const T* W, std::size_t H, std::size_t D, std::size_t O, std::size_t v);

  // ---- 3: cross, vector form (2017, eq. 3), all layers at once by the closed form. Rows of x0,
  // xL, dxL and dx0 are `stride` apart and need no padding
  // x0 (T,D), w (L,D) -> xL (T,D); keeps p (L,T) = x0 . w_l and a (L+1,T). streaming: the result is
  // stored past all caches, D and stride are whole vectors
  void (*cross_vector_forward)(T* xL, T* p, T* a, const T* x0, const T* w, const T* c, const T* q,
                               std::size_t Trows, std::size_t L, std::size_t D, std::size_t stride,
                               bool streaming);
  // dxL (T,D) -> dx0 (T,D); dw, db (L,D) added to. dp (L,T), dq (L), dc (D) are scratch
  void (*cross_vector_backward)(T* dx0, T* dw, T* db, T* dp, T* dq, T* dc, const T* dxL, const T* p,
                                const T* a, const T* x0, const T* w, const T* c, std::size_t Trows,
                                std::size_t L, std::size_t D, std::size_t stride);
  // the same from x0 and dxL alone; p and a are scratch. streaming: as above
  void (*cross_vector_gradients)(T* dx0, T* dw, T* db, T* p, T* a, T* dp, T* dq, T* dc,
                                 const T* dxL, const T* x0, const T* w, const T* c, const T* q,
                                 std::size_t Trows, std::size_t L, std::size_t D,
                                 std::size_t stride, bool streaming);

  // ---- 3: cross, matrix form (2020, eq. 1), one layer
  // x0, x (T,D) -> xn = x0 * z + x (T,D); keeps z = W x + b + diag x (T,D)
  void (*cross_matrix_forward)(T* xn, T* z, const T* x0, const T* x, Packed<T> W, std::size_t Trows,
                               std::size_t D, T diag);
  // The backward runs from the topmost layer down. Its elementwise half comes first: dz = dxn * x0,
  // which may be z itself, and dx0 = dxn * z, or null
  void (*cross_start_backward)(T* dz, T* dx0, const T* dxn, const T* z, const T* x0,
                               std::size_t Trows, std::size_t D);
  // The rest, and with dx in registers the elementwise half of the layer below.
  // dz, dxn (T,D) -> dx (T,D), which may be dxn, or null; dW (D,D), db (D). In the first layer,
  // which has none below, dx is the gradient of x0 and added to. scratch (T,D)
  void (*cross_matrix_backward)(T* dx, T* dW, T* db, T* scratch, const T* dz, const T* dxn,
                                const T* x, Packed<T> W, CrossBelow<T> below, std::size_t Trows,
                                std::size_t D, T diag);

  // ---- 3: cross, low rank: W = U V; U (D,R), V (R,D), one layer
  // as the matrix form; keeps t = V x (T,R) as well
  void (*cross_lowrank_forward)(T* xn, T* z, T* t, const T* x0, const T* x, Packed<T> U,
                                Packed<T> V, std::size_t Trows, std::size_t D, std::size_t R,
                                T diag);
  // dU (D,R), dV (R,D), db (D). dt (T,R) and scratch (T,D)
  void (*cross_lowrank_backward)(T* dx, T* dU, T* dV, T* db, T* dt, T* scratch, const T* dz,
                                 const T* dxn, const T* t, const T* x, Packed<T> U, Packed<T> V,
                                 CrossBelow<T> below, std::size_t Trows, std::size_t D,
                                 std::size_t R, T diag);

  // ---- 3: cross with a preactivation: xn = x0 * (g + diag x) + x, g = act(W x + b) from the dense
  // kernels below
  void (*cross_gate_forward)(T* xn, const T* g, const T* x0, const T* x, std::size_t Trows,
                             std::size_t D, T diag);
  // dxn -> dg, dx (T,D); dx0_acc (T,D) or null
  void (*cross_gate_backward)(T* dg, T* dx, T* dx0_acc, const T* dxn, const T* g, const T* x0,
                              const T* x, std::size_t Trows, std::size_t D, T diag);

  // ---- 3: cross, onlydense: xn = scale x * g, g = act(W x + b) from the dense kernels below
  void (*onlydense_forward)(T* xn, const T* g, const T* x, std::size_t Trows, std::size_t D,
                            T scale);
  // dxn -> dg, dx (T,D), which may be dxn, or null
  void (*onlydense_backward)(T* dg, T* dx, const T* dxn, const T* g, const T* x, std::size_t Trows,
                             std::size_t D, T scale);

  // ---- 3: cross, mixture of E experts of rank R, one layer; h (T,E R) = V x of all experts, side
  // by side, from the dense kernels below h (T,E R) -> hn = act(z) (T,E R), z_e = C_e h_e if the
  // activation keeps it, else null; C: E
  void (*mixture_inner_forward)(T* hn, T* z, const T* h, const Packed<T>* C, std::size_t Trows,
                                std::size_t R, std::size_t E, Activation activation);
  // dhn -> dh (T,E R); dC (E,R,R). dz (T,E R) is scratch
  void (*mixture_inner_backward)(T* dh, T* dC, T* dz, const T* dhn, const T* hn, const T* z,
                                 const T* h, const Packed<T>* C, std::size_t Trows, std::size_t R,
                                 std::size_t E, Activation activation);
  // h (T,E R), logits a (T,E) -> u (T,E R + 1) = g_e h_e and the sum of the gates g (T,E), which
  // are kept; constant ones are 1 and need neither
  void (*mixture_gate_forward)(T* u, T* gates, const T* h, const T* a, std::size_t Trows,
                               std::size_t R, std::size_t E, Gating gating);
  // du -> dh (T,E R), da (T,E)
  void (*mixture_gate_backward)(T* dh, T* da, const T* du, const T* gates, const T* h,
                                std::size_t Trows, std::size_t R, std::size_t E, Gating gating);
  // u (T,I), U (D,I) with the bias in its last column -> xn = x0 * z + x (T,D); keeps z = U u (T,D)
  void (*mixture_output_forward)(T* xn, T* z, const T* u, const T* x0, const T* x, Packed<T> U,
                                 std::size_t Trows, std::size_t I, std::size_t D);
  // dz (T,D) -> du (T,I); dU (E,D,R), db (D). scratch (T,D)
  void (*mixture_output_backward)(T* du, T* dU, T* db, T* scratch, const T* dz, const T* u,
                                  Packed<T> U, std::size_t Trows, std::size_t D, std::size_t R,
                                  std::size_t E);

  // ---- 3: cross, exponential: between the dense kernel, layer_norm and the gate above
  // h, m (T,H), b (D) -> g = [h, h * m] + b (T,D), of m the first D - H columns
  void (*halves_forward)(T* g, const T* h, const T* m, const T* b, std::size_t Trows, std::size_t H,
                         std::size_t D);
  // dg (T,D) -> dh, dm (T,H); db (D)
  void (*halves_backward)(T* dh, T* dm, T* db, const T* dg, const T* h, const T* m,
                          std::size_t Trows, std::size_t H, std::size_t D);

  // ---- 4: deep
  Kinds<ActivationKind> activations;
  // h (T,I) -> hn = act(z) (T,O), z = W h + b (T,O) if the activation keeps it, else null
  void (*dense_forward)(T* hn, T* z, const T* h, Packed<T> W, std::size_t Trows, std::size_t I,
                        std::size_t O, Activation activation);
  // dhn (T,O) -> dh (T,I) or null, added to where `add`; dW (O,I), db (O). dz (T,O) is scratch,
  // and so is `scratch` (T,O), which may be hn, or null
  void (*dense_backward)(T* dh, T* dW, T* db, T* dz, T* scratch, const T* dhn, const T* hn,
                         const T* z, const T* h, Packed<T> W, std::size_t Trows, std::size_t I,
                         std::size_t O, Activation activation, bool add);

  // Layer normalisation between product and activation: z (T,O) -> xhat (T,O), which may be z,
  // inv (T) = 1 / sqrt(var + kLayerNormEpsilon), y = scale xhat + shift (T,O) if the activation
  // keeps it, hn = act(y) (T,O)
  void (*layer_norm_forward)(T* hn, T* y, T* xhat, T* inv, const T* z, const T* scale,
                             const T* shift, std::size_t Trows, std::size_t O,
                             Activation activation);
  // dhn (T,O) -> dz (T,O); dscale, dshift (O)
  void (*layer_norm_backward)(T* dz, T* dscale, T* dshift, const T* dhn, const T* hn, const T* y,
                              const T* xhat, const T* inv, const T* scale, std::size_t Trows,
                              std::size_t O, Activation activation);
  // z (T,O), a (O) -> h = (1 - a) z + a act(z) (T,O)
  void (*parametric_forward)(T* h, const T* z, const T* a, std::size_t Trows, std::size_t O,
                             Activation activation);
  // dh (T,O) -> dz (T,O), which may be dh; da (O)
  void (*parametric_backward)(T* dz, T* da, const T* dh, const T* z, const T* a, std::size_t Trows,
                              std::size_t O, Activation activation);
  // out = h times the mask of the rows first_row, first_row + 1, ... of the batch (T,W). It is
  // linear, so it is its own backward; out may be h
  void (*dropout)(T* out, const T* h, std::uint64_t stream, std::uint32_t threshold,
                  std::size_t first_row, std::size_t Trows, std::size_t W);

  // ---- 5: combine, one part of the head's input after the other
  // x (T,D; row stride x_ld) -> logits (T,C) = x W^T + bias, or added to them
  void (*combine_forward)(T* logits, const T* x, std::size_t x_ld, Packed<T> W, std::size_t Trows,
                          std::size_t D, std::size_t C, bool add);
  // dlogits (T,C) -> dx (T,D) or null; dW (C,D; row stride dw_ld), db (C) or null
  void (*combine_backward)(T* dx, T* dW, std::size_t dw_ld, T* db, const T* dlogits, const T* x,
                           std::size_t x_ld, Packed<T> W, std::size_t Trows, std::size_t D,
                           std::size_t C);
  // the linear part: the F rows of C numbers that ids (N,F) name are added to logits (T,C); its
  // backward is embedding_backward
  void (*wide_forward)(T* logits, const Field<T>* fields, const std::int32_t* ids,
                       const std::int64_t* rows, std::size_t Trows, std::size_t F, std::size_t C);
  // the same of stored rows
  void (*stored_wide_forward)(T* logits, const StoredField* fields, const std::int32_t* ids,
                              const std::int64_t* rows, std::size_t Trows, std::size_t F,
                              std::size_t C);

  // ---- 6: loss
  Kinds<LossKernels<T>> losses;

  // ---- 8: optimize
  // shards (n_shards, stride) -> g (n): the sum, always in the order of the shards
  void (*reduce_shards)(T* g, const T* shards, std::size_t stride, std::size_t n_shards,
                        std::size_t n);
  // average += rest (parameters - average), (n)
  void (*average_update)(T* average, const T* parameters, std::size_t n, T rest);
  Kinds<OptimizerKernels<T>> optimizers;
};

struct IsaKernels {
  const char* name;
  const char* description;
  std::size_t tile_rows;     // rows of the register tile, for show_config
  std::size_t tile_vectors;  // 64-byte vectors of the register tile
  // runs `n` rounds of independent fused multiply-adds and returns the flops: the machine's ceiling
  double (*peak_f32)(std::size_t n);
  double (*peak_f64)(std::size_t n);
  // reads x (n) and returns its sum
  float (*read)(const float* x, std::size_t n);
  KernelTable<float> f32;
  KernelTable<double> f64;
};

template <class T> const KernelTable<T>& table_of(const IsaKernels& isa);
template <> inline const KernelTable<float>& table_of<float>(const IsaKernels& isa) {
  return isa.f32;
}
template <> inline const KernelTable<double>& table_of<double>(const IsaKernels& isa) {
  return isa.f64;
}

}  // namespace dcn
