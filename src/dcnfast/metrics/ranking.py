"""How well groups of rows are ranked: NDCG, reciprocal rank, hit rate.

Rows of equal scores stand in random order: a metric is its mean over these orders, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dcnfast.metrics.arguments import (
    Floats,
    Groups,
    Ints,
    read_groups,
    read_relevance,
    read_scores,
    read_weight,
)


def ndcg(
    y_true: Any,
    y_pred: Any,
    group: Any = None,
    sample_weight: Any = None,
    *,
    k: int | None = None,
    gain: Literal["linear", "exponential"] = "linear",
    without_relevant: float | None = 0.0,
) -> float:
    """Return the normalised discounted cumulative gain, the mean over the groups.

    Of a group it is the sum of gain / log2(1 + rank) over its rows, by falling score, divided by
    that of the best order. A group of one relevant row has 1.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        How relevant each row is, at least 0.
    y_pred : array-like of shape (n_samples,)
        Scores; infinite ones come first or last.
    group : array-like of shape (n_samples,), default=None
        The group of each row, such as the query or the user; rows of a group need not stand
        together. None is one group.
    sample_weight : array-like of shape (n_samples,), default=None
        A group weighs the mean of its rows' weights; rows of weight 0 count as absent.
    k : int or None, default=None
        How many rows from the top count; None is all of them.
    gain : {"linear", "exponential"}, default="linear"
        What a row is worth: its relevance, as in scikit-learn, or 2 ** relevance - 1, as in
        LightGBM.
    without_relevant : float or None, default=0.0
        The value of a group in which no row is relevant: 0 as in scikit-learn, 1 as in LightGBM;
        None leaves such groups out.

    Returns
    -------
    gain : float

    Raises
    ------
    ValueError
        If relevance is negative or a score NaN, weights are negative or all 0, lengths differ, or
        no group is left.
    """
    if gain not in ("linear", "exponential"):
        raise ValueError(f"gain is {gain!r}, want 'linear' or 'exponential'")
    ranked = _rank(y_true, y_pred, group, sample_weight, k, without_relevant)
    worth = _worth(ranked.relevance, gain == "exponential")
    discount = ranked.discounts()
    sums = np.add.reduceat(worth, ranked.ties) / ranked.tie_sizes()
    got = np.add.reduceat(sums * np.add.reduceat(discount, ranked.ties), ranked.first_ties())
    best = worth[np.lexsort((-worth, ranked.codes))]
    most = np.add.reduceat(best * discount, ranked.firsts)
    shares = np.divide(got, most, out=np.zeros(len(most)), where=most > 0)
    return ranked.mean(np.minimum(shares, 1.0))


def mrr(
    y_true: Any,
    y_pred: Any,
    group: Any = None,
    sample_weight: Any = None,
    *,
    k: int | None = None,
    without_relevant: float | None = 0.0,
) -> float:
    """Return the mean reciprocal rank: of each group 1 / rank of the first relevant row.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Relevant are rows above 0.
    y_pred, group, sample_weight, without_relevant
        As of :func:`ndcg`.
    k : int or None, default=None
        Last rank that counts; None is any.

    Returns
    -------
    rank : float

    Raises
    ------
    ValueError
        As of :func:`ndcg`.
    """
    ranked = _rank(y_true, y_pred, group, sample_weight, k, without_relevant)
    ties = ranked.first_relevant()
    cases, places = np.unique(ties, axis=0, return_inverse=True)
    values = [_reciprocal_rank(case, ranked.k) for case in cases.tolist()]
    return ranked.mean(np.array(values)[places.reshape(-1)])


def hit_rate(
    y_true: Any,
    y_pred: Any,
    group: Any = None,
    sample_weight: Any = None,
    *,
    k: int = 10,
    without_relevant: float | None = 0.0,
) -> float:
    """Return the share of the groups that have a relevant row among the k highest.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Relevant are rows above 0.
    y_pred, group, sample_weight, without_relevant
        As of :func:`ndcg`.
    k : int, default=10

    Returns
    -------
    rate : float

    Raises
    ------
    ValueError
        As of :func:`ndcg`.
    """
    if k is None:
        raise ValueError("k is None, want an integer of at least 1")
    ranked = _rank(y_true, y_pred, group, sample_weight, k, without_relevant)
    before, size, relevant = ranked.first_relevant().T
    places = np.clip(k - before, 0, size)  # for rows of this tie
    few, many = np.minimum(relevant, places), np.maximum(relevant, places)
    missed = np.ones(ranked.n_groups)
    for i in range(int(few.max())):  # one after the other finds none of the many
        factor = np.maximum(size - many - i, 0) / np.maximum(size - i, 1)
        missed = np.where(i < few, missed * factor, missed)
        if not missed[i < few].any():
            break
    return ranked.mean(np.where(relevant > 0, 1 - missed, 0.0))


@dataclass(frozen=True)
class _Ranked:
    """Rows by group, then by falling score.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        The group of each row.
    relevance : ndarray of shape (n,)
    firsts : ndarray of shape (n_groups,)
        Where each group begins.
    ties : ndarray of shape (n_ties,)
        Where rows of one group and one score begin.
    weight : ndarray of shape (n_groups,)
    k : int
        Last rank that counts.
    without_relevant : float or None
    """

    codes: Ints
    relevance: Floats
    firsts: npt.NDArray[np.intp]
    ties: npt.NDArray[np.intp]
    weight: Floats
    k: int
    without_relevant: float | None

    @property
    def n_groups(self) -> int:
        return len(self.firsts)

    def discounts(self) -> Floats:
        """Return what each rank counts."""
        place = np.arange(len(self.codes)) - self.firsts[self.codes]
        return np.where(place < self.k, np.log(2) / np.log(place + 2.0), 0.0)

    def tie_sizes(self) -> npt.NDArray[np.intp]:
        return np.diff(np.append(self.ties, len(self.codes)))

    def first_ties(self) -> npt.NDArray[np.intp]:
        """Return which tie is the first of each group."""
        return np.searchsorted(self.ties, self.firsts)

    def first_relevant(self) -> Ints:
        """Return of each group's first tie with a relevant row: rows above, rows, relevant rows.

        Of a group without one the last number is 0.
        """
        relevant = np.add.reduceat((self.relevance > 0).astype(np.int64), self.ties)
        chosen = np.flatnonzero(relevant)
        owner = self.codes[self.ties[chosen]]
        owner, places = np.unique(owner, return_index=True)
        chosen = chosen[places]
        found = np.zeros((self.n_groups, 3), np.int64)
        found[owner, 0] = self.ties[chosen] - self.firsts[owner]
        found[owner, 1] = self.tie_sizes()[chosen]
        found[owner, 2] = relevant[chosen]
        return found

    def mean(self, values: Floats) -> float:
        """Return the mean over the groups."""
        has = np.add.reduceat((self.relevance > 0).astype(np.int64), self.firsts) > 0
        weight = self.weight
        if self.without_relevant is None:
            if not has.any():
                raise ValueError("y_true has no relevant row, and without_relevant is None")
            values, weight = values[has], weight[has]
        else:
            values = np.where(has, values, float(self.without_relevant))
        return float(min(np.average(values, weights=weight), values.max()))  # whatever is rounded


def _worth(relevance: Floats, exponential: bool) -> Floats:
    """Return what rows are worth, in a unit, a power of two, in which no sum overflows."""
    worth = relevance
    if exponential:
        most = max(np.ceil(relevance.max()) - 1000, 0)
        small = np.expm1(np.log(2) * np.minimum(relevance, 0.5))
        worth = np.where(relevance < 0.5, small, np.exp2(relevance - most) - np.exp2(-most))
    return np.asarray(np.ldexp(worth, -np.frexp(worth.max())[1]))


def _rank(
    y_true: Any, y_pred: Any, group: Any, sample_weight: Any, k: Any, without_relevant: Any
) -> _Ranked:
    """Check the arguments, and put the rows in order."""
    if k is not None and (isinstance(k, bool) or not isinstance(k, Integral) or k < 1):
        raise ValueError(f"k is {k!r}, want an integer of at least 1, or None")
    if not (without_relevant is None or isinstance(without_relevant, Real)):
        raise ValueError(f"without_relevant is {without_relevant!r}, want a number or None")
    scores = read_scores(y_pred)
    relevance = read_relevance(y_true, len(scores))
    weight = read_weight(sample_weight, len(scores))
    groups = read_groups(group, len(scores))
    if weight is None:
        weight = np.ones(len(scores))
    present = weight > 0
    if not present.all():
        scores, relevance, weight = scores[present], relevance[present], weight[present]
        left, codes = np.unique(groups.codes[present], return_inverse=True)
        groups = Groups(codes.astype(np.int64), len(left))
    order = np.lexsort((-scores, groups.codes))
    codes, scores = groups.codes[order], scores[order]
    begins = codes[1:] != codes[:-1]
    firsts = np.concatenate([[0], np.flatnonzero(begins) + 1])
    ties = np.concatenate([[0], np.flatnonzero(begins | (scores[1:] != scores[:-1])) + 1])
    sizes = np.bincount(codes, minlength=groups.n)
    of_group = np.bincount(codes, weight[order], groups.n) / sizes
    last = len(codes) if k is None else int(k)
    empty = None if without_relevant is None else float(without_relevant)
    return _Ranked(codes, relevance[order], firsts, ties, of_group, last, empty)


def _reciprocal_rank(tie: list[int], k: int) -> float:
    """Return the mean of 1 / rank of the first of some relevant rows in a tie, in random order."""
    before, size, relevant = tie
    j = np.arange(min(size - relevant + 1, k - before))  # rows of the tie that come before it
    if not relevant or not len(j):
        return 0.0
    further = (size - relevant - j[:-1]) / (size - 1 - j[:-1])
    chance = relevant / size * np.concatenate([[1.0], np.cumprod(further)])
    return float((chance / (before + 1 + j)).sum())
