"""A small decision tree of one numeric column, in place of scikit-learn's, which needs a table."""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from dcnfast.encode.columns import Floats

LEAST_GAIN = 1e-12  # of the squares of all rows; less is rounding


def common_scale(y: Floats, weight: Floats | None) -> Floats:
    """Return targets (n, C) with the mean 0 and the standard deviation 1, or 0 if they are equal.

    Parameters
    ----------
    y : ndarray of shape (n, C)
        Finite.
    weight : ndarray of shape (n,) or None
        Positive.
    """
    y = y / np.maximum(np.abs(y).max(axis=0, initial=0.0), np.finfo(np.float64).tiny)
    y = y - np.average(y, axis=0, weights=weight)
    spread = np.sqrt(np.average(y * y, axis=0, weights=weight))
    return np.asarray(np.divide(y, spread, out=np.zeros_like(y), where=spread > 1e-12))


class _Sums:
    """Rows, weights and weighted targets below each distinct value of a column.

    With them the gain of any split is found without another look at the rows.
    """

    def __init__(self, x: Floats, y: Floats, weight: Floats | None) -> None:
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
        w = np.ones(len(x)) if weight is None else weight[order]
        begins = np.flatnonzero(np.append(True, x[1:] != x[:-1])[: len(x)])
        self.values = x[begins]
        self.rows = np.append(begins, len(x))
        self.weight = self._below(w)
        self.target = np.stack([self._below(w * column) for column in y.T], axis=1)

    def _below(self, numbers: Floats) -> Floats:
        return np.asarray(np.append(0.0, np.cumsum(numbers))[self.rows])

    def best_split(self, first: int, end: int, least_rows: int) -> tuple[float, int]:
        """Return the gain of the best split of values from ``first`` to ``end``, and its place.

        The gain is what the sum of squares becomes less; 0 where no split leaves enough rows.
        """
        rows, W, S = self.rows, self.weight, self.target
        low = int(np.searchsorted(rows, rows[first] + least_rows))
        high = int(np.searchsorted(rows, rows[end] - least_rows, side="right"))
        low, high = max(low, first + 1), min(high, end)
        if low >= high:
            return 0.0, first
        below, above = S[low:high] - S[first], S[end] - S[low:high]
        gain = (below**2).sum(axis=1) / (W[low:high] - W[first])
        gain += (above**2).sum(axis=1) / (W[end] - W[low:high])
        at = int(np.argmax(gain))
        whole = ((S[end] - S[first]) ** 2).sum() / (W[end] - W[first])
        return float(gain[at] - whole), low + at


def thresholds(
    x: Floats, y: Floats, weight: Floats | None, max_leaves: int, least_rows: int
) -> npt.NDArray[np.float64]:
    """Return where the tree with the least squared error splits a column, best splits first grown.

    For targets of 0 and 1 the squared error is Gini's impurity.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Differences are finite.
    y : ndarray of shape (n, C)
        Of one size, about 1.
    weight : ndarray of shape (n,) or None
        Positive.
    max_leaves : int
    least_rows : int
        Of a leaf.

    Returns
    -------
    thresholds : ndarray
        Ascending, each in the middle between two values of the column.
    """
    if not len(x):
        return np.empty(0)
    sums = _Sums(x, y, weight)
    least = LEAST_GAIN * float((np.square(y).T * (1.0 if weight is None else weight)).sum())
    leaves: list[tuple[float, int, int, int]] = []

    def grow(first: int, end: int) -> None:
        gain, at = sums.best_split(first, end, least_rows)
        if gain > least:
            heappush(leaves, (-gain, first, at, end))

    grow(0, len(sums.values))
    found = list[int]()
    while leaves and len(found) < max_leaves - 1:
        _, first, at, end = heappop(leaves)
        found.append(at)
        grow(first, at)
        grow(at, end)
    places = np.sort(np.array(found, np.intp))
    low, high = sums.values[places - 1], sums.values[places]
    return np.asarray(low + (high - low) / 2)
