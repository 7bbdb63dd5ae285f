"""Stage 8: the optimizers and their options. The arithmetic is in the kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np

from dcnfast import _core
from dcnfast.network.kinds import (
    BOOLEAN,
    DECAY,
    NOT_NEGATIVE,
    POSITIVE,
    Family,
    Kind,
    Option,
    one_of,
)
from dcnfast.training.schedules import Constant, PlannedFamily, Schedule

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RowwiseAdagrad"]

OptimizerName = Literal["adam", "adamw", "adagrad", "rowwise_adagrad", "sgd"]


def _are_factors(given: Any) -> bool:
    return given is None or (
        isinstance(given, Mapping)
        and all(isinstance(f, Real) and not isinstance(f, bool) for f in given.values())
    )


RATE_FACTORS = Option(
    f"None, or a dict from roles among {_core.ROLES!r} to finite numbers >= 0",
    _are_factors,
    lambda given: all(
        role in _core.ROLES and 0 <= float(factor) < np.inf
        for role, factor in (given or {}).items()
    ),
)


class _PlannedSchedule(Option):
    """A schedule by its name, or as an object with options of its own."""

    def check(self, given: Any, where: str) -> None:
        PlannedFamily(where).resolve(given, {})


SCHEDULE = _PlannedSchedule("a schedule", lambda given: isinstance(given, str | Schedule))


# of roles that have none by default: as in Holzmüller et al. (2024), "Better by Default"
RATES: Mapping[str, float] = {"input_scale": 6.0, "activation": 0.1}


@dataclass(frozen=True)
class OptimizerStep:
    """What a step takes. An optimizer leaves alone what it has no use for.

    Parameters
    ----------
    learning_rate : float
    beta_1, beta_2 : float
        Decay of the first and second moment, in [0, 1).
    epsilon : float
        Added to the root of the second moment: at the end of section 2 of Kingma and Ba (2015),
        and in Keras.
    weight_decay : float
        Share of a weight, times the learning rate, that decay takes.
    kind : str
        Name of the optimizer.
    gradient_clip : float
        The most that the norm of all gradients together may be, 0 for any.
    nesterov : bool
        Whether momentum looks a step ahead.
    rate_factors : dict of str to float
        What the learning rate of the tensors with a role is multiplied by; 1 for roles not named.
    prior_strength : float
        How much parameters are held at where an earlier training left them, see ``Training.hold``.
    """

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    kind: str = "adam"
    gradient_clip: float = 0.0
    nesterov: bool = False
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    prior_strength: float = 0.0

    def compile(self) -> _core.OptimizerOptions:
        """Return it as the engine takes it.

        Raises
        ------
        ValueError
            If a number is out of range, or there is no such optimizer.
        """
        return _core.OptimizerOptions(**asdict(self))


class Optimizer(Kind):
    """Base class of the optimizers.

    Attributes
    ----------
    reference : str
        Its function in :mod:`dcnfast.reference`.
    keeps : str
        What its moments are; optimizers of which it is the same go on with each other's.
    decays : bool
        Whether it takes a share of the weights in each step, which makes an L2 penalty needless:
        ``alpha="auto"`` is 0 then.
    rate_factors : dict of str to float, or None
        What the learning rate is multiplied by, by the role of a tensor.
    """

    reference: ClassVar[str]
    keeps: ClassVar[str]
    decays: ClassVar[bool] = False
    sparse: str
    rate_factors: Mapping[str, float] | None

    def step(self, learning_rate: float, dtype: str) -> OptimizerStep:
        """Return the numbers of a step, in a network of that dtype."""
        given = {**RATES, **(self.rate_factors or {})}
        factors = {role: float(factor) for role, factor in given.items()}
        return replace(self._step(learning_rate, dtype), rate_factors=factors)

    def _step(self, learning_rate: float, dtype: str) -> OptimizerStep:
        raise NotImplementedError

    def decay_schedule(self) -> Schedule:
        """Return how weight decay goes, beside the learning rate."""
        return Constant()


class Adam(Optimizer):
    """Adam, of Kingma and Ba (2015). The learning rate is the estimator's.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the first and second moment.
    epsilon : float, default=1e-7
        Added to the root of the second moment.
    sparse : {"lazy", "exact"}, default="lazy"
        Embeddings whose category is not in the batch stay where they are, or move on with their
        first moment, as dense Adam moves them.
    rate_factors : dict of str to float, or None, default=None
        What the learning rate of some tensors is multiplied by, by their role: "embedding" and
        "linear_embedding" (of categories), "collision_weight", "numeric_weight", "numeric_linear",
        "numeric_bias" and "numeric_missing" (of embedded numbers), "member_scale", "input_scale" (6
        if it is not named), "activation" (of parametric ones, 0.1 if it is not named),
        "cross_weight", "weight" (of the deep part and the head), "linear", "bias", "scale" and
        "shift".
    """

    name = "adam"
    summary = "of Kingma and Ba (2015)."
    reference = "adam_update"
    keeps = "mean and square"
    options: ClassVar[Mapping[str, Option]] = {
        "beta_1": DECAY, "beta_2": DECAY, "epsilon": POSITIVE, "sparse": one_of(("lazy", "exact")),
        "rate_factors": RATE_FACTORS,
    }  # fmt: skip
    shorthands: ClassVar[Mapping[str, str]] = {
        "beta_1": "beta_1", "beta_2": "beta_2", "epsilon": "epsilon", "sparse": "sparse_adam",
    }  # fmt: skip

    def __init__(
        self,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        sparse: str = "lazy",
        rate_factors: Mapping[str, float] | None = None,
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.sparse = sparse
        self.rate_factors = rate_factors

    def _step(self, learning_rate: float, dtype: str) -> OptimizerStep:
        # an epsilon that is 0 in the network's own type would divide 0 by 0
        epsilon = max(float(self.epsilon), float(np.finfo(dtype).tiny))
        return OptimizerStep(
            float(learning_rate), float(self.beta_1), float(self.beta_2), epsilon, kind=self.name
        )


class AdamW(Adam):
    """AdamW, of Loshchilov and Hutter (2019): weight decay beside the gradient.

    A step takes ``learning_rate * weight_decay`` of every weight and every embedding, each factor
    as its schedule has it in that step; biases, scales and shifts are free. With ``sparse="lazy"``
    embeddings decay in the steps that name them.

    Parameters
    ----------
    weight_decay : float, default=0.01
        Share, times the learning rate, that a step takes of a weight.
    weight_decay_schedule : str or object of ``dcnfast.schedules``, default="constant"
        How ``weight_decay`` goes over the steps, by itself: with "constant" what a step takes of a
        weight goes as the learning rate does. All but "plateau".
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the first and second moment.
    epsilon : float, default=1e-7
        Added to the root of the second moment.
    sparse : {"lazy", "exact"}, default="lazy"
        Embeddings whose category is not in the batch stay where they are, or move on with their
        first moment, as dense AdamW moves them.
    rate_factors : dict of str to float, or None, default=None
        What the learning rate of some tensors is multiplied by, by their role: "embedding" and
        "linear_embedding" (of categories), "collision_weight", "numeric_weight", "numeric_linear",
        "numeric_bias" and "numeric_missing" (of embedded numbers), "member_scale", "input_scale" (6
        if it is not named), "activation" (of parametric ones, 0.1 if it is not named),
        "cross_weight", "weight" (of the deep part and the head), "linear", "bias", "scale" and
        "shift".
    """

    name = "adamw"
    summary = (
        "Adam with weight decay beside the gradient, of Loshchilov and Hutter (2019); ``alpha`` of "
        '"auto" is 0 then.'
    )
    reference = "adamw_update"
    decays = True
    options: ClassVar[Mapping[str, Option]] = {
        "weight_decay": NOT_NEGATIVE, "weight_decay_schedule": SCHEDULE, **Adam.options,
    }  # fmt: skip

    def __init__(
        self,
        *,
        weight_decay: float = 0.01,
        weight_decay_schedule: str | Schedule = "constant",
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        sparse: str = "lazy",
        rate_factors: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(
            beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, sparse=sparse, rate_factors=rate_factors
        )
        self.weight_decay = weight_decay
        self.weight_decay_schedule = weight_decay_schedule

    def decay_schedule(self) -> Schedule:
        """Return how weight decay goes, beside the learning rate."""
        return PlannedFamily("weight_decay_schedule").resolve(self.weight_decay_schedule, {})

    def _step(self, learning_rate: float, dtype: str) -> OptimizerStep:
        return replace(super()._step(learning_rate, dtype), weight_decay=float(self.weight_decay))


class Adagrad(Optimizer):
    """Adagrad, of Duchi et al. (2011): the more a parameter has moved, the less it moves.

    Embeddings whose category is not in the batch have no gradient, and stay where they are.

    Parameters
    ----------
    epsilon : float, default=1e-7
        Added to the root of the sum of squared gradients.
    rate_factors : dict of str to float, or None, default=None
        What the learning rate of some tensors is multiplied by, by their role: "embedding" and
        "linear_embedding" (of categories), "collision_weight", "numeric_weight", "numeric_linear",
        "numeric_bias" and "numeric_missing" (of embedded numbers), "member_scale", "input_scale" (6
        if it is not named), "activation" (of parametric ones, 0.1 if it is not named),
        "cross_weight", "weight" (of the deep part and the head), "linear", "bias", "scale" and
        "shift".
    """

    name = "adagrad"
    summary = "of Duchi et al. (2011), which wants a larger ``learning_rate_init``, 0.01 to 0.1."
    reference = "adagrad_update"
    keeps = "sum of squares"
    options: ClassVar[Mapping[str, Option]] = {"epsilon": POSITIVE, "rate_factors": RATE_FACTORS}
    shorthands: ClassVar[Mapping[str, str]] = {"epsilon": "epsilon"}
    sparse = "lazy"

    def __init__(
        self, *, epsilon: float = 1e-7, rate_factors: Mapping[str, float] | None = None
    ) -> None:
        self.epsilon = epsilon
        self.rate_factors = rate_factors

    def _step(self, learning_rate: float, dtype: str) -> OptimizerStep:
        epsilon = max(float(self.epsilon), float(np.finfo(dtype).tiny))
        return OptimizerStep(float(learning_rate), epsilon=epsilon, kind=self.name)


class RowwiseAdagrad(Adagrad):
    """Adagrad with one sum of squares for each row of a table, as TorchRec and FBGEMM have it.

    All numbers of an embedding then move at one rate: a root of the sum, over the batches that had
    the category, of the mean of its squared gradients. Everything else moves as with
    :class:`Adagrad`.

    Parameters
    ----------
    epsilon : float, default=1e-7
        Added to the root of the sum of squared gradients.
    rate_factors : dict of str to float, or None, default=None
        What the learning rate of some tensors is multiplied by, by their role: "embedding" and
        "linear_embedding" (of categories), "collision_weight", "numeric_weight", "numeric_linear",
        "numeric_bias" and "numeric_missing" (of embedded numbers), "member_scale", "input_scale" (6
        if it is not named), "activation" (of parametric ones, 0.1 if it is not named),
        "cross_weight", "weight" (of the deep part and the head), "linear", "bias", "scale" and
        "shift".
    """

    name = "rowwise_adagrad"
    summary = "Adagrad with one rate for all numbers of an embedding, as TorchRec has it."
    reference = "rowwise_adagrad_rows"
    keeps = "sum of squares by row"


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, of Sutskever et al. (2013).

    Parameters
    ----------
    momentum : float, default=0.9
        Decay of the sum of gradients.
    nesterov : bool, default=True
        Whether the momentum looks a step ahead.
    sparse : {"lazy", "exact"}, default="lazy"
        Embeddings whose category is not in the batch stay where they are, or move on with their
        momentum.
    rate_factors : dict of str to float, or None, default=None
        What the learning rate of some tensors is multiplied by, by their role: "embedding" and
        "linear_embedding" (of categories), "collision_weight", "numeric_weight", "numeric_linear",
        "numeric_bias" and "numeric_missing" (of embedded numbers), "member_scale", "input_scale" (6
        if it is not named), "activation" (of parametric ones, 0.1 if it is not named),
        "cross_weight", "weight" (of the deep part and the head), "linear", "bias", "scale" and
        "shift".
    """

    name = "sgd"
    summary = "stochastic gradient descent with Nesterov's momentum, of Sutskever et al. (2013)."
    reference = "sgd_update"
    keeps = "velocity"
    options: ClassVar[Mapping[str, Option]] = {
        "momentum": DECAY, "nesterov": BOOLEAN, "sparse": one_of(("lazy", "exact")),
        "rate_factors": RATE_FACTORS,
    }  # fmt: skip
    shorthands: ClassVar[Mapping[str, str]] = {"sparse": "sparse_adam"}

    def __init__(
        self,
        *,
        momentum: float = 0.9,
        nesterov: bool = True,
        sparse: str = "lazy",
        rate_factors: Mapping[str, float] | None = None,
    ) -> None:
        self.momentum = momentum
        self.nesterov = nesterov
        self.sparse = sparse
        self.rate_factors = rate_factors

    def _step(self, learning_rate: float, dtype: str) -> OptimizerStep:
        del dtype
        return OptimizerStep(
            float(learning_rate),
            beta_1=float(self.momentum),
            kind=self.name,
            nesterov=bool(self.nesterov),
        )


OPTIMIZERS: Family[Optimizer] = Family("optimizer", Adam, AdamW, Adagrad, RowwiseAdagrad, SGD)
