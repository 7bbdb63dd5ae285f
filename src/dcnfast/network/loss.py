"""What a loss is: what it wants of targets, what it makes of logits, and what a constant loses.

The arithmetic of training is in the kernels; what is here serves what is done a few times a fit.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from dcnfast.network.kinds import Kind

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LONGEST_LIST = 1024  # as in lists.hpp: pairs grow with the square of the rows


class Loss(Kind):
    """Base class of the losses.

    Attributes
    ----------
    reference : str
        Its function in :mod:`dcnfast.reference` and :mod:`dcnfast.ops`.
    about_classes : str
        What the documentation of a classifier says in place of the summary.
    regresses, classifies, ranks : bool
        Whether DCNRegressor, DCNClassifier and DCNRanker offer it. One that ranks is of lists, the
        rows of a group; all others are of rows.
    interval : tuple of float or None
        The least and the largest target of a regression; None takes every number.
    targets : str
        What a regression's targets are, in words.
    standardises, divides_by_mean : bool
        Whether a regression's targets are standardised, or divided by their mean; else they stay
        what they are.
    one_target_a_row : bool
        Whether the target is one class number a row, however many outputs there are.
    last_class, target_shape : str
        The largest class number, of C outputs, and the shape of a target of numbers.
    mean_of_outputs : bool
        Whether the loss of a row is the mean over its outputs; else it is the sum.
    may_be_negative : bool
        Whether the loss of a row may be below 0, since what the target decides is left out.
    smooths : bool
        Whether targets that train may be smoothed, a share of each going to all classes alike.
    """

    reference: ClassVar[str]
    about_classes: ClassVar[str] = ""
    regresses: ClassVar[bool] = False
    classifies: ClassVar[bool] = False
    ranks: ClassVar[bool] = False
    interval: ClassVar[tuple[float, float] | None] = None
    targets: ClassVar[str] = "numbers"
    standardises: ClassVar[bool] = False
    divides_by_mean: ClassVar[bool] = False
    one_target_a_row: ClassVar[bool] = False
    last_class: ClassVar[str] = "C - 1"
    target_shape: ClassVar[str] = "(B, C)"
    mean_of_outputs: ClassVar[bool] = False
    may_be_negative: ClassVar[bool] = False
    smooths: ClassVar[bool] = False

    def constants(self) -> tuple[float, ...]:
        """Return the options as numbers, for the engine."""
        return ()

    @classmethod
    def of_constants(cls, constants: Sequence[float]) -> Self:
        """Return the loss with such numbers."""
        if constants:
            raise ValueError(f"{cls.__name__} has the constants {constants!r}, want none")
        return cls()

    @property
    def outputs_of_a_target(self) -> int:
        """How many logits, and answers, there are for one number of the target."""
        return 1

    def inverse_link(self, logits: Floats) -> Floats:
        """Return what logits (n, C) say: numbers, rates, or probabilities."""
        return logits

    def combine(self, logits: Floats) -> Floats:
        """Return the logits (n, C) of the mean of what those of members (E, n, C) say."""
        return np.asarray(logits.mean(axis=0))

    @abstractmethod
    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return the loss of each row and target (n, Y), or of each row (n, 1)."""

    @abstractmethod
    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logits (C) of the constant with the least loss.

        Probabilities count one row more that is all classes in equal parts, so that they are never
        0. The weights have the mean 1.
        """


class RegressionLoss(Loss):
    """Base class of the losses that DCNRegressor offers."""

    regresses = True

    @abstractmethod
    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return the deviance of each target (n, Y) from the answers (n, C), 0 where they agree."""

    def constant(self, target: Floats, weight: Floats) -> Floats:
        """Return the constant answers (C) with the least deviance: means, if not said otherwise."""
        return np.asarray(np.average(target, axis=0, weights=weight))


class ClassificationLoss(Loss):
    """Base class of the losses that DCNClassifier offers."""

    classifies = True

    @abstractmethod
    def of_classes(self, n_classes: int) -> tuple[ClassificationLoss, int]:
        """Return the loss and the number of outputs that a classifier trains with."""

    def of_labels(self, n_labels: int) -> tuple[ClassificationLoss, int]:
        """Return the loss and the number of outputs for several labels of 0 and 1 a row."""
        raise ValueError(
            f"loss is {self!r} and y has {n_labels} columns, want one column, or 'log_loss' or "
            "'multi_label' for several of 0 and 1"
        )

    def class_logits(self, logits: Floats) -> Floats:
        """Return a logit for each class, for softmax, of logits (n, C) of three classes or more."""
        return logits


class RankingLoss(Loss):
    """Base class of the losses that DCNRanker offers: of lists of rows, which it compares."""

    ranks = True

    @abstractmethod
    def of_list(self, scores: Floats, relevance: Floats) -> float:
        """Return the loss of a list of rows (n)."""

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return the loss of all rows as one list, for each of them (n, 1)."""
        loss = self.mean_of_lists(logits, target, None, np.zeros(len(logits), np.int64))
        return np.full((len(logits), 1), loss)

    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return 0 (C): all constants rank alike."""
        del target, weight
        return np.zeros(n_outputs)

    def mean_of_lists(
        self, logits: Floats, target: Array, weight: Array | None, group: Array
    ) -> float:
        """Return the mean loss of lists, each times the mean weight of its rows.

        Parameters
        ----------
        logits, target : ndarray of shape (n, 1)
        weight : ndarray of shape (n,) or None
        group : ndarray of shape (n,)
            Of each row. Lists of more than ``LONGEST_LIST`` rows are compared in parts.
        """
        w = np.ones(len(logits)) if weight is None else np.asarray(weight, np.float64)
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order])) + 1
        losses, weights = list[float](), list[float]()
        for rows in np.split(order, starts):
            n_parts = -(-len(rows) // LONGEST_LIST)
            for part in (rows[first::n_parts] for first in range(n_parts)):
                scores, relevance = logits[part, 0], target[part, 0]
                losses.append(self.of_list(scores.astype(np.float64), relevance.astype(np.float64)))
                weights.append(float(w[part].mean()))
        return float(np.average(losses, weights=weights))


def log_of_mean(logarithms: Floats) -> Floats:
    """Return the logarithm of the mean over the first axis."""
    return np.asarray(logsumexp(logarithms, axis=0) - np.log(len(logarithms)))
