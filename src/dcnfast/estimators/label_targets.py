"""Several labels a row on their way in and out: 0 and 1, of which some may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from dcnfast.encode.grouped_rows import Targets
from dcnfast.estimators.ranking_target import RankingTarget
from dcnfast.estimators.targets import ClassTarget, NumericTarget, flushed
from dcnfast.network.losses import MultiLabel
from dcnfast.serving.answers import Answer

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class LabelsTarget:
    """Labels of 0 and 1, NaN where one is missing.

    Parameters
    ----------
    loss : MultiLabel
    n_outputs : int
        Labels of a row, C.
    """

    loss: MultiLabel
    n_outputs: int

    @property
    def classes(self) -> Array:
        """Numbers of the labels, as scikit-learn's MLPClassifier has them."""
        return np.arange(self.n_outputs)

    def judged(self, name: str, y: Array) -> Array:
        """Return the labels (n, C), checked; the name of y is for messages."""
        columns = 1 if y.ndim == 1 else y.shape[1]
        if columns != self.n_outputs:
            raise ValueError(
                f"{name} has {columns} columns, want {self.n_outputs}, as many labels as y"
            )
        return y

    def fitted(self, _columns: Array, _weight: Array) -> LabelsTarget:
        """Return the target itself: labels have no scales."""
        return self

    def scaled_as(self, _other: Any, _columns: Array) -> LabelsTarget:
        """Return the target itself."""
        return self

    def averaged(self, labels: Array, weight: Array, seed: int) -> Targets:
        """Return what is averaged by category: a missing label counts as the mean of its column."""
        known = ~np.isnan(labels)
        counts = weight @ known
        means = (weight @ np.where(known, labels, 0)) / np.where(counts > 0, counts, 1)
        names = [str(c) for c in range(self.n_outputs)]
        return Targets(np.where(known, labels, means), names, False, weight, seed)

    def scaled(self, labels: Array, dtype: npt.DTypeLike) -> Array:
        """Return the labels as the network sees them."""
        return np.ascontiguousarray(labels, dtype=dtype)

    def decision(self, logits: Array) -> Array:
        """Return the log-odds of each label (N, C)."""
        return logits.astype(np.float64)

    def labels(self, decision: Array) -> Array:
        """Return 0 or 1 for each label (N, C)."""
        return (decision > 0).astype(np.int64)

    def probabilities(self, decision: Array) -> Array:
        """Return the probability of 1 for each label (N, C)."""
        return flushed(np.asarray(expit(decision)))

    def described(self) -> Answer:
        """Return what is made of logits, for programs that answer without Python."""
        return Answer(self.loss.name, self.n_outputs)

    def scores(self, logits: Array) -> Array:
        """Return what candidates are compared by: the probabilities."""
        return self.probabilities(self.decision(logits))

    def log_probabilities(self, decision: Array) -> Array:
        """Return the logarithm of each probability of 1, finite also where that is 0."""
        return np.asarray(-np.logaddexp(0, -decision))

    def answers_of_members(self, logits: Array) -> Array:
        """Return the probabilities that the logits (N, E, C) of each member say."""
        return self.probabilities(self.decision(logits))

    def answer(self, logits: list[float]) -> Array:
        """Return the probabilities that the logits of one row say."""
        return self.probabilities(np.array(logits, np.float64))


Target = NumericTarget | ClassTarget | LabelsTarget | RankingTarget
