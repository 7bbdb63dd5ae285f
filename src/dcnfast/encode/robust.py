"""Median and interquartile range of columns: what a few numbers far out hardly move."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

Floats = npt.NDArray[np.float64]

BEND = 3.0  # no number becomes larger than this


def bent(numbers: Floats) -> Floats:
    """Return z / sqrt(1 + (z / 3)^2) of each number z, which rounds as the engine does."""
    return np.asarray(numbers / np.sqrt(1 + (numbers / BEND) * (numbers / BEND)))


def quartiles(x: Floats, weight: Floats | None = None) -> Floats:
    """Return the numbers below which a quarter, a half and three quarters of the weight lie.

    Where a share ends between two numbers it is their mean, so that a row of weight two is a row
    that comes twice. 0 where there is no number.

    Parameters
    ----------
    x : ndarray of shape (n,)
        NaN counts for nothing.
    weight : ndarray of shape (n,) or None
    """
    there = ~np.isnan(x) if weight is None else ~np.isnan(x) & (weight > 0)
    x = x[there]
    if not len(x):
        return np.zeros(3)
    order = np.argsort(x, kind="stable")
    x, mass = x[order], np.ones(len(x)) if weight is None else weight[there][order]
    below = np.cumsum(mass / mass.max())
    shares = np.array([0.25, 0.5, 0.75]) * below[-1]
    rounding = len(x) * np.finfo(np.float64).eps * below[-1]
    first, last = (np.searchsorted(below, shares + d) for d in (-rounding, rounding))
    first, last = (np.minimum(place, len(x) - 1) for place in (first, last))
    return np.asarray(x[first] / 2 + x[last] / 2)


def middle_and_spread(
    X: Any, weight: Floats | None, factor: Floats, width: Floats
) -> tuple[Floats, Floats]:
    """Return the median of each column, and what its distance from that is divided by.

    That is the interquartile range; half the range where that is 0, and 1 where both are.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, M)
    weight : ndarray of shape (n,) or None
    factor : ndarray of shape (M,)
        What the columns are multiplied by first.
    width : ndarray of shape (M,)
        Range of the columns, so multiplied.
    """
    middle, spread = np.zeros(X.shape[1]), np.ones(X.shape[1])
    for j in range(X.shape[1]):
        column = X[:, [j]].toarray()[:, 0] if issparse(X) else X[:, j]
        low, middle[j], high = quartiles(np.asarray(column, np.float64) * factor[j], weight)
        spread[j] = high - low or width[j] / 2 or 1.0
    return middle, spread
