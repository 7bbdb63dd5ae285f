"""Relevance on its way in, scores on their way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.grouped_rows import Targets
from dcnfast.estimators.targets import flushed
from dcnfast.network.loss import RankingLoss
from dcnfast.network.losses_of_lists import MOST_EXPONENTIAL
from dcnfast.network.losses_of_numbers import SquaredError
from dcnfast.serving.answers import Answer

Array = npt.NDArray[Any]
MODERATE = 60  # powers of two: a list of such gains has a sum, and products, in float32


@dataclass(frozen=True, eq=False)
class RankingTarget:
    """How relevant rows are, compared within their group.

    Parameters
    ----------
    loss : RankingLoss
    """

    loss: RankingLoss

    n_outputs = 1

    def judged(self, name: str, y: Array) -> Array:
        """Return y as the loss takes it (n, 1), checked; its name is for messages."""
        if y.ndim > 1:
            raise ValueError(f"{name} has {y.shape[1]} columns, want one")
        low, high = self.loss.interval or (-np.inf, np.inf)
        if getattr(self.loss, "gain", None) == "exponential":
            high = min(high, MOST_EXPONENTIAL)
        if not ((y >= low) & (y <= high)).all():
            limit = f", at most {high:g} as the exponent of gains" if np.isfinite(high) else ""
            raise ValueError(
                f"{name} goes from {y.min():g} to {y.max():g}, want {self.loss.targets}{limit} "
                f"with loss={self.loss!r}"
            )
        return y.astype(np.float64).reshape(-1, 1)

    def fitted(self, _columns: Array, _weight: Array) -> RankingTarget:
        """Return the target itself: relevance has no scale."""
        return self

    def scaled_as(self, _other: Any, _columns: Array, _weight: Array) -> RankingTarget:
        """Return the target itself."""
        return self

    def averaged(self, columns: Array, weight: Array, seed: int) -> Targets:
        """Return what is averaged by category: the relevance."""
        return Targets(columns, ["0"], False, weight, seed)

    def scaled(self, columns: Array, dtype: npt.DTypeLike) -> Array:
        """Return the relevance as the network sees it: what differs stays different, if it can."""
        with np.errstate(over="ignore"):
            seen = np.ascontiguousarray(columns, dtype=dtype)
        if self.loss.interval is None:  # of which the order alone counts
            if (seen != columns).any():
                seen = np.unique(columns, return_inverse=True)[1].reshape(columns.shape)
        elif getattr(self.loss, "gain", None) == "linear":  # of which the shares alone count
            _, exponent = np.frexp(columns.max(initial=0.0))
            if abs(exponent) > MODERATE:
                seen = np.ldexp(columns, -exponent)
        return np.ascontiguousarray(seen, dtype=dtype)

    def answers(self, logits: Array) -> Array:
        """Return the scores that the logits (N, 1) are."""
        return flushed(logits[:, 0].astype(np.float64))

    def scores(self, logits: Array) -> Array:
        """Return what candidates are compared by: the scores."""
        return self.answers(logits)

    def answers_of_members(self, logits: Array) -> Array:
        """Return the scores (N, E) of each member."""
        return flushed(logits[:, :, 0].astype(np.float64))

    def answer(self, logits: list[float]) -> float:
        """Return the score of one row."""
        return float(self.answers(np.array([logits]))[0])

    def described(self) -> Answer:
        """Return what is made of logits, for programs that answer without Python."""
        return Answer(SquaredError.name, 1)  # whose logits are the answers as well
