"""Losses that rank: of lists, the rows of one group, which are compared with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from scipy.special import log_softmax

from dcnfast.network.kinds import COUNT_OR_NONE, Option, one_of
from dcnfast.network.loss import Floats, RankingLoss

Gain = Literal["linear", "exponential"]
GAINS: tuple[Gain, ...] = ("linear", "exponential")
MOST_EXPONENTIAL = 100.0  # relevance: 2^100 is a float32


class Pairwise(RankingLoss):
    """RankNet (Burges et al., 2005): the log-loss of which of two rows is the better one.

    Of a list it is the mean over its pairs of rows with different targets.
    """

    name = "pairwise"
    summary = "log-loss of which of two rows of a group is the better one, the mean over its pairs."
    reference = "pairwise_loss"

    def of_list(self, scores: Floats, relevance: Floats) -> float:
        """Return the mean over the pairs, 0 without any."""
        return _mean_over_pairs(scores, relevance, np.ones((1, 1)))


class Listwise(RankingLoss):
    """ListNet (Cao et al., 2007): cross-entropy of the softmax of the scores of a group.

    Parameters
    ----------
    gain : {"linear", "exponential"}, default="linear"
        A row's share of the target is its gain over the sum of the group's: its relevance, or
        2 ** relevance - 1.
    """

    name = "listwise"
    summary = (
        "cross-entropy of the softmax of a group's scores, the target being each row's share of "
        "the relevance."
    )
    reference = "listwise_loss"
    interval = (0.0, np.inf)
    targets = "relevance, not negative"
    options: ClassVar[Mapping[str, Option]] = {"gain": one_of(GAINS)}

    def __init__(self, *, gain: Gain = "linear") -> None:
        self.gain = gain

    def constants(self) -> tuple[float, ...]:
        """Return whether gains are exponential."""
        return (float(self.gain == "exponential"),)

    @classmethod
    def of_constants(cls, constants: Sequence[float]) -> Self:
        """Return the loss with this number."""
        (exponential,) = constants
        return cls(gain=_gain_of(exponential))

    def of_list(self, scores: Floats, relevance: Floats) -> float:
        """Return the cross-entropy, 0 where no row is relevant."""
        gains = _gains(relevance, self.gain)
        if not gains.any():
            return 0.0
        return -float(gains @ log_softmax(scores)) / float(gains.sum())


class Lambda(RankingLoss):
    """LambdaRank (Burges et al., 2006): pairs count by how much they matter for NDCG.

    Of a list it is the mean over the pairs of :class:`Pairwise`, each weighted by what NDCG would
    change by if the two rows were exchanged where the scores have them now. The weights are
    constants for the gradient, so what is reported is the loss of the moment and no objective that
    falls from step to step.

    Parameters
    ----------
    k : int or None, default=None
        NDCG is that of the k highest; None is of all.
    gain : {"linear", "exponential"}, default="linear"
        What a row is worth: its relevance, as in ``DCNRanker.score``, or 2 ** relevance - 1, as in
        LightGBM.
    """

    name = "lambda"
    summary = "that of pairs, each weighted by what NDCG would change by if they were exchanged."
    reference = "lambda_loss"
    interval = (0.0, np.inf)
    targets = "relevance, not negative"
    options: ClassVar[Mapping[str, Option]] = {"k": COUNT_OR_NONE, "gain": one_of(GAINS)}

    def __init__(self, *, k: int | None = None, gain: Gain = "linear") -> None:
        self.k, self.gain = k, gain

    def constants(self) -> tuple[float, ...]:
        """Return k, 0 for all, and whether gains are exponential."""
        return (float(self.k or 0), float(self.gain == "exponential"))

    @classmethod
    def of_constants(cls, constants: Sequence[float]) -> Self:
        """Return the loss with these numbers."""
        k, exponential = constants
        if k != int(k):
            raise ValueError(f"k is {k!r}, want an integer")
        return cls(k=int(k) or None, gain=_gain_of(exponential))

    def of_list(self, scores: Floats, relevance: Floats) -> float:
        """Return the weighted mean over the pairs, 0 without any."""
        gains, n = _gains(relevance, self.gain), len(scores)
        rank = np.empty(n, np.intp)
        rank[np.argsort(-scores, kind="stable")] = np.arange(n)
        discounts = np.where(rank < (self.k or n), 1 / np.log2(rank + 2), 0.0)
        gained, moved = (np.abs(v[:, None] - v) for v in (gains, discounts))
        return _mean_over_pairs(scores, relevance, gained * moved)


def _gain_of(exponential: float) -> Gain:
    if exponential not in (0, 1):
        raise ValueError(f"gain is {exponential!r}, want 0 or 1")
    return GAINS[int(exponential)]


def _gains(relevance: Floats, gain: Gain) -> Floats:
    return relevance if gain == "linear" else np.expm1(np.log(2) * relevance)


def _mean_over_pairs(scores: Floats, relevance: Floats, weights: Floats) -> float:
    """Return the weighted mean of log(1 + exp(s_worse - s_better)) over pairs that differ."""
    better = (relevance[:, None] > relevance) * weights
    total = float(better.sum())
    if not total:
        return 0.0
    costs = np.logaddexp(0, scores - scores[:, None])
    return float((better * costs).sum()) / total
