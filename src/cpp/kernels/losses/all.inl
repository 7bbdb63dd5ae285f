// Stage 6: losses from logits. Each is a struct with what LossKernels names; a new one is a file
// and an entry of the list.
#include "kernels/losses/neighbours.inl"
#include "kernels/losses/combine.inl"
#include "kernels/losses/squared_error.inl"
#include "kernels/losses/log_loss.inl"
#include "kernels/losses/softmax.inl"
#include "kernels/losses/poisson.inl"

using Losses = KindList<SquaredError, LogLoss, Softmax, Poisson>;

template <class T, class List> struct LossTable;
template <class T, class... Kind> struct LossTable<T, KindList<Kind...>> {
  static constexpr LossKernels<T> kernels[] = {{.name = Kind::name,
                                                .function = Kind::function,
                                                .classes = Kind::classes,
                                                .forward = Kind::template forward<T>,
                                                .backward = Kind::template backward<T>,
                                                .combine = Kind::template combine<T>}...};
};
