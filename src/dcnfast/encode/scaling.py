"""Numbers of any unit -> numbers of about 1, always finite.

Everything is computed in float64, a few rows at a time so that they stay in the cache. What is
learned is learned here; ``ColumnScales`` of the engine applies it, to tables and to single rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from scipy.special import ndtri

from dcnfast import _core
from dcnfast.encode.robust import BEND, bent, middle_and_spread

Floats = npt.NDArray[np.float64]
Blocks = Callable[[], Iterator[tuple[slice, Floats]]]

# No training row is further out than sqrt(n) standard deviations. What comes later may be anything,
# and a polynomial of it should stay a number.
FARTHEST = 1e4

BLOCK = 32768  # numbers; a quarter of a MB
KNOTS = 1000  # of the function that takes a column to its quantiles
QUANTILE_ROWS = 200_000  # rows that the quantiles are found in
_NO_KNOTS = (np.empty(0), np.empty(0))
HEAVY = 6.0  # standard deviations; no normal column of a billion rows has a number farther out


def blocks(X: Any) -> Iterator[tuple[slice, Floats]]:
    """Yield the rows of an array or a sparse matrix, a few at a time, as float64 copies.

    Column after column, as they are worked on.
    """
    n, m = X.shape
    step = max(1, BLOCK // max(1, m))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        part = X[rows].toarray() if issparse(X) else X[rows]
        yield rows, np.array(part, dtype=np.float64, order="F")


@dataclass(frozen=True)
class ScalingRecord:
    """What is known about a way to scale numbers.

    Parameters
    ----------
    name : str or None
    summary : str
        What the documentation says.
    """

    name: str | None
    summary: str


SCALINGS = {
    record.name: record
    for record in (
        ScalingRecord(
            "auto",
            f'"quantile" for columns with a number more than {HEAVY:g} standard deviations from '
            'the mean, which a polynomial would make too much of, and "standard" for the others',
        ),
        ScalingRecord("standard", "mean 0 and standard deviation 1"),
        ScalingRecord("quantile", "a normal distribution by their ranks"),
        ScalingRecord("log", 'sign(x) log(1 + |x|), for counts, and then "standard"'),
        ScalingRecord(
            "robust_smooth",
            "minus the median, over the interquartile range, or over half the range where that is "
            "0, and then z / sqrt(1 + (z / 3)^2): numbers far out come near 3 and not beyond",
        ),
        ScalingRecord(None, "they stay as they are"),
    )
}


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
            low, high = _range(block[w[rows, 0] > 0] for rows, block in read())
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
            [str(j) for j in range(m)], [_NO_KNOTS] * m, -everything, everything, self.factor,
            self.mean, self.scale, no, self.constant, np.empty(0, np.int64), FARTHEST,
        )  # fmt: skip


class NumericScaler:
    """The numeric columns as the network reads them, and a column for what was missing.

    Missing numbers become the mean of the training rows, with "robust_smooth" the median. Each
    column in which training saw both numbers and missing ones has an indicator, behind all the
    columns: 1 where it is missing, else 0.

    Parameters
    ----------
    scaling : {"auto", "standard", "quantile", "log", "robust_smooth"} or None
        "standard": mean 0 and standard deviation 1, at most ``FARTHEST`` away from 0. "quantile":
        first to the normal distribution, by the weighted share of training rows below; beyond the
        training rows the last value holds. "auto": "quantile" for columns with a training row more
        than ``HEAVY`` standard deviations from the mean, "standard" for the others. "log": first
        sign(x) log(1 + abs(x)). "robust_smooth": by median and quartiles, then bent. None: as they
        are, but for what the dtype cannot hold.
    clips : bool, default=True
        Whether numbers beyond the range of the training rows become its border.

    Attributes
    ----------
    indicators : ndarray of shape (I,), int
        Columns that have an indicator.
    low, high : ndarray of shape (M + I,)
        Range of the training rows.
    """

    clips = False  # of a pickle that does not say it
    _made: tuple[np.dtype[Any], _core.ColumnScales] | None = None

    def __init__(self, scaling: str | None = "auto", *, clips: bool = True) -> None:
        self.scaling = scaling
        self.clips = clips

    def fit(self, X: Any, weight: Floats | None = None) -> NumericScaler:
        """Learn from the training rows.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n, M)
            Finite or NaN.
        weight : ndarray of shape (n,) or None
            Not negative, not all zero.
        """
        self._made = None
        n, m = X.shape
        n_missing = sum((np.isnan(block).sum(axis=0) for _, block in blocks(X)), np.zeros(m))
        self.indicators = np.flatnonzero((n_missing > 0) & (n_missing < n))
        self._ranked = self._columns_to_rank(X, weight)
        self._knots: list[tuple[Floats, Floats]] = []
        if len(self._ranked):
            present = np.arange(n) if weight is None else np.flatnonzero(weight)
            few = np.linspace(0, len(present) - 1, min(len(present), QUANTILE_ROWS))
            rows = present[few.astype(np.intp)]  # the same in every fit
            known = None if weight is None else weight[rows]
            self._knots = _find_knots(X[rows][:, self._ranked], known)
        if len(self._ranked) or self.scaling != "auto":  # else "auto" has looked at all columns
            self.standardizer = Standardizer().fit_blocks(lambda: self._read(X), X.shape, weight)
        z = self.standardizer
        low, high = (z.lowest, z.highest) if self.scaling is None else (z.low, z.high)
        if self.scaling == "robust_smooth":
            z.by_quartiles(X, weight)
            low, high = bent(z.low), bent(z.high)
        self.low = np.append(low, np.zeros(len(self.indicators)))
        self.high = np.append(high, np.ones(len(self.indicators)))
        return self

    def transform(self, X: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the columns and the indicators, C-contiguous, shape (n, M + I)."""
        n, m = X.shape
        Z = np.empty((n, m + len(self.indicators)), dtype)
        if self._made is None or self._made[0] != Z.dtype:
            self._made = Z.dtype, self.scales(Z.dtype)
        scales = self._made[1]
        for rows, block in blocks(X):
            scales.transform(logarithm(block) if self.scaling == "log" else block, Z[rows])
        return Z

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_made"}

    def scales(
        self, dtype: npt.DTypeLike, names: Sequence[str] | None = None
    ) -> _core.ColumnScales:
        """Return what the engine does to the columns, behind the logarithm.

        Parameters
        ----------
        dtype : dtype
            Of its results.
        names : sequence of str or None, default=None
            Of the columns, for error messages.
        """
        z, m = self.standardizer, len(self.standardizer.mean)
        factor, mean, scale, missing = z.factor, z.mean, z.scale, np.zeros(m)
        constant, farthest = z.constant, FARTHEST
        if self.scaling is None:  # numbers stay as they are
            constant, farthest = np.zeros(m, bool), float(np.finfo(dtype).max)
            factor, mean, scale = np.ones(m), np.zeros(m), np.ones(m)
            missing = np.clip(z.mean / z.factor, -farthest, farthest)
        low, high = np.full(m, -np.inf), np.full(m, np.inf)
        if self.clips:  # training rows stay what they are
            low, high = z.lowest, z.highest
        return _core.ColumnScales(
            [str(j) for j in range(m)] if names is None else names, self._all_knots(), low, high,
            factor, mean, scale, missing, constant, self.indicators.astype(np.int64), farthest,
            BEND if self.scaling == "robust_smooth" else 0.0,
        )  # fmt: skip

    def clip(self, Z: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring scaled rows into the range of the training rows."""
        low, high = _clip_to(Z.dtype, self.low), _clip_to(Z.dtype, self.high)
        return np.ascontiguousarray(np.clip(Z, low, high), dtype=Z.dtype)

    def _all_knots(self) -> list[tuple[Floats, Floats]]:
        """Return for each column what its numbers are interpolated between, or nothing."""
        pairs = [_NO_KNOTS] * len(self.standardizer.mean)
        for j, pair in zip(self._ranked, self._knots, strict=True):
            pairs[j] = pair
        return pairs

    def _read(self, X: Any) -> Iterator[tuple[slice, Floats]]:
        for rows, block in blocks(X):
            if self.scaling == "log":
                block = logarithm(block)
            elif len(self._ranked):
                for j, (x, z) in zip(self._ranked, self._knots, strict=True):
                    block[:, j] = np.interp(block[:, j], x, z)
            yield rows, block

    def _columns_to_rank(self, X: Any, weight: Floats | None) -> npt.NDArray[np.intp]:
        """Return the columns that go by their ranks."""
        if self.scaling == "quantile":
            return np.arange(X.shape[1])
        if self.scaling != "auto":
            return np.arange(0)
        z = self.standardizer = Standardizer().fit(X, weight)
        return np.flatnonzero(np.maximum(-z.low, z.high) > HEAVY)


def logarithm(numbers: Floats) -> Floats:
    """Return sign(x) log(1 + abs(x)) of each number x, in the order in which they lie."""
    return np.copysign(np.log1p(np.abs(numbers)), numbers)


def _range(parts: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Return the least and the largest number of each column, 0 where there is none."""
    ends = [
        (np.fmin.reduce(part, initial=np.nan), np.fmax.reduce(part, initial=np.nan))
        for part in parts
    ]
    low, high = (np.array(end) for end in zip(*ends, strict=True))
    return np.nan_to_num(np.fmin.reduce(low)), np.nan_to_num(np.fmax.reduce(high))


def _weighted_sum(w: Floats | None, rows: slice, block: npt.NDArray[Any]) -> Floats:
    return np.asarray(block.sum(axis=0) if w is None else (w[rows] * block).sum(axis=0), np.float64)


def _zero_for_nan(block: Floats) -> Floats:
    """Put 0 in the place of NaN, in a block without infinities."""
    if np.isnan(block.sum()):
        np.nan_to_num(block, copy=False)
    return block


def _clip_to(dtype: npt.DTypeLike, numbers: Floats) -> Floats:
    """Return what the dtype can hold."""
    largest = float(np.finfo(dtype).max)
    return np.clip(numbers, -largest, largest)


def _find_knots(X: Any, weight: Floats | None) -> list[tuple[Floats, Floats]]:
    """Return for each column numbers and what the normal distribution has at their share.

    The share of a number is that of the rows below it and half of those equal to it.
    """
    w = np.ones(X.shape[0]) if weight is None else weight / weight.max()
    knots = []
    for j in range(X.shape[1]):
        column = X[:, [j]].toarray()[:, 0] if issparse(X) else X[:, j]
        there = ~np.isnan(column) & (w > 0)
        if not there.any():
            knots.append((np.zeros(1), np.zeros(1)))
            continue
        x, places = np.unique(column[there].astype(np.float64), return_inverse=True)
        mass = np.bincount(places, weights=w[there])
        share = (np.cumsum(mass) - mass / 2) / mass.sum()
        if len(x) > KNOTS:
            kept = np.unique(np.searchsorted(share, np.linspace(share[0], share[-1], KNOTS)))
            x, share = x[kept], share[kept]
        eps = np.finfo(np.float64).eps
        share = np.clip(share, eps, 1 - eps)  # a row of nearly no weight is not infinitely far out
        knots.append((x, ndtri(share)))
    return knots
