"""Stage 6 of losses that rank, in float64 NumPy: of lists, the rows of a group.

Each returns the sum over the lists, and dlogits (B,1). logits, target (B,1); weight (B): a list
weighs the mean of its rows; group (B): rows of a group that stand together are a list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

Array = npt.NDArray[np.float64]
OfList = Callable[[Array, Array], tuple[float, Array]]  # scores, relevance (n) -> loss, slopes (n)
LONGEST = 1024  # rows; a longer list is compared in parts, each of every so-many-th row


def pairwise_loss(
    logits: Array, target: Array, weight: Array | None, group: npt.NDArray[Any]
) -> tuple[float, Array]:
    """RankNet, Burges et al. 2005: the mean over pairs with different targets."""
    return _over_lists(_pairs, logits, target, weight, group)


def lambda_loss(
    logits: Array,
    target: Array,
    weight: Array | None,
    group: npt.NDArray[Any],
    k: int | None = None,
    gain: str = "linear",
) -> tuple[float, Array]:
    """LambdaRank, Burges et al. 2006: the same with pairs weighted by the change of NDCG at k."""

    def of_list(s: Array, y: Array) -> tuple[float, Array]:
        rank = np.argsort(np.argsort(-s, kind="stable"))
        d = np.where(rank < (k or len(s)), 1 / np.log2(rank + 2), 0.0)
        g = _gains(y, gain)
        return _pairs(s, y, np.abs(g[:, None] - g) * np.abs(d[:, None] - d))

    return _over_lists(of_list, logits, target, weight, group)


def listwise_loss(
    logits: Array,
    target: Array,
    weight: Array | None,
    group: npt.NDArray[Any],
    gain: str = "linear",
) -> tuple[float, Array]:
    """ListNet, Cao et al. 2007: cross-entropy of softmax(scores), the target the shares of gain."""

    def of_list(s: Array, y: Array) -> tuple[float, Array]:
        g = _gains(y, gain)
        if g.sum() == 0:
            return 0.0, np.zeros(len(s))
        p, q = softmax(s), g / g.sum()
        return -float(q @ np.log(p)), p - q

    return _over_lists(of_list, logits, target, weight, group)


LOSSES = {"pairwise": pairwise_loss, "listwise": listwise_loss, "lambda": lambda_loss}


def _gains(y: Array, gain: str) -> Array:
    return y if gain == "linear" else 2**y - 1


def _pairs(s: Array, y: Array, weights: Array | float = 1.0) -> tuple[float, Array]:
    """Return the weighted mean of log(1 + exp(s_worse - s_better)), and its slopes."""
    w = (y[:, None] > y) * weights  # (better, worse)
    if w.sum() == 0:
        return 0.0, np.zeros(len(s))
    w = w / w.sum()
    above = s - s[:, None]  # the worse above the better
    p = w * expit(above)
    return float((w * np.logaddexp(0, above)).sum()), p.sum(axis=0) - p.sum(axis=1)


def _over_lists(
    of_list: OfList, logits: Array, target: Array, weight: Array | None, group: npt.NDArray[Any]
) -> tuple[float, Array]:
    w = np.ones(len(logits)) if weight is None else weight
    total, dlogits = 0.0, np.zeros_like(logits)
    ends = np.flatnonzero(np.diff(group)) + 1
    for rows in np.split(np.arange(len(logits)), ends):
        n_parts = -(-len(rows) // LONGEST)
        for part in (rows[first::n_parts] for first in range(n_parts)):
            loss, slopes = of_list(logits[part, 0], target[part, 0])
            mean = w[part].mean()
            total += mean * loss
            dlogits[part, 0] = mean * slopes
    return total, dlogits
