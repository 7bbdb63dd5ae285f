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

namespace dcn {

enum class Activation : int { identity, relu, tanh, sigmoid, gelu };

// W (O,I) in the two orders in which it is multiplied, and its bias padded; made by pack_weights.
template <class T> struct Packed {
  const T* by_output;  // (vectors(O), I, lanes): x (T,I) -> x W^T (T,O)
  const T* by_input;   // (vectors(I), O, lanes): dz (T,O) -> dz W (T,I)
  const T* bias;       // (padded(O)), null where the layer has none
};

template <class T> struct AdamStep {
  T step_size;  // learning rate with both bias corrections folded in
  T beta_1, beta_2, epsilon;
  T l2;  // gradient gets l2 * parameter
};

template <class T> struct KernelTable {
  // ---- weights: once a step
  // W (O,I) with row stride w_ld -> by_output, by_input; either may be null
  void (*pack_weights)(T* by_output, T* by_input, const T* W, std::size_t w_ld, std::size_t O,
                       std::size_t I);
  // w, b (L,D) -> c (L+1, padded(D)): c_l = sum of b below l;  q (L): c_l . w_l
  void (*cross_vector_prepare)(T* c, T* q, const T* w, const T* b, std::size_t L, std::size_t D);

  // ---- 2: stack. dense (N,M), rows (T) or null for the first T -> x0 (T,M)
  void (*stack_forward)(T* x0, const T* dense, const std::int64_t* rows, std::size_t Trows,
                        std::size_t M);
  // x (T,W) -> out (T,W), out without padding
  void (*unstack)(T* out, const T* x, std::size_t Trows, std::size_t W);

  // ---- 3: cross, vector form (2017, eq. 3), all layers at once by the closed form
  // x0 (T,D), w (L,D) -> xL (T,D); keeps p (L,T) = x0 . w_l and a (L+1,T)
  void (*cross_vector_forward)(T* xL, T* p, T* a, const T* x0, const T* w, const T* c, const T* q,
                               std::size_t Trows, std::size_t L, std::size_t D);
  // dxL (T,D) -> dx0 (T,D); dw, db (L,D) added to. dp (L,T), dq (L), dc (D) are scratch
  void (*cross_vector_backward)(T* dx0, T* dw, T* db, T* dp, T* dq, T* dc, const T* dxL, const T* p,
                                const T* a, const T* x0, const T* w, const T* c, std::size_t Trows,
                                std::size_t L, std::size_t D);

  // ---- 3: cross, matrix form (2020, eq. 1), one layer
  // x0, x (T,D) -> xn = x0 * z + x (T,D); keeps z = W x + b + diag x (T,D)
  void (*cross_matrix_forward)(T* xn, T* z, const T* x0, const T* x, Packed<T> W, std::size_t Trows,
                               std::size_t D, T diag);
  // dxn (T,D) -> dx (T,D) or null; dx0_acc (T,D) or null; dW (D,D), db (D). dz (T,D) is scratch.
  // Where x is x0, the first layer, dx is the whole gradient of x0: it includes dx0_acc and may be
  // it
  void (*cross_matrix_backward)(T* dx, T* dx0_acc, T* dW, T* db, T* dz, const T* dxn, const T* z,
                                const T* x0, const T* x, Packed<T> W, std::size_t Trows,
                                std::size_t D, T diag);

  // ---- 3: cross, low rank: W = U V; U (D,R), V (R,D), one layer
  // as the matrix form; keeps t = V x (T,R) as well
  void (*cross_lowrank_forward)(T* xn, T* z, T* t, const T* x0, const T* x, Packed<T> U,
                                Packed<T> V, std::size_t Trows, std::size_t D, std::size_t R,
                                T diag);
  // dU (D,R), dV (R,D), db (D). dz (T,D) and dt (T,R) are scratch
  void (*cross_lowrank_backward)(T* dx, T* dx0_acc, T* dU, T* dV, T* db, T* dz, T* dt, const T* dxn,
                                 const T* z, const T* t, const T* x0, const T* x, Packed<T> U,
                                 Packed<T> V, std::size_t Trows, std::size_t D, std::size_t R,
                                 T diag);

  // ---- 4: deep. h (T,I) -> hn = act(z) (T,O), z = W h + b (T,O) kept only for gelu, else null
  void (*dense_forward)(T* hn, T* z, const T* h, Packed<T> W, std::size_t Trows, std::size_t I,
                        std::size_t O, Activation activation);
  // dhn (T,O) -> dh (T,I) or null, added to where `add`; dW (O,I), db (O). dz (T,O) is scratch
  void (*dense_backward)(T* dh, T* dW, T* db, T* dz, const T* dhn, const T* hn, const T* z,
                         const T* h, Packed<T> W, std::size_t Trows, std::size_t I, std::size_t O,
                         Activation activation, bool add);

  // ---- 5: combine. [x (T,D), h (T,H)] -> logits (T,C); x or h null where its width is 0
  void (*combine_forward)(T* logits, const T* x, const T* h, Packed<T> Wx, Packed<T> Wh,
                          std::size_t Trows, std::size_t D, std::size_t H, std::size_t C);
  // dlogits (T,C) -> dx (T,D), dh (T,H), either null; dW (C,D+H), db (C)
  void (*combine_backward)(T* dx, T* dh, T* dW, T* db, const T* dlogits, const T* x, const T* h,
                           Packed<T> Wx, Packed<T> Wh, std::size_t Trows, std::size_t D,
                           std::size_t H, std::size_t C);

  // ---- 6: loss. Sums over the tile, weighted. target (N,C), for softmax (N) with class numbers;
  // weight (N) or null; rows as in stack_forward; the gradient is times `scale`
  double (*squared_forward)(const T* logits, const T* target, const T* weight,
                            const std::int64_t* rows, std::size_t Trows, std::size_t C);
  void (*squared_backward)(T* dlogits, const T* logits, const T* target, const T* weight,
                           const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale);
  double (*bce_forward)(const T* logits, const T* target, const T* weight, const std::int64_t* rows,
                        std::size_t Trows, std::size_t C);
  void (*bce_backward)(T* dlogits, const T* logits, const T* target, const T* weight,
                       const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale);
  double (*softmax_forward)(const T* logits, const T* target, const T* weight,
                            const std::int64_t* rows, std::size_t Trows, std::size_t C);
  void (*softmax_backward)(T* dlogits, const T* logits, const T* target, const T* weight,
                           const std::int64_t* rows, std::size_t Trows, std::size_t C, T scale);

  // ---- 8: optimize
  // lanes (n_lanes, stride) -> g (n): the sum, always in the order of the lanes
  void (*reduce_lanes)(T* g, const T* lanes, std::size_t stride, std::size_t n_lanes,
                       std::size_t n);
  // g (n) -> parameters, both moments (n); returns the sum of squared parameters before the step
  double (*adam_update)(T* parameters, T* m, T* v, const T* g, std::size_t n, AdamStep<T> step);
};

struct IsaKernels {
  const char* name;
  const char* description;
  std::size_t tile_rows;     // rows of the register tile, for show_config
  std::size_t tile_vectors;  // 64-byte vectors of the register tile
  // runs `n` rounds of independent fused multiply-adds and returns the flops: the machine's ceiling
  double (*peak_f32)(std::size_t n);
  double (*peak_f64)(std::size_t n);
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
