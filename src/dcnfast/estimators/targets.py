"""Targets on their way in and out: numbers, rates and classes; what the logits say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax
from sklearn.utils import compute_class_weight

from dcnfast.encode.grouped_rows import Targets
from dcnfast.encode.standardizer import Standardizer
from dcnfast.estimators.isotonic import IsotonicLayer
from dcnfast.network.loss import ClassificationLoss, RegressionLoss
from dcnfast.serving.answers import Answer

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class NumericTarget:
    """Numbers, one or several: what the loss takes.

    Parameters
    ----------
    loss : RegressionLoss
        Of those that a regression may have.
    n_outputs : int
        C; of several quantiles more than there are targets.
    one_column : bool
        Whether y is one number a row, and no array of them.
    scaler : Standardizer or None, default=None
        Through which training sees the numbers, where the loss wants it.
    clips : bool, default=False
        Whether answers stay within ``bounds``.
    bounds : tuple of ndarray of shape (n_targets,) or None, default=None
        The least and the largest of the training rows, by target.
    """

    loss: RegressionLoss
    n_outputs: int
    one_column: bool
    scaler: Standardizer | None = None
    clips: bool = False
    bounds: tuple[Array, Array] | None = None

    @property
    def n_targets(self) -> int:
        """Columns of y."""
        return self.n_outputs // self.loss.outputs_of_a_target

    def columns(self, name: str, y: Array) -> Array:
        """Return y as (n, n_targets), checked; its name is for messages."""
        columns, loss = y.reshape(len(y), -1), self.loss
        low, high = loss.interval or (-np.inf, np.inf)
        if not ((columns >= low) & (columns <= high)).all():
            raise ValueError(
                f"{name} goes from {columns.min():g} to {columns.max():g}, want {loss.targets} "
                f"with loss={loss.name!r}"
            )
        if columns.shape[1] != self.n_targets:
            raise ValueError(
                f"{name} has {columns.shape[1]} columns, want {self.n_targets}, as many as y"
            )
        return columns

    def judged(self, name: str, y: Array) -> Array:
        """Return y as the loss takes it, checked; its name is for messages."""
        return self.columns(name, y)

    def fitted(self, columns: Array, weight: Array) -> NumericTarget:
        """Return the target with the scales and the bounds of the training rows."""
        bounds = columns.min(axis=0), columns.max(axis=0)
        if not self.loss.standardises and not self.loss.divides_by_mean:
            return replace(self, bounds=bounds)
        scaler = Standardizer().fit(columns, weight)
        if self.loss.divides_by_mean:
            scaler = scaler.by_mean()
        return replace(self, scaler=scaler, bounds=bounds)

    def scaled_as(self, other: Any, columns: Array, weight: Array) -> NumericTarget:
        """Return the target with the scales of the last fit, and bounds for the rows of both.

        What was constant so far has the scales of these rows: nothing else could be learned.
        """
        low, high = columns.min(axis=0), columns.max(axis=0)
        bounds = np.minimum(low, other.bounds[0]), np.maximum(high, other.bounds[1])
        scaler = other.scaler
        if scaler is not None and scaler.constant.any():
            scaler = scaler.unless_constant(Standardizer().fit(columns, weight))
        return replace(self, scaler=scaler, bounds=bounds)

    def averaged(self, columns: Array, weight: Array, seed: int) -> Targets:
        """Return what is averaged by category."""
        return Targets(columns, [str(c) for c in range(self.n_targets)], False, weight, seed)

    def scaled(self, columns: Array, dtype: npt.DTypeLike) -> Array:
        """Return targets as the network sees them."""
        if self.scaler is not None:
            columns = self.scaler.transform(columns, dtype)
            if self.loss.interval is not None and self.loss.interval[0] > 0:
                columns = np.maximum(columns, np.finfo(dtype).tiny)  # not rounded to 0
        if columns.size and (largest := columns.max()) > np.finfo(dtype).max:
            raise ValueError(
                f"y has {largest:g}, want what {np.dtype(dtype)} holds with loss={self.loss.name!r}"
            )
        return np.ascontiguousarray(columns, dtype=dtype)

    def answers(self, logits: Array) -> Array:
        """Return what the logits (N, C) say."""
        return self._shaped(self._clipped(self._inverse(logits)), logits.shape[:1])

    def scores(self, logits: Array) -> Array:
        """Return what candidates are compared by: the answers."""
        return self.answers(logits)

    def answers_of_members(self, logits: Array) -> Array:
        """Return what the logits (N, E, C) of each member say, shape (N, E, ..) as of answers.

        They are not clipped: it is their mean that predicts.
        """
        return self._shaped(self._inverse(logits.reshape(-1, logits.shape[2])), logits.shape[:2])

    def answer(self, logits: list[float]) -> Any:
        """Return what the logits of one row say."""
        row = np.array(logits)
        y = self._shaped(self._clipped(self._inverse(row[None])), (1,))[0]
        return y if isinstance(y, np.ndarray) else float(y)

    def explained(self, answers: Array, columns: Array, weight: Array) -> float:
        """Return D^2: the share of the deviance from the best constant that answers leave out.

        Parameters
        ----------
        answers : ndarray
            As :meth:`answers` returns them.
        columns : ndarray of shape (n, n_targets)
            Checked.
        weight : ndarray of shape (n,)

        Returns
        -------
        d2 : float
            The mean over the targets; 1 is exact, 0 is no better than the constant.
        """
        a, t = answers.reshape(len(columns), -1).astype(np.float64), columns.astype(np.float64)
        if (scaler := self.scaler) is not None:
            t = self.scaled(t, np.float64)
            a = self._by_target(lambda y: scaler.transform(y, np.float64), a)
        loss = self.loss
        constant = np.broadcast_to(loss.constant(t, weight), a.shape)
        left = np.average(loss.errors(a, t), axis=0, weights=weight)
        whole = np.average(loss.errors(constant, t), axis=0, weights=weight)
        tiny = 2 * np.finfo(np.float64).tiny  # what stands for a mean of 0
        some = (whole > tiny) & (np.ptp(t, axis=0) > 0)
        d2 = 1 - np.divide(left, whole, where=some, out=np.where(left > 0, 1.0, 0.0))
        return float(d2.mean())

    def _shaped(self, y: Array, rows: tuple[int, ...]) -> Array:
        """Return answers (n, C) with an axis for targets and one for several quantiles."""
        Q = self.loss.outputs_of_a_target
        shape = () if self.one_column else (self.n_targets,)
        return y.reshape(*rows, *shape, *(() if Q == 1 else (Q,)))

    def described(self) -> Answer:
        """Return what is made of logits, for programs that answer without Python."""
        Q, scaled, bounds = self.loss.outputs_of_a_target, None, None
        if (z := self.scaler) is not None:
            scale = np.where(z.constant, 0.0, z.scale)
            scaled = np.repeat(scale, Q), np.repeat(z.mean, Q), np.repeat(z.factor, Q)
        if self.clips and self.bounds is not None:
            bounds = np.repeat(self.bounds[0], Q), np.repeat(self.bounds[1], Q)
        return Answer(self.loss.name, self.n_outputs, Q, scaled=scaled, bounds=bounds)

    def _clipped(self, y: Array) -> Array:
        if not self.clips or self.bounds is None:
            return y
        low, high = self.bounds
        return self._by_target(lambda columns: np.clip(columns, low, high), y)

    def _inverse(self, logits: Array) -> Array:
        answers = self.loss.inverse_link(logits.astype(np.float64))
        if self.scaler is None:
            return flushed(answers)
        answers = self._by_target(self.scaler.inverse, answers)
        return flushed(answers) if self.loss.divides_by_mean else answers

    def _by_target(self, function: Callable[[Array], Array], answers: Array) -> Array:
        """Apply what takes a column for each target to answers (n, C)."""
        Y, Q, n = self.n_targets, self.loss.outputs_of_a_target, len(answers)
        if Q == 1:
            return function(answers)
        columns = answers.reshape(n, Y, Q).swapaxes(1, 2).reshape(n * Q, Y)
        return function(columns).reshape(n, Q, Y).swapaxes(1, 2).reshape(n, Y * Q)


def flushed(numbers: Array) -> Array:
    """Put 0 in the place of denormal numbers, which are slow to compute with."""
    numbers[np.abs(numbers) < np.finfo(np.float64).tiny] = 0.0
    return numbers


@dataclass(frozen=True, eq=False)
class ClassTarget:
    """One of several classes.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels, sorted.
    loss : ClassificationLoss
    n_outputs : int
        Two classes may have one logit, the log-odds of the second, or one each.
    calibration : tuple of IsotonicLayer, default=()
        Of two classes perhaps one, for the log-odds.
    """

    classes: Array
    loss: ClassificationLoss
    n_outputs: int
    calibration: tuple[IsotonicLayer, ...] = ()

    def codes(self, name: str, y: Array, of: str = "y") -> Array:
        """Return the numbers of the classes; the name of y, and whose they are, for messages."""
        if y.ndim > 1:
            raise ValueError(f"{name} has {y.shape[1]} columns, want one, as y")
        known = self.classes.tolist()
        if unknown := sorted(set(y.tolist()) - set(known), key=repr):
            raise ValueError(f"{name} has the labels {unknown!r}, want those of {of}: {known!r}")
        return np.searchsorted(self.classes, y)

    def judged(self, name: str, y: Array) -> Array:
        """Return the numbers of the classes (n, 1), checked; the name of y is for messages."""
        return self.codes(name, y).reshape(-1, 1)

    def fitted(self, _columns: Array, _weight: Array) -> ClassTarget:
        """Return the target itself: classes have no scales."""
        return self

    def scaled_as(self, _other: Any, _columns: Array, _weight: Array) -> ClassTarget:
        """Return the target itself."""
        return self

    def averaged(self, codes: Array, weight: Array, seed: int) -> Targets:
        """Return what is averaged by category: whether a row is of each class."""
        return Targets(codes, [str(label) for label in self.classes], True, weight, seed)

    def scaled(self, codes: Array, dtype: npt.DTypeLike) -> Array:
        """Return the classes as the network sees them."""
        return np.ascontiguousarray(codes, dtype=dtype)

    def decision(self, logits: Array) -> Array:
        """Return log-odds of the second of two classes (N,), or one logit for each (N, C)."""
        logits = logits.astype(np.float64)
        if len(self.classes) > 2:
            return self.loss.class_logits(logits)
        z = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
        return self.calibration[0](z) if self.calibration else z

    def labels(self, decision: Array) -> Array:
        """Return the likeliest label of each row."""
        two = decision.ndim == 1
        codes = (decision > 0).astype(np.intp) if two else decision.argmax(axis=1)
        return np.asarray(self.classes[codes])

    def probabilities(self, decision: Array) -> Array:
        """Return the probability of each class, shape (N, n_classes)."""
        if decision.ndim == 2:
            return flushed(np.asarray(softmax(decision, axis=1)))
        return flushed(np.column_stack([expit(-decision), expit(decision)]))

    def log_probabilities(self, decision: Array) -> Array:
        """Return the logarithm of each probability, finite also where that is 0."""
        if decision.ndim == 1:
            decision = np.column_stack([np.zeros_like(decision), decision])
        return np.asarray(decision - np.logaddexp.reduce(decision, axis=1, keepdims=True))

    def described(self) -> Answer:
        """Return what is made of logits, for programs that answer without Python."""
        refuse_calibration(self.calibration)
        return Answer(self.loss.name, self.n_outputs, labels=tuple(self.classes.tolist()))

    def scores(self, logits: Array) -> Array:
        """Return what candidates are compared by: the probability of the second of two classes."""
        p = self.probabilities(self.decision(logits))
        return p[:, 1] if len(self.classes) == 2 else p

    def answers_of_members(self, logits: Array) -> Array:
        """Return the probabilities that the logits (N, E, C) of each member say, uncalibrated."""
        own = replace(self, calibration=())
        p = self.probabilities(own.decision(logits.reshape(-1, logits.shape[2])))
        return p.reshape(*logits.shape[:2], -1)

    def answer(self, logits: list[float]) -> Array:
        """Return the probabilities that the logits of one row say."""
        if len(self.classes) > 2:
            of_classes = self.loss.class_logits(np.array([logits]))[0]
            raised = np.exp(of_classes - of_classes.max())
            return flushed(np.asarray(raised / raised.sum()))
        z = logits[0] if len(logits) == 1 else logits[1] - logits[0]
        if self.calibration:
            z = float(self.calibration[0](np.array(z)))
        return flushed(np.asarray(expit(np.array([-z, z]))))


def refuse_calibration(calibration: tuple[IsotonicLayer, ...]) -> None:
    """Raise ValueError where there is a layer that programs without Python do not have."""
    if calibration:
        raise ValueError(
            "the model is calibrated by calibrate_isotonic, whose layer is not written for other "
            "programs, want a model that is not"
        )


def class_target(classes: Array, loss: ClassificationLoss) -> ClassTarget:
    """Return the target of a classifier with the given ``loss``."""
    return ClassTarget(classes, *loss.of_classes(len(classes)))


def class_factors(
    class_weight: Mapping[Any, float] | str | None, classes: Array, codes: Array, weight: Array
) -> Array:
    """Return by how much the rows of each class count more than their own weight."""
    factors = np.ones(len(classes))
    if class_weight is None:
        return factors
    present = weight > 0
    seen = np.unique(codes[present])
    factors[seen] = compute_class_weight(
        class_weight, classes=classes[seen], y=classes[codes[present]],
        sample_weight=weight[present],
    )  # fmt: skip
    if not (np.isfinite(factors) & (factors >= 0)).all():
        raise ValueError(
            f"class_weight is {class_weight!r}, want finite weights that are not negative"
        )
    return factors
