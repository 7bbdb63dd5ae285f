"""Mean 0 and standard deviation 1, column by column, for every finite input.

Everything is computed in float64, a few rows at a time so that they stay in the cache. What is
learned is learned here; ``ColumnScales`` of the engine applies it, to tables and to single rows.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast import _core
from dcnfast.encode.columns import Blocks, Floats, blocks, least_and_largest
from dcnfast.encode.robust import middle_and_spread

# No training row is further out than sqrt(n) standard deviations. What comes later may be anything,
# and a polynomial of it should stay a number.
FARTHEST = 1e4

NO_KNOTS = (np.empty(0), np.empty(0))


class Standardizer:
    """Takes the mean away and divides by the standard deviation, column by column.

    Constant columns become 0. Works for every finite input: columns near the ends of the floating
    point range are first multiplied by a power of two. NaN counts for nothing and becomes 0, the
    mean.

    Attributes
    ----------
    mean, scale : ndarray of shape (M,)
        Of the columns times ``factor``.
    factor : ndarray of shape (M,)
        Powers of two, 1 for ordinary columns.
    low, high : ndarray of shape (M,)
        Range of the standardised training columns.
    lowest, highest : ndarray of shape (M,)
        Range of the training columns as they came.
    constant : ndarray of shape (M,), bool
        Columns with at most one value.
    """

    def fit(self, X: Any, weight: Floats | None = None) -> Standardizer:
        """Learn mean and scale.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n, M)
            Finite or NaN.
        weight : ndarray of shape (n,) or None
            Not negative, not all zero.
        """
        return self.fit_blocks(lambda: blocks(X), X.shape, weight)

    def fit_blocks(
        self, read: Blocks, shape: tuple[int, int], weight: Floats | None = None
    ) -> Standardizer:
        """Learn mean and scale of rows that ``read()`` gives block by block."""
        n, m = shape
        w = None if weight is None else (weight / weight.max())[:, None]
        all_weight = float(n) if w is None else w.sum()
        low, high = np.full(m, np.nan), np.full(m, np.nan)
        total = np.full(m, all_weight)
        for rows, block in read():
            low, high = np.fmin(low, np.fmin.reduce(block)), np.fmax(high, np.fmax.reduce(block))
            if (missing := np.isnan(block)).any():
                total -= _weighted_sum(w, rows, missing)
        low, high = np.nan_to_num(low), np.nan_to_num(high)
        exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))[1]
        if w is not None and not w.all():  # rows without weight count as absent
            low, high = least_and_largest(block[w[rows, 0] > 0] for rows, block in read())
        self.lowest, self.highest = low, high
        self.factor = np.where(
            np.abs(exponent) > 300, np.ldexp(1.0, np.clip(-exponent, -1000, 1000)), 1.0
        )
        total = np.where(
            total > n * np.finfo(np.float64).eps * all_weight, total, 1.0
        )  # 0, if not for rounding
        mean, variance = np.zeros(m), np.zeros(m)
        for rows, block in read():
            mean += _weighted_sum(w, rows, _zero_for_nan(block * self.factor))
        self.mean = mean / total
        for rows, block in read():
            deviation = _zero_for_nan(block * self.factor - self.mean)
            variance += _weighted_sum(w, rows, deviation**2)
        variance /= total
        # what rounding alone can produce, as scikit-learn's StandardScaler judges it
        eps = n * np.finfo(np.float64).eps
        constant = variance <= eps * variance + (eps * self.mean) ** 2
        self.scale = np.where(constant, 1.0, np.sqrt(np.where(constant, 1.0, variance)))
        self.constant = constant
        return self._find_ends()

    def by_quartiles(self, X: Any, weight: Floats | None = None) -> Standardizer:
        """Take the median for the mean, and the interquartile range for the deviation."""
        width = self.highest * self.factor - self.lowest * self.factor
        self.mean, self.scale = middle_and_spread(X, weight, self.factor, width)
        return self._find_ends()

    def by_mean(self) -> Standardizer:
        """Take 0 for the mean, and the mean for the deviation: of numbers that are not negative.

        Columns of zeros stay as they are.
        """
        self.scale = np.where(self.mean > 0, self.mean, 1.0)
        self.mean = np.zeros_like(self.scale)
        self.constant = np.zeros(self.scale.shape, bool)
        return self._find_ends()

    def unless_constant(self, later: Standardizer) -> Standardizer:
        """Return a copy in which columns that were constant are as in ``later`` rows."""
        names = ("mean", "scale", "factor", "low", "high", "lowest", "highest", "constant")
        both = copy(self)
        for name in names:
            setattr(both, name, np.where(self.constant, getattr(later, name), getattr(self, name)))
        return both

    def _find_ends(self) -> Standardizer:
        ends = self.transform(np.stack([self.lowest, self.highest]), np.float64)
        self.low, self.high = np.minimum(ends[0], 0), np.maximum(ends[1], 0)
        return self

    def transform(self, X: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Standardise; values farther out than ``FARTHEST`` standard deviations are cut there.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n, M)
        dtype : dtype
            Of the result, which is C-contiguous.
        """
        Z, scales = np.empty(X.shape, dtype), self._scales()
        for rows, block in blocks(X):
            scales.transform(block, Z[rows])
        return Z

    def clip(self, Z: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring standardised rows into the range of the training rows."""
        return np.ascontiguousarray(np.clip(Z, self.low, self.high), dtype=Z.dtype)

    def inverse(self, Z: npt.NDArray[Any]) -> Floats:
        """Undo :meth:`transform`; what would overflow becomes the largest finite number.

        A column that was constant comes back as that constant, in whatever unit it has.
        """
        Z = np.where(self.constant, 0.0, Z.astype(np.float64))
        with np.errstate(over="ignore"):
            X = (Z * self.scale + self.mean) / self.factor
        largest = np.finfo(np.float64).max
        return np.asarray(np.clip(X, -largest, largest))

    def _scales(self) -> _core.ColumnScales:
        m = len(self.mean)
        no, everything = np.zeros(m), np.full(m, np.inf)
        return _core.ColumnScales(
            [str(j) for j in range(m)], [NO_KNOTS] * m, -everything, everything, self.factor,
            self.mean, self.scale, no, self.constant, np.empty(0, np.int64), FARTHEST,
        )  # fmt: skip


def _weighted_sum(w: Floats | None, rows: slice, block: npt.NDArray[Any]) -> Floats:
    return np.asarray(block.sum(axis=0) if w is None else (w[rows] * block).sum(axis=0), np.float64)


def _zero_for_nan(block: Floats) -> Floats:
    """Put 0 in the place of NaN, in a block without infinities."""
    if np.isnan(block.sum()):
        np.nan_to_num(block, copy=False)
    return block
