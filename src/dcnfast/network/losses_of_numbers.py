"""Losses of numbers: errors on both sides, quantiles, and means that are never negative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import kl_div

from dcnfast.network.kinds import POSITIVE, Option, are_numbers, is_number
from dcnfast.network.loss import Array, Floats, RegressionLoss, log_of_mean

STEPS = 100  # in which a centre is found
LEAST_DISTANCE = 1e-6  # of two quantiles of a constant, in standard deviations


class SquaredError(RegressionLoss):
    """Squared error of standardised targets."""

    name = "squared_error"
    summary = "squared error of standardised targets."
    reference = "squared_error"
    standardises = True
    mean_of_outputs = True

    @staticmethod
    def deviance(logits: Floats, target: Array) -> Floats:
        """Return squares (n, C)."""
        return np.asarray((logits - target) ** 2)

    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return squares (n, C)."""
        return np.asarray((answers - target) ** 2)

    @staticmethod
    def best_constant(target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the means (C)."""
        del n_outputs  # as many as target has columns
        return np.asarray(weight @ target.astype(np.float64) / len(weight))


class AbsoluteError(RegressionLoss):
    """Absolute error of standardised targets: the network learns medians."""

    name = "absolute_error"
    summary = "absolute error of standardised targets; answers are medians."
    reference = "absolute_error"
    standardises = True
    mean_of_outputs = True

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return absolute errors (n, C)."""
        return np.asarray(np.abs(logits - target))

    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return absolute errors (n, C)."""
        return np.asarray(np.abs(answers - target))

    def constant(self, target: Floats, weight: Floats) -> Floats:
        """Return the medians (C)."""
        return weighted_quantiles(target, weight, (0.5,))[:, 0]

    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the medians (C)."""
        del n_outputs  # as many as target has columns
        return self.constant(target.astype(np.float64), weight)


class Huber(RegressionLoss):
    """Huber's loss of standardised targets: squared near the target, linear beyond.

    Parameters
    ----------
    delta : float, default=1.35
        How far from the target it is squared, in standard deviations of the training targets.
    """

    name = "huber"
    summary = (
        "squared error as far as ``delta`` (1.35 standard deviations of the targets), absolute "
        "error beyond, for targets with outliers."
    )
    reference = "huber_loss"
    standardises = True
    mean_of_outputs = True
    options: ClassVar[Mapping[str, Option]] = {"delta": POSITIVE}

    def __init__(self, *, delta: float = 1.35) -> None:
        self.delta = delta

    def constants(self) -> tuple[float, ...]:
        """Return delta."""
        return (float(self.delta),)

    @classmethod
    def of_constants(cls, constants: Sequence[float]) -> Self:
        """Return the loss with this delta."""
        (delta,) = constants
        return cls(delta=delta)

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return the loss of each number (n, C)."""
        return self.errors(logits, target)

    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return the loss of each number (n, C)."""
        size = np.abs(answers - target)
        near = np.minimum(size, self.delta)
        return np.asarray(near * (size - near / 2))

    def constant(self, target: Floats, weight: Floats) -> Floats:
        """Return the centres (C), by means in which what is far away counts less, again and again.

        They begin at the medians, and end where they no longer move.
        """
        centre = weighted_quantiles(target, weight, (0.5,))[:, 0]
        for _ in range(STEPS):
            size = np.maximum(np.abs(target - centre), self.delta)
            w = weight[:, None] * (self.delta / size)
            last, centre = centre, (w * target).sum(axis=0) / w.sum(axis=0)
            if (np.abs(centre - last) <= 1e-10).all():
                break
        return np.asarray(centre)

    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the centres (C)."""
        del n_outputs  # as many as target has columns
        return self.constant(target.astype(np.float64), weight)


def _levels(given: Any) -> Any:
    return given if isinstance(given, list | tuple | np.ndarray) else [given]


def _ascend(given: Any) -> bool:
    levels = [0.0, *map(float, _levels(given)), 1.0]
    return len(levels) > 2 and all(low < high for low, high in pairwise(levels))


class Quantile(RegressionLoss):
    """Pinball loss of one quantile of each target, or of several that never cross.

    Parameters
    ----------
    levels : float or sequence of float, default=0.5
        Between 0 and 1, ascending. With several, ``predict`` has as many answers for each target.
    """

    name = "quantile"
    summary = (
        "pinball loss of standardised targets: answers are quantiles, the median by this name, and "
        "as many as an object has ``levels``, in their order and never crossing."
    )
    reference = "quantile_loss"
    target_shape = "(B, C / Q), with Q levels"
    standardises = True
    mean_of_outputs = True
    options: ClassVar[Mapping[str, Option]] = {
        "levels": Option(
            "a number between 0 and 1, or an ascending list",
            lambda x: is_number(x) or are_numbers(x),
            _ascend,
        )
    }

    def __init__(self, levels: float | Sequence[float] = 0.5) -> None:
        self.levels = levels

    def constants(self) -> tuple[float, ...]:
        """Return the levels."""
        return tuple(map(float, _levels(self.levels)))

    @classmethod
    def of_constants(cls, constants: Sequence[float]) -> Self:
        """Return the loss with these levels."""
        return cls(constants[0] if len(constants) == 1 else list(constants))

    @property
    def outputs_of_a_target(self) -> int:
        """How many quantiles there are."""
        return len(self.constants())

    def _by_target(self, answers: Floats) -> Floats:
        Q = self.outputs_of_a_target
        return answers.reshape(*answers.shape[:-1], answers.shape[-1] // Q, Q)

    def inverse_link(self, logits: Floats) -> Floats:
        """Return quantiles (n, C): the first logit, and distances that are added to it."""
        z = self._by_target(logits)
        steps = np.concatenate([z[..., :1], np.logaddexp(0, z[..., 1:])], axis=-1)
        return np.asarray(np.cumsum(steps, axis=-1).reshape(logits.shape))

    def combine(self, logits: Floats) -> Floats:
        """Return the logits (n, C) of the mean quantiles of members (E, n, C)."""
        z = self._by_target(logits)
        first, distances = z[..., :1].mean(axis=0), np.logaddexp(0, z[..., 1:]).mean(axis=0)
        combined = np.concatenate([first, softplus_inverse(distances)], axis=-1)
        return np.asarray(combined.reshape(logits.shape[1:]))

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return the mean over the quantiles of the pinball loss of each target (n, Y)."""
        return self.errors(self.inverse_link(logits), target)

    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return the mean over the quantiles of the pinball loss of each target (n, Y)."""
        short, levels = target[..., None] - self._by_target(answers), np.array(self.constants())
        return np.asarray(np.maximum(levels * short, (levels - 1) * short).mean(axis=-1))

    def constant(self, target: Floats, weight: Floats) -> Floats:
        """Return the quantiles (C)."""
        return weighted_quantiles(target, weight, self.constants()).ravel()

    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logits (C) of the quantiles."""
        del n_outputs  # follows from target
        quantiles = self._by_target(self.constant(target.astype(np.float64), weight))
        distances = np.maximum(np.diff(quantiles, axis=-1), LEAST_DISTANCE)
        return np.concatenate([quantiles[..., :1], softplus_inverse(distances)], axis=-1).ravel()


class Poisson(RegressionLoss):
    """Poisson deviance of counts, or of rates without an upper end."""

    name = "poisson"
    may_be_negative = True
    summary = (
        "For counts, and for rates without an upper end, such as claims a year: half the Poisson "
        "deviance. The network learns the logarithm of the mean."
    )
    reference = "poisson_loss"
    interval = (0.0, np.inf)
    targets = "counts or rates of at least 0"
    divides_by_mean = True

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return means, always finite."""
        return np.asarray(np.exp(np.minimum(logits, np.log(np.finfo(np.float64).max))))

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the logarithms (n, C) of the mean of the means of members (E, n, C)."""
        return log_of_mean(logits)

    @staticmethod
    def deviance(logits: Floats, target: Array) -> Floats:
        """Return half the deviance of each count (n, C), without what only the counts decide."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(logits) - logits * target)

    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return half the deviance of each count (n, C)."""
        return np.asarray(kl_div(target, _positive(answers)))

    @staticmethod
    def best_constant(target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logarithms of the means (C); half a count where all are 0."""
        del n_outputs  # as many as target has columns
        total = weight @ target.astype(np.float64)
        return np.asarray(np.log(np.where(total > 0, total, 0.5) / len(weight)))


class Gamma(RegressionLoss):
    """Gamma deviance of positive numbers, such as what a claim costs."""

    name = "gamma"
    may_be_negative = True
    summary = (
        "For positive numbers whose spread grows with their mean, such as what a claim costs: half "
        "the gamma deviance. The network learns the logarithm of the mean."
    )
    reference = "gamma_loss"
    interval = (float(np.nextafter(0, 1)), np.inf)
    targets = "numbers above 0"
    divides_by_mean = True

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return means, always finite."""
        return Poisson.inverse_link(logits)

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the logarithms (n, C) of the mean of the means of members (E, n, C)."""
        return log_of_mean(logits)

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return half the deviance of each number (n, C), without what only these decide."""
        with np.errstate(over="ignore"):
            return np.asarray(logits + target * np.exp(-logits))

    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return half the deviance of each number (n, C)."""
        ratio = target / _positive(answers)
        return np.asarray(ratio - 1 - np.log(_positive(ratio)))

    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logarithms of the means (C)."""
        del n_outputs  # as many as target has columns
        return np.asarray(np.log(self.constant(target.astype(np.float64), weight)))


class Tweedie(RegressionLoss):
    """Tweedie deviance of numbers that are often 0 and else positive, such as claims a policy.

    Parameters
    ----------
    power : float, default=1.5
        Between 1, which would be Poisson, and 2, which would be gamma.
    """

    name = "tweedie"
    summary = (
        "For numbers that are 0 in many rows and positive in the others, such as what a policy "
        "costs a year: half the Tweedie deviance of ``power`` 1.5. The network learns the "
        "logarithm of the mean."
    )
    reference = "tweedie_loss"
    interval = (0.0, np.inf)
    targets = "numbers of at least 0"
    divides_by_mean = True
    options: ClassVar[Mapping[str, Option]] = {
        "power": Option("a number above 1 and below 2", is_number, lambda p: 1 < float(p) < 2)
    }

    def __init__(self, *, power: float = 1.5) -> None:
        self.power = power

    def constants(self) -> tuple[float, ...]:
        """Return the power."""
        return (float(self.power),)

    @classmethod
    def of_constants(cls, constants: Sequence[float]) -> Self:
        """Return the loss with this power."""
        (power,) = constants
        return cls(power=power)

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return means, always finite."""
        return Poisson.inverse_link(logits)

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the logarithms (n, C) of the mean of the means of members (E, n, C)."""
        return log_of_mean(logits)

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return half the deviance of each number (n, C), without what only these decide."""
        up, down = 2 - self.power, 1 - self.power
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(up * logits) / up - target * np.exp(down * logits) / down)

    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return half the deviance of each number (n, C)."""
        up, down = 2 - self.power, 1 - self.power
        mean = _positive(answers)
        of_target = target**up / (down * up)
        return np.asarray(of_target - target * mean**down / down + mean**up / up)

    @staticmethod
    def best_constant(target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logarithms of the means (C); of half a unit in one row where all are 0."""
        return Poisson.best_constant(target, weight, n_outputs)


def weighted_quantiles(target: Floats, weight: Floats, levels: Sequence[float]) -> Floats:
    """Return the least numbers (Y, Q) that have the share of a level below or at them."""
    found = np.empty((target.shape[1], len(levels)))
    for y, column in enumerate(target.T):
        order = np.argsort(column, kind="stable")
        below = np.cumsum(weight[order])
        places = np.searchsorted(below, np.asarray(levels) * below[-1] * (1 - 1e-12))
        found[y] = column[order[np.minimum(places, len(column) - 1)]]
    return found


def softplus_inverse(d: Floats) -> Floats:
    """Return z of log(1 + exp(z)) = d >= 0, finite also for 0."""
    d = np.maximum(d, np.finfo(np.float64).tiny)
    return np.asarray(d + np.log(-np.expm1(-d)))


def _positive(numbers: Floats) -> Floats:
    return np.maximum(numbers, np.finfo(np.float64).tiny)
