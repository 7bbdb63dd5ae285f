"""Losses: what each wants of targets, what it makes of logits, and what a constant loses.

The arithmetic of training is in the kernels; what is here serves what is done a few times a fit.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_softmax, logsumexp, softmax

from dcnfast.network.kinds import Family, Kind

__all__ = ["LogLoss", "Loss", "Poisson", "Softmax", "SquaredError"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
RegressionLossName = Literal["squared_error", "log_loss", "poisson"]
ClassificationLossName = Literal["log_loss", "softmax"]
LossName = RegressionLossName | ClassificationLossName


class Loss(Kind):
    """Base class of the losses.

    Attributes
    ----------
    reference : str
        Its function in :mod:`dcnfast.reference` and :mod:`dcnfast.ops`.
    about_classes : str
        What the documentation of a classifier says in place of the summary.
    regresses, classifies : bool
        Whether DCNRegressor and DCNClassifier offer it.
    interval : tuple of float or None
        The least and the largest target of a regression; None takes every number.
    targets : str
        What a regression's targets are, in words.
    standardises : bool
        Whether a regression's targets are standardised; else they stay what they are.
    one_target_a_row : bool
        Whether the target is one class number a row, however many outputs there are.
    mean_of_outputs : bool
        Whether the loss of a row is the mean over its outputs; else it is the sum.
    smooths : bool
        Whether targets that train may be smoothed, a share of each going to all classes alike.
    """

    reference: ClassVar[str]
    about_classes: ClassVar[str] = ""
    regresses: ClassVar[bool] = False
    classifies: ClassVar[bool] = False
    interval: ClassVar[tuple[float, float] | None] = None
    targets: ClassVar[str] = "numbers"
    standardises: ClassVar[bool] = False
    one_target_a_row: ClassVar[bool] = False
    mean_of_outputs: ClassVar[bool] = False
    smooths: ClassVar[bool] = False

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return what logits (n, C) say: numbers, rates, or probabilities."""
        return logits

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the logits (n, C) of the mean of what those of members (E, n, C) say."""
        return np.asarray(logits.mean(axis=0))

    @staticmethod
    def of_classes(n_classes: int) -> tuple[str, int]:
        """Return the name of the loss and the number of outputs that a classifier trains with."""
        raise NotImplementedError

    @staticmethod
    @abstractmethod
    def deviance(logits: Floats, target: Array) -> Floats:
        """Return the loss of each row and output (n, C), or of each row (n, 1)."""

    @staticmethod
    @abstractmethod
    def best_constant(target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logits (C) of the constant with the least loss.

        Probabilities count one row more that is all classes in equal parts, so that they are never
        0. The weights have the mean 1.
        """


class RegressionLoss(Loss):
    """Base class of the losses that DCNRegressor offers."""

    regresses = True


class ClassificationLoss(Loss):
    """Base class of the losses that DCNClassifier offers."""

    classifies = True


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

    @staticmethod
    def best_constant(target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the means (C)."""
        del n_outputs  # as many as target has columns
        return np.asarray(weight @ target.astype(np.float64) / len(weight))


class LogLoss(RegressionLoss, ClassificationLoss):
    """Log-loss of rates between 0 and 1, or of two classes by one logit."""

    name = "log_loss"
    summary = "for targets that are rates between 0 and 1, such as clicks over impressions."
    about_classes = "two classes have one logit, more have one each."
    reference = "log_loss"
    interval = (0.0, 1.0)
    targets = "rates between 0 and 1"
    smooths = True

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return rates."""
        return np.asarray(expit(logits))

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the log-odds (n, C) of the mean rates of members (E, n, C)."""
        ones, zeros = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
        return np.asarray(logsumexp(ones, axis=0) - logsumexp(zeros, axis=0))

    @staticmethod
    def of_classes(n_classes: int) -> tuple[str, int]:
        """Return one logit for two classes, else softmax."""
        return ("log_loss", 1) if n_classes == 2 else ("softmax", n_classes)

    @staticmethod
    def deviance(logits: Floats, target: Array) -> Floats:
        """Return the cross-entropy of each rate (n, C)."""
        entropy = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
        return np.asarray(entropy)

    @staticmethod
    def best_constant(target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the log-odds of the mean rates (C)."""
        del n_outputs  # as many as target has columns
        p = (weight @ target.astype(np.float64) + 0.5) / (len(weight) + 1)
        return np.asarray(np.log(p / (1 - p)))


class Softmax(ClassificationLoss):
    """Log-loss of classes that have one logit each."""

    name = "softmax"
    summary = "cross-entropy of classes that have one logit each."
    about_classes = "every class has one logit, two classes as well."
    reference = "softmax_loss"
    one_target_a_row = True
    smooths = True

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return probabilities."""
        return np.asarray(softmax(logits, axis=1))

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the logarithms (n, C) of the mean probabilities of members (E, n, C)."""
        return _log_of_mean(log_softmax(logits, axis=2))

    @staticmethod
    def of_classes(n_classes: int) -> tuple[str, int]:
        """Return softmax."""
        return "softmax", n_classes

    @staticmethod
    def deviance(logits: Floats, target: Array) -> Floats:
        """Return the cross-entropy of each row (n, 1)."""
        classes = target.astype(np.intp)
        return np.asarray(-np.take_along_axis(log_softmax(logits, axis=1), classes, axis=1))

    @staticmethod
    def best_constant(target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logarithms of the shares (C)."""
        counts = np.bincount(target[:, 0].astype(np.intp), weights=weight, minlength=n_outputs)
        return np.asarray(np.log((counts + 1 / n_outputs) / (len(weight) + 1)))


class Poisson(RegressionLoss):
    """Poisson deviance of counts, or of rates without an upper end."""

    name = "poisson"
    summary = (
        "For counts, and for rates without an upper end, such as claims a year: half the Poisson "
        "deviance. The network learns the logarithm of the mean."
    )
    reference = "poisson_loss"
    interval = (0.0, np.inf)
    targets = "counts or rates of at least 0"

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return means, always finite."""
        return np.asarray(np.exp(np.minimum(logits, np.log(np.finfo(np.float64).max))))

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the logarithms (n, C) of the mean of the means of members (E, n, C)."""
        return _log_of_mean(logits)

    @staticmethod
    def deviance(logits: Floats, target: Array) -> Floats:
        """Return half the deviance of each count (n, C), without what only the counts decide."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(logits) - logits * target)

    @staticmethod
    def best_constant(target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logarithms of the means (C); half a count where all are 0."""
        del n_outputs  # as many as target has columns
        total = weight @ target.astype(np.float64)
        return np.asarray(np.log(np.where(total > 0, total, 0.5) / len(weight)))


LOSSES: Family[Loss] = Family("loss", SquaredError, LogLoss, Softmax, Poisson)


def _log_of_mean(logarithms: Floats) -> Floats:
    """Return the logarithm of the mean over the first axis."""
    return np.asarray(logsumexp(logarithms, axis=0) - np.log(len(logarithms)))


def mean_loss(loss: str, logits: Floats, target: Array, weight: Array | None = None) -> float:
    """Return the weighted mean of a loss over rows.

    Parameters
    ----------
    loss : str
    logits : ndarray of shape (n, C)
    target : ndarray of shape (n, C), for softmax (n, 1) with class numbers
    weight : ndarray of shape (n,) or None
    """
    record = LOSSES[loss]
    losses = record.deviance(logits, target.astype(np.float64))
    of_rows = losses.mean(axis=1) if record.mean_of_outputs else losses.sum(axis=1)
    return float(np.average(of_rows, weights=weight))
