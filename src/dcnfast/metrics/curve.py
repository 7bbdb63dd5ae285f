"""The area under the ROC curve, of all rows and within groups; ties are exact."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dcnfast.metrics.arguments import (
    Array,
    Floats,
    Groups,
    read_groups,
    read_positive,
    read_scores,
    read_weight,
)

Mask = npt.NDArray[np.bool_]


def auc(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """Return the area under the ROC curve.

    It is the share of the pairs of a positive and a negative row in which the positive row has the
    higher score, and half of the pairs with equal scores. Without weights, or with equal ones, it
    is the exact quotient of two integers, rounded once.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Bools, or two labels, the larger of which is positive.
    y_pred : array-like of shape (n_samples,)
        Scores; infinite ones come first or last.
    sample_weight : array-like of shape (n_samples,), default=None
        A pair weighs the product of its rows' weights.

    Returns
    -------
    area : float

    Raises
    ------
    ValueError
        If the rows that have a weight have one label only, a score is NaN, weights are negative or
        all 0, or lengths differ.
    """
    scores = read_scores(y_pred)
    positive = read_positive(y_true, len(scores))
    weight = read_weight(sample_weight, len(scores))
    if weight is not None:
        present = weight > 0
        scores, positive, weight = scores[present], positive[present], weight[present]
    n_positive = int(np.count_nonzero(positive))
    if not 0 < n_positive < len(scores):
        of = "" if weight is None else " of the rows with a weight"
        raise ValueError(f"y_true has one label only{of}, want two")
    if weight is None or weight.min() == weight.max():
        pairs = n_positive * (len(scores) - n_positive)
        return _twice_won(scores + 0, positive) / (2 * pairs)
    one = Groups(np.zeros(len(scores), np.int64), 1)
    won, pairs_of_weights = _won_in_groups(one, scores, positive, weight)
    return min(float(won[0] / pairs_of_weights[0]), 1.0)  # of all won, rounding may say more


def grouped_auc(
    y_true: Any,
    y_pred: Any,
    group: Any,
    sample_weight: Any = None,
    *,
    average: Literal["weighted", "macro"] = "weighted",
) -> float:
    """Return the mean of the areas under the ROC curves of groups, such as users.

    Groups whose rows have one label only have no area and are left out.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_samples,)
        As of :func:`auc`.
    group : array-like of shape (n_samples,)
        The group of each row; rows of a group need not stand together.
    average : {"weighted", "macro"}, default="weighted"
        Whether a group counts as the sum of its rows' weights, or each group the same.

    Returns
    -------
    area : float

    Raises
    ------
    ValueError
        As of :func:`auc`, but that a group has one label; if no group has two.
    """
    if average not in ("weighted", "macro"):
        raise ValueError(f"average is {average!r}, want 'weighted' or 'macro'")
    scores = read_scores(y_pred)
    positive = read_positive(y_true, len(scores))
    weight = read_weight(sample_weight, len(scores))
    groups = read_groups(group, len(scores))
    if weight is None:
        weight = np.ones(len(scores))
    won, pairs = _won_in_groups(groups, scores, positive, weight)
    both = pairs > 0
    if not both.any():
        raise ValueError("y_true has one label only in each group, want a group with two")
    sizes = np.bincount(groups.codes, weight, groups.n)[both]
    areas = np.minimum(won[both] / pairs[both], 1.0)  # of all won, rounding may say more
    return min(float(np.average(areas, weights=sizes if average == "weighted" else None)), 1.0)


def _twice_won(scores: Array, positive: Mask) -> int:
    """Return twice the pairs whose positive row has the higher score, and once those of a tie.

    Of numbers of one sign the bits, read as an integer, have the order of the magnitudes; so a
    score and its label fit into one integer, and one sort without an index puts all in order.
    """
    below = np.signbit(scores)
    if not below.any():
        return _twice_won_by_magnitude(scores, positive)
    upper = ~below
    low_positive, high_positive = positive[below], positive[upper]
    n_low = int(np.count_nonzero(low_positive))
    n_high = int(np.count_nonzero(high_positive))
    low_negative = len(low_positive) - n_low
    low = 2 * n_low * low_negative - _twice_won_by_magnitude(-scores[below], low_positive)
    high = _twice_won_by_magnitude(scores[upper], high_positive)
    return low + high + 2 * n_high * low_negative


def _twice_won_by_magnitude(scores: Array, positive: Mask) -> int:
    """Return the same for scores of at least 0 (and not -0)."""
    integer = np.uint32 if scores.dtype == np.float32 else np.uint64
    packed = np.left_shift(scores.view(integer), 1)
    packed |= positive
    packed.sort()
    places = np.flatnonzero(packed & integer(1))
    n = len(places)
    won = 2 * (int(places.sum()) - n * (n - 1) // 2)  # each as if above the negatives of its tie
    ties = np.flatnonzero((packed[1:] ^ packed[:-1]) == 1) + 1  # where their positives begin
    if len(ties):
        negatives = ties - np.searchsorted(packed, packed[ties - 1], "left")
        positives = np.searchsorted(packed, packed[ties], "right") - ties
        won -= int((negatives * positives).sum())
    return won


def _won_in_groups(
    groups: Groups, scores: Array, positive: Mask, weight: Floats
) -> tuple[Floats, Floats]:
    """Return for each group the weight of the pairs won, ties by half, and that of all pairs.

    Weights are in a unit of the group, a power of two: groups of heavy rows come before others.
    """
    largest = np.zeros(groups.n)
    np.maximum.at(largest, groups.codes, weight)
    weight = np.ldexp(weight, -np.frexp(largest)[1][groups.codes])
    order = np.argsort(scores) if groups.n == 1 else np.lexsort((scores, groups.codes))
    code, score = groups.codes[order], scores[order]
    changes = (code[1:] != code[:-1]) | (score[1:] != score[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])  # of rows that are tied
    of_positive = np.where(positive, weight, 0.0)[order]
    of_negative = np.where(positive, 0.0, weight)[order]
    above = np.add.reduceat(of_positive, starts)
    below = np.add.reduceat(of_negative, starts)
    owner = code[starts]
    firsts = np.concatenate([[0], np.flatnonzero(owner[1:] != owner[:-1]) + 1])
    sums = np.cumsum(below) - below
    lower = sums - sums[firsts][owner]
    won = np.add.reduceat(above * (lower + 0.5 * below), firsts)
    pairs = np.add.reduceat(above, firsts) * np.add.reduceat(below, firsts)
    return won, pairs
