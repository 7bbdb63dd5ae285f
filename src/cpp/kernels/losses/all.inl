// Stage 6: losses from logits. Each is a struct with what LossKernels names; a new one is a file
// and an entry of the list.
#include "kernels/losses/neighbours.inl"
#include "kernels/losses/combine.inl"
#include "kernels/losses/squared_error.inl"
#include "kernels/losses/log_loss.inl"
#include "kernels/losses/softmax.inl"
#include "kernels/losses/poisson.inl"
#include "kernels/losses/absolute_error.inl"
#include "kernels/losses/huber.inl"
#include "kernels/losses/quantile.inl"
#include "kernels/losses/gamma.inl"
#include "kernels/losses/tweedie.inl"
#include "kernels/losses/focal.inl"
#include "kernels/losses/ordinal.inl"
#include "kernels/losses/multi_label.inl"
#include "kernels/losses/lists.inl"
#include "kernels/losses/pairwise.inl"
#include "kernels/losses/listwise.inl"
#include "kernels/losses/lambda.inl"

using Losses = KindList<SquaredError, LogLoss, Softmax, Poisson, AbsoluteError, Huber, Quantile,
                        Gamma, Tweedie, Focal, Ordinal, MultiLabel, Pairwise, Listwise,
                        Lambda>;

template <class T, class List> struct LossTable;
template <class T, class... Kind> struct LossTable<T, KindList<Kind...>> {
  static constexpr LossKernels<T> kernels[] = {{.name = Kind::name,
                                                .function = Kind::function,
                                                .classes = Kind::classes,
                                                .constants = Kind::constants,
                                                .takes = Kind::takes,
                                                .n_classes = Kind::n_classes,
                                                .target_width = Kind::target_width,
                                                .forward = Kind::template forward<T>,
                                                .backward = Kind::template backward<T>,
                                                .combine = Kind::template combine<T>,
                                                .list = Kind::template list<T>,
                                                .rule = Kind::template rule<T>}...};
};
