// The kernels in the order of the data flow, and the table that names them.
#include "kernels/kinds.inl"
#include "kernels/math.inl"
#include "kernels/gemm.inl"
#include "kernels/outer.inl"
#include "kernels/columns.inl"
#include "kernels/embedding.inl"
#include "kernels/lists.inl"
#include "kernels/stored_rows.inl"
#include "kernels/numeric_piecewise.inl"
#include "kernels/numeric_periodic.inl"
#include "kernels/members.inl"
#include "kernels/shared.inl"
#include "kernels/cross_vector.inl"
#include "kernels/cross_matrix.inl"
#include "kernels/cross_lowrank.inl"
#include "kernels/cross_gate.inl"
#include "kernels/activations.inl"
#include "kernels/cross_onlydense.inl"
#include "kernels/cross_mixture.inl"
#include "kernels/cross_halves.inl"
#include "kernels/dense.inl"
#include "kernels/layer_norm.inl"
#include "kernels/parametric.inl"
#include "kernels/dropout.inl"
#include "kernels/combine.inl"
#include "kernels/losses/all.inl"
#include "kernels/averages.inl"
#include "kernels/optimizers/all.inl"
#include "kernels/peak.inl"

template <class T> constexpr KernelTable<T> make_table() {
  return {
      .pack_weights = pack_weights<T>,
      .cross_vector_prepare = cross_vector_prepare<T>,
      .embedding_forward = embedding_forward<T>,
      .embedding_backward = embedding_backward<T>,
      .collision_backward = collision_backward<T>,
      .lists_sum_forward = lists_sum_forward<T>,
      .lists_max_forward = lists_max_forward<T>,
      .lists_max_items = lists_max_items<T>,
      .lists_backward = lists_backward<T>,
      .stored_forward = stored_forward<T>,
      .stored_sum_forward = stored_sum_forward<T>,
      .stored_max_forward = stored_max_forward<T>,
      .stack_forward = stack_forward<T>,
      .unstack = unstack<T>,
      .piecewise_prepare = piecewise_prepare<T>,
      .piecewise_forward = piecewise_forward<T>,
      .piecewise_backward = piecewise_backward<T>,
      .piecewise_collect = piecewise_collect<T>,
      .periodic_forward = periodic_forward<Periodic, T>,
      .periodic_relu_forward = periodic_forward<PeriodicRelu, T>,
      .periodic_backward = periodic_backward<Periodic, T>,
      .periodic_relu_backward = periodic_backward<PeriodicRelu, T>,
      .add_lanes = add_lanes<T>,
      .members_forward = members_forward<T>,
      .members_backward = members_backward<T>,
      .shared_forward = shared_forward<T>,
      .shared_backward = shared_backward<T>,
      .cross_vector_forward = cross_vector_forward<T>,
      .cross_vector_backward = cross_vector_backward<T>,
      .cross_vector_gradients = cross_vector_gradients<T>,
      .cross_matrix_forward = cross_matrix_forward<T>,
      .cross_start_backward = cross_start_backward<T>,
      .cross_matrix_backward = cross_matrix_backward<T>,
      .cross_lowrank_forward = cross_lowrank_forward<T>,
      .cross_lowrank_backward = cross_lowrank_backward<T>,
      .cross_gate_forward = cross_gate_forward<T>,
      .cross_gate_backward = cross_gate_backward<T>,
      .onlydense_forward = onlydense_forward<T>,
      .onlydense_backward = onlydense_backward<T>,
      .mixture_inner_forward = mixture_inner_forward<T>,
      .mixture_inner_backward = mixture_inner_backward<T>,
      .mixture_gate_forward = mixture_gate_forward<T>,
      .mixture_gate_backward = mixture_gate_backward<T>,
      .mixture_output_forward = mixture_output_forward<T>,
      .mixture_output_backward = mixture_output_backward<T>,
      .halves_forward = halves_forward<T>,
      .halves_backward = halves_backward<T>,
      .activations = all_of(ActivationTable<Activations>::kinds),
      .dense_forward = dense_forward<T>,
      .dense_backward = dense_backward<T>,
      .layer_norm_forward = layer_norm_forward<T>,
      .layer_norm_backward = layer_norm_backward<T>,
      .parametric_forward = parametric_forward<T>,
      .parametric_backward = parametric_backward<T>,
      .dropout = dropout<T>,
      .combine_forward = combine_forward<T>,
      .combine_backward = combine_backward<T>,
      .wide_forward = wide_forward<T>,
      .stored_wide_forward = stored_wide_forward<T>,
      .losses = all_of(LossTable<T, Losses>::kernels),
      .reduce_shards = reduce_shards<T>,
      .average_update = average_update<T>,
      .optimizers = all_of(OptimizerTable<T, Optimizers>::kernels),
  };
}

constexpr IsaKernels make_kernels(const char* name, const char* description) {
  return {
      .name = name,
      .description = description,
      .tile_rows = kTileRows,
      .tile_vectors = kTileVectors,
      .peak_f32 = peak<float>,
      .peak_f64 = peak<double>,
      .read = read_all,
      .f32 = make_table<float>(),
      .f64 = make_table<double>(),
  };
}
