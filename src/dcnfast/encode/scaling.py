"""Numbers of any unit -> numbers of about 1, always finite.

Everything is computed in float64, a few rows at a time so that they stay in the cache. What is
learned is learned here; ``ColumnScales`` of the engine applies it, to tables and to single rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from scipy.special import ndtri

from dcnfast import _core
from dcnfast.encode.bins import MISSING_PLACE, Bins, Rule, find_bins
from dcnfast.encode.columns import Floats, blocks, some_rows
from dcnfast.encode.grouped_rows import Targets
from dcnfast.encode.robust import BEND, bent
from dcnfast.encode.standardizer import FARTHEST, NO_KNOTS, Standardizer

KNOTS = 1000  # of the function that takes a column to its quantiles
HEAVY = 6.0  # standard deviations; no normal column of a billion rows has a number farther out


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
            'the mean, which a polynomial would make too much of, and "standard" for the others; '
            '"robust_smooth" where numbers are embedded',
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


@dataclass(frozen=True, eq=False)
class ScaleConstants:
    """What is done to M columns of numbers, as ``serving/scale.hpp`` has it.

    Parameters
    ----------
    knots : list of (ndarray, ndarray)
        What the numbers of each column are interpolated between; empty where they are not.
    low, high : ndarray of shape (M,)
        To which they are clipped then.
    factor, mean, scale : ndarray of shape (M,)
        z = (x * factor - mean) / scale.
    missing : ndarray of shape (M,)
        z of NaN.
    constant : ndarray of shape (M,), bool
        Columns whose z is always 0.
    indicators : ndarray of int
        Columns that say whether a number is missing.
    farthest, bend : float
        z is cut there; and where ``bend`` is above 0 it becomes z / sqrt(1 + (z / bend)^2).
    bins : list of (ndarray, float, float)
        Edges, unit and the place of NaN of each column, no edges where it has no bins; or nothing
        where none has any.
    goes_on : bool
        Whether places go on beyond the outer edges.
    """

    knots: list[tuple[Floats, Floats]]
    low: Floats
    high: Floats
    factor: Floats
    mean: Floats
    scale: Floats
    missing: Floats
    constant: npt.NDArray[np.bool_]
    indicators: npt.NDArray[np.int64]
    farthest: float
    bend: float
    bins: list[tuple[Floats, float, float]]
    goes_on: bool


class NumericScaler:
    """The numeric columns as the network reads them, and a column for what was missing.

    Without bins all columns are plain. Of a plain column missing numbers become the mean of the
    training rows, with "robust_smooth" the median; if training saw both numbers and missing ones in
    it, it has an indicator, behind all the plain columns: 1 where it is missing, else 0.

    Columns with bins come last, each as two: z, scaled as the others are, and u, its place among
    the bins: the number of the bin and the share of it that is below. Of a missing number z is 0
    and u ``MISSING_PLACE``, but in a column in which training saw none it becomes the mean.

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
        Whether numbers beyond the range of the training rows become its border. Their places
        among the bins go on behind the outer edge if not.
    rule : Rule or None, default=None
        Where the edges of bins are; None makes all columns plain.

    Attributes
    ----------
    bins : dict of int to Bins
        By column: all in which training saw two distinct numbers, in their order.
    indicators : ndarray of shape (I,), int
        Columns that have an indicator.
    low, high : ndarray of shape (P + I + 2 J,)
        Range of the training rows, of P plain columns, indicators and J columns with bins.
    """

    clips = False  # of a pickle that does not say it
    rule: Rule | None = None
    bins: Mapping[int, Bins] = MappingProxyType({})
    _made: tuple[np.dtype[Any], _core.ColumnScales] | None = None

    def __init__(
        self, scaling: str | None = "auto", *, clips: bool = True, rule: Rule | None = None
    ) -> None:
        self.scaling = scaling
        self.clips = clips
        self.rule = rule

    def fit(
        self,
        X: Any,
        weight: Floats | None = None,
        targets: Targets | None = None,
        n_statistics: int = 0,
    ) -> NumericScaler:
        """Learn from the training rows.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n, M)
            Finite or NaN.
        weight : ndarray of shape (n,) or None
            Not negative, not all zero.
        targets : Targets or None, default=None
            Of the rows, where edges of bins depend on them.
        n_statistics : int, default=0
            How many of the last columns are statistics of categories.
        """
        self._made = None
        n, m = X.shape
        n_missing = sum((np.isnan(block).sum(axis=0) for _, block in blocks(X)), np.zeros(m))
        if self.rule is not None:
            self.bins = find_bins(X, weight, self.rule, self._before, targets, n_statistics)
        gaps = (n_missing > 0) & (n_missing < n)
        self.indicators = np.array([j for j in np.flatnonzero(gaps) if j not in self.bins], int)
        self._ranked = self._columns_to_rank(X, weight)
        self._knots: list[tuple[Floats, Floats]] = []
        if len(self._ranked):
            rows = some_rows(n, weight)
            known = None if weight is None else weight[rows]
            self._knots = _find_knots(X[rows][:, self._ranked], known)
        if len(self._ranked) or self.scaling != "auto":  # else "auto" has looked at all columns
            self.standardizer = Standardizer().fit_blocks(lambda: self._read(X), X.shape, weight)
        z = self.standardizer
        low, high = (z.lowest, z.highest) if self.scaling is None else (z.low, z.high)
        if self.scaling == "robust_smooth":
            z.by_quartiles(X, weight)
            low, high = bent(z.low), bent(z.high)
        counts = [bins.n for bins in self.bins.values()]
        self.low = self._lay_out(low, 0, [0] * len(counts))
        self.high = self._lay_out(high, 1, counts)
        return self

    def transform(self, X: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the columns as they are laid out, C-contiguous, shape (n, P + I + 2 J)."""
        Z = np.empty((X.shape[0], len(self.low)), dtype)
        if self._made is None or self._made[0] != Z.dtype:
            self._made = Z.dtype, self.scales(Z.dtype)
        scales = self._made[1]
        for rows, block in blocks(X):
            scales.transform(self._before(block), Z[rows])
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
        c = self.constants(dtype)
        return _core.ColumnScales(
            [str(j) for j in range(len(c.mean))] if names is None else names, c.knots, c.low,
            c.high, c.factor, c.mean, c.scale, c.missing, c.constant, c.indicators, c.farthest,
            c.bend, c.bins, c.goes_on,
        )  # fmt: skip

    def constants(self, dtype: npt.DTypeLike) -> ScaleConstants:
        """Return all numbers that scaling takes, for results of that type."""
        z, m = self.standardizer, len(self.standardizer.mean)
        factor, mean, scale, missing = z.factor, z.mean, z.scale, np.zeros(m)
        constant, farthest = z.constant, FARTHEST
        if self.scaling is None:  # numbers stay as they are
            constant, farthest = np.zeros(m, bool), float(np.finfo(dtype).max)
            factor, mean, scale = np.ones(m), np.zeros(m), np.ones(m)
            missing = np.clip(z.mean / z.factor, -farthest, farthest)
            missing[[j for j, bins in self.bins.items() if bins.has_gaps]] = 0
        low, high = np.full(m, -np.inf), np.full(m, np.inf)
        if self.clips:  # training rows stay what they are
            low, high = z.lowest, z.highest
        return ScaleConstants(
            self._all_knots(), low, high, factor, mean, scale, missing, constant,
            self.indicators.astype(np.int64), farthest,
            BEND if self.scaling == "robust_smooth" else 0.0, self._all_bins(), not self.clips,
        )  # fmt: skip

    def clip(self, Z: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring scaled rows into the range of the training rows; missing numbers stay missing."""
        low, high = _clip_to(Z.dtype, self.low), _clip_to(Z.dtype, self.high)
        clipped = np.ascontiguousarray(np.clip(Z, low, high), dtype=Z.dtype)
        first = len(self.low) - 2 * len(self.bins)
        missing = Z[:, first + 1 :: 2] == MISSING_PLACE
        clipped[:, first::2][missing] = 0
        clipped[:, first + 1 :: 2][missing] = MISSING_PLACE
        return clipped

    @property
    def plain(self) -> list[int]:
        """Columns without bins."""
        return [j for j in range(len(self.standardizer.mean)) if j not in self.bins]

    def _lay_out(self, columns: Floats, indicator: float, places: Sequence[float]) -> Floats:
        """Return one number for each column of the result."""
        pairs = [
            number
            for j, place in zip(self.bins, places, strict=True)
            for number in (columns[j], place)
        ]
        return np.array([*columns[self.plain], *[indicator] * len(self.indicators), *pairs])

    def _before(self, numbers: Floats) -> Floats:
        """Return what is scaled, and cut into bins."""
        return logarithm(numbers) if self.scaling == "log" else numbers

    def _all_bins(self) -> list[tuple[Floats, float, float]]:
        """Return edges, unit and the place of what is missing of each column, or no edges."""
        if not self.bins:
            return []
        with np.errstate(over="ignore"):  # of columns without bins
            usual = self.standardizer.mean / self.standardizer.factor
        for j, (x, z) in zip(self._ranked, self._knots, strict=True):
            usual[j] = np.interp(usual[j], z, x)
        none = Bins(np.empty(0), 1.0)
        of_columns = ((mean, self.bins.get(j, none)) for j, mean in enumerate(usual.tolist()))
        return [(bins.edges, bins.unit, bins.place_of_missing(mean)) for mean, bins in of_columns]

    def _all_knots(self) -> list[tuple[Floats, Floats]]:
        """Return for each column what its numbers are interpolated between, or nothing."""
        pairs = [NO_KNOTS] * len(self.standardizer.mean)
        for j, pair in zip(self._ranked, self._knots, strict=True):
            pairs[j] = pair
        return pairs

    def _read(self, X: Any) -> Iterator[tuple[slice, Floats]]:
        for rows, block in blocks(X):
            block = self._before(block)
            for j, (x, z) in zip(self._ranked, self._knots, strict=True):
                block[:, j] = _interpolated(block[:, j], x, z)
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


def _clip_to(dtype: npt.DTypeLike, numbers: Floats) -> Floats:
    """Return what the dtype can hold."""
    largest = float(np.finfo(dtype).max)
    return np.clip(numbers, -largest, largest)


def _interpolated(numbers: Floats, x: Floats, z: Floats) -> Floats:
    """Return what lies on the line through points (x, z), as the engine rounds it."""
    with np.errstate(over="ignore"):
        steep = np.isinf(np.diff(z) / np.diff(x))  # between denormal numbers
    found = np.asarray(np.interp(numbers, x, z))
    if steep.any():
        j = np.clip(np.searchsorted(x, numbers, side="right") - 1, 0, len(x) - 2)
        share = np.clip((numbers - x[j]) / (x[j + 1] - x[j]), 0, 1)
        found = np.where(steep[j], share * (z[j + 1] - z[j]) + z[j], found)
    return found


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
