"""Losses of rates and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit, log_softmax, logsumexp, rel_entr, softmax

from dcnfast.network.kinds import NOT_NEGATIVE, Option, are_numbers, is_number
from dcnfast.network.loss import (
    Array,
    ClassificationLoss,
    Floats,
    RegressionLoss,
    log_of_mean,
)

HALVINGS = 60  # in which a probability is found


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

    def of_classes(self, n_classes: int) -> tuple[ClassificationLoss, int]:
        """Return one logit for two classes, else softmax."""
        return (self, 1) if n_classes == 2 else (Softmax(), n_classes)

    def of_labels(self, n_labels: int) -> tuple[ClassificationLoss, int]:
        """Return a logit for each label, of which some may be missing."""
        return MultiLabel(), n_labels

    @staticmethod
    def deviance(logits: Floats, target: Array) -> Floats:
        """Return the cross-entropy of each rate (n, C)."""
        entropy = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
        return np.asarray(entropy)

    def errors(self, answers: Floats, target: Floats) -> Floats:
        """Return the relative entropy of each rate (n, C)."""
        least = np.finfo(np.float64).tiny
        ones, zeros = np.maximum(answers, least), np.maximum(1 - answers, least)
        return np.asarray(rel_entr(target, ones) + rel_entr(1 - target, zeros))

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
        return log_of_mean(log_softmax(logits, axis=2))

    def of_classes(self, n_classes: int) -> tuple[ClassificationLoss, int]:
        """Return a logit for each class."""
        return self, n_classes

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


class Focal(ClassificationLoss):
    """Focal loss (Lin et al., 2017): rows that are right already count less.

    Parameters
    ----------
    gamma : float, default=2.0
        The log-loss of a row is multiplied by (1 - p)^gamma, with p the probability of its class; 0
        is the log-loss.
    alpha : float or None, default=None
        Weight of the second of two classes; the first has 1 - alpha. None weighs them alike. With
        more classes ``class_weight`` of the estimator does this.
    """

    name = "focal"
    summary = "log-loss times (1 - p)^2, with p the probability of the row's class."
    about_classes = (
        "log-loss times (1 - p)^``gamma``, 2 by this name, with p the probability of the row's "
        "class: rows that are right already count less; probabilities are less sure than those of "
        "log-loss."
    )
    reference = "focal_loss"
    one_target_a_row = True
    options: ClassVar[Mapping[str, Option]] = {
        "gamma": NOT_NEGATIVE,
        "alpha": Option(
            "a number above 0 and below 1, or None",
            lambda a: a is None or is_number(a),
            lambda a: a is None or 0 < float(a) < 1,
        ),
    }

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = None) -> None:
        self.gamma, self.alpha = gamma, alpha

    def constants(self) -> tuple[float, ...]:
        """Return gamma, and with alpha the weights of two classes."""
        if self.alpha is None:
            return (float(self.gamma),)
        return float(self.gamma), 1 - float(self.alpha), float(self.alpha)

    @classmethod
    def of_constants(cls, constants: Sequence[float]) -> Self:
        """Return the loss with these numbers."""
        gamma, *weights = constants
        return cls(gamma=gamma, alpha=weights[1] if weights else None)

    def of_classes(self, n_classes: int) -> tuple[ClassificationLoss, int]:
        """Return a logit for each class."""
        if self.alpha is not None and n_classes != 2:
            raise ValueError(
                f"loss: alpha of Focal is {self.alpha!r} and there are {n_classes} classes, want "
                "two, or None and class_weight"
            )
        return self, n_classes

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return probabilities."""
        return Softmax.inverse_link(logits)

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the logarithms (n, C) of the mean probabilities of members (E, n, C)."""
        return Softmax.combine(logits)

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return the focal loss of each row (n, 1)."""
        log_loss = Softmax.deviance(logits, target)
        classes = target.astype(np.intp)
        weights = np.array(self.constants()[1:] or np.ones(logits.shape[1]))
        missed = -np.expm1(-log_loss)
        return np.asarray(weights[classes] * missed**self.gamma * log_loss)

    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logarithms (C) of the probabilities with the least loss.

        They sum to 1, and all have the same slope times weight: it is found by halving, and so is
        the probability that has a slope.
        """
        counts = np.bincount(target[:, 0].astype(np.intp), weights=weight, minlength=n_outputs)
        shares = (counts + 1 / n_outputs) / (len(weight) + 1)
        shares = shares * np.array(self.constants()[1:] or np.ones(n_outputs))

        def slope(p: Floats) -> Floats:  # of the loss, downwards
            q = 1 - p
            with np.errstate(all="ignore"):  # a p that is rounded to 1 has none
                of_log = q**self.gamma / p
                return np.asarray(of_log - self.gamma * q ** (self.gamma - 1) * np.log(p))

        def at(multiplier: float) -> Floats:
            low, high = np.zeros(n_outputs), np.ones(n_outputs)
            for _ in range(HALVINGS):
                middle = (low + high) / 2
                steep = shares * slope(middle) > multiplier
                low, high = np.where(steep, middle, low), np.where(steep, high, middle)
            return (low + high) / 2

        low, high = -50.0, 50.0  # of the logarithm of the multiplier
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if at(np.exp(middle)).sum() > 1 else (low, middle)
        return np.asarray(np.log(at(np.exp(low))))


class Ordinal(ClassificationLoss):
    """Log-loss of classes in an order, by cumulative logits that never cross.

    With K classes the network has K - 1 outputs, of which follow the log-odds of a class above the
    first, above the second and so on, each less than the one before (McCullagh, 1980). Thresholds
    may depend on the row.
    """

    name = "ordinal"
    summary = "log-loss of classes in an order, by cumulative logits."
    about_classes = (
        "classes in an order, that of ``classes_``, such as ratings: log-loss by the log-odds of "
        "a class above each but the last, which never cross."
    )
    reference = "ordinal_loss"
    last_class = "C"
    one_target_a_row = True

    def of_classes(self, n_classes: int) -> tuple[ClassificationLoss, int]:
        """Return an output for each class but one."""
        return self, n_classes - 1

    def class_logits(self, logits: Floats) -> Floats:
        """Return the logarithms of the probabilities (n, K)."""
        above, steps = _above(logits)
        log_p = np.zeros((*logits.shape[:-1], logits.shape[-1] + 1))
        log_p[..., 1:] -= np.logaddexp(0, -above)
        log_p[..., :-1] -= np.logaddexp(0, above)
        log_p[..., 1:-1] -= np.logaddexp(0, -steps)
        return log_p

    def inverse_link(self, logits: Floats) -> Floats:
        """Return probabilities (n, K)."""
        return np.asarray(np.exp(self.class_logits(logits)))

    def combine(self, logits: Floats) -> Floats:
        """Return the logits (n, C) of the mean probabilities of members (E, n, C)."""
        above, _ = _above(logits)
        over = log_of_mean(-np.logaddexp(0, -above))
        under = log_of_mean(-np.logaddexp(0, above))
        return _cumulative(log_of_mean(self.class_logits(logits)), over, under)

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return the log-loss of each row (n, 1)."""
        classes = target.astype(np.intp)
        return np.asarray(-np.take_along_axis(self.class_logits(logits), classes, axis=1))

    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the logits (C) of the shares of the classes."""
        K = n_outputs + 1
        counts = np.bincount(target[:, 0].astype(np.intp), weights=weight, minlength=K)
        p = (counts + 1 / K) / (len(weight) + 1)
        over, under = np.cumsum(p[:0:-1])[::-1], np.cumsum(p[:-1])
        return _cumulative(np.log(p), np.log(over), np.log(under))


def _weights_fit(given: Any) -> bool:
    weights = np.asarray(given, np.float64)
    return bool(np.isfinite(weights).all() and (weights >= 0).all() and (weights > 0).any())


class MultiLabel(ClassificationLoss):
    """Log-loss of several labels of 0 and 1 a row, of which some may be missing.

    Parameters
    ----------
    task_weights : sequence of float or None, default=None
        What the loss of each label is multiplied by, one for each column of y; None is 1.
    """

    name = "multi_label"
    summary = "log-loss of labels of 0 and 1, summed over those that a row has; NaN is missing."
    about_classes = (
        "log-loss of each of several columns of 0 and 1, where a missing label, NaN, counts for "
        'nothing; "log_loss" is the same where y has several columns.'
    )
    reference = "multi_label_loss"
    targets = "labels of 0 and 1, or NaN"
    smooths = True
    options: ClassVar[Mapping[str, Option]] = {
        "task_weights": Option(
            "finite numbers >= 0, not all 0, or None",
            lambda given: given is None or are_numbers(given),
            lambda given: given is None or _weights_fit(given),
        )
    }
    shorthands: ClassVar[Mapping[str, str]] = {"task_weights": "task_weights"}

    def __init__(self, *, task_weights: Sequence[float] | None = None) -> None:
        self.task_weights = task_weights

    def constants(self) -> tuple[float, ...]:
        """Return the weights, if there are any."""
        return () if self.task_weights is None else tuple(map(float, self.task_weights))

    @classmethod
    def of_constants(cls, constants: Sequence[float]) -> Self:
        """Return the loss with these weights."""
        return cls(task_weights=list(constants) or None)

    def of_classes(self, n_classes: int) -> tuple[ClassificationLoss, int]:
        """Refuse a single column."""
        raise ValueError(
            f"loss is {self!r} and y has one column, of {n_classes} classes, want several columns "
            "of 0 and 1"
        )

    def of_labels(self, n_labels: int) -> tuple[MultiLabel, int]:
        """Return a logit for each label."""
        if self.task_weights is not None and len(self.task_weights) != n_labels:
            raise ValueError(
                f"task_weights has {len(self.task_weights)} numbers, want {n_labels}, one for each "
                "column of y"
            )
        return self, n_labels

    @staticmethod
    def inverse_link(logits: Floats) -> Floats:
        """Return the probabilities of 1."""
        return LogLoss.inverse_link(logits)

    @staticmethod
    def combine(logits: Floats) -> Floats:
        """Return the log-odds (n, C) of the mean probabilities of members (E, n, C)."""
        return LogLoss.combine(logits)

    def deviance(self, logits: Floats, target: Array) -> Floats:
        """Return the log-loss of each label (n, C), 0 where it is missing."""
        losses = LogLoss.deviance(logits, np.nan_to_num(target, nan=0.5))
        weights = np.array(self.constants() or 1.0)
        return np.asarray(np.where(np.isnan(target), 0.0, losses) * weights)

    def best_constant(self, target: Array, weight: Floats, n_outputs: int) -> Floats:
        """Return the log-odds of the mean labels (C)."""
        del n_outputs  # as many as target has columns
        known = ~np.isnan(target)
        ones = weight @ np.where(known, target, 0).astype(np.float64)
        p = (ones + 0.5) / (weight @ known + 1)
        return np.asarray(np.log(p / (1 - p)))


def _above(logits: Floats) -> tuple[Floats, Floats]:
    """Return the log-odds (.., C) of a class above each but the last, and the logits behind."""
    steps = logits[..., 1:]
    falls = np.concatenate([logits[..., :1], -np.logaddexp(0, steps)], axis=-1)
    return np.asarray(np.cumsum(falls, axis=-1)), steps


def _cumulative(log_p: Floats, over: Floats, under: Floats) -> Floats:
    """Return the logits (.., C) of the logarithms of p (.., K), and of what is above and up to."""
    first = over[..., :1] - under[..., :1]
    rest = log_p[..., 1:-1] - over[..., 1:] - under[..., :-1]
    return np.concatenate([first, rest], axis=-1)
