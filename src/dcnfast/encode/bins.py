"""Bins of numeric columns, for embeddings: edges at values, at quantiles, or by a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import issparse

from dcnfast.encode.columns import Floats, blocks, least_and_largest, some_rows
from dcnfast.encode.grouped_rows import Targets
from dcnfast.encode.tree import common_scale, thresholds

MISSING_PLACE = -1e9  # among the bins, and of no number; float32 holds it
STATISTICS_BINS = 4  # at most, of rows and of values
_EPS = np.finfo(np.float64).eps
_NARROWEST = float(np.finfo(np.float64).tiny)  # bin; 1 over it is finite


@dataclass(frozen=True)
class Rule:
    """Where edges are.

    Parameters
    ----------
    max_bins : int
        Bins of the same number of rows, and as many of the same number of distinct values, whose
        edges are taken together; of a tree the leaves.
    max_distinct : int
        A column of no more distinct values has an edge at each of them.
    tree : bool, default=False
        Whether a decision tree of the column and the target splits at the edges.
    min_rows : int, default=1
        Of its leaves.
    """

    max_bins: int
    max_distinct: int
    tree: bool = False
    min_rows: int = 1

    def of_statistics(self) -> Rule:
        """Return the rule for statistics of categories, which must not tell rows apart.

        The mean of the other folds is the smaller the larger a row's own target is. An embedding
        that tells every mean from the next would learn the targets of categories by heart so.
        """
        return replace(self, max_bins=min(self.max_bins, STATISTICS_BINS), max_distinct=0)


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins of a column.

    Parameters
    ----------
    edges : ndarray of shape (n + 1,)
        Of the column times ``unit``, ascending.
    unit : float
        A power of two, 1 for ordinary columns. With it all differences of edges are finite.
    has_gaps : bool, default=True
        Whether training saw missing numbers, and so may learn what they mean.
    effective : float, default=1.0
        How many edges would be as uneven, if each had as many rows near it as the others: exp(H)
        of the entropy H of the shares of rows.
    """

    edges: Floats
    unit: float
    has_gaps: bool = True
    effective: float = 1.0

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.edges) - 1

    @property
    def scale(self) -> float:
        """What the pieces of an embedding are multiplied by.

        Training moves each of the pieces as fast, and a number far up is the sum of all below it:
        without the scale, many pieces would learn the noise of the first batches.
        """
        return float(1 / np.sqrt(self.effective))

    def place_of_missing(self, usual: float) -> float:
        """Return u of a missing number: of ``usual`` if training did not see any missing."""
        if self.has_gaps:
            return MISSING_PLACE
        return float(np.interp(usual * self.unit, self.edges, np.arange(len(self.edges))))


def find_bins(
    X: Any,
    weight: Floats | None,
    rule: Rule,
    function: Callable[[Floats], Floats],
    targets: Targets | None = None,
    n_statistics: int = 0,
) -> dict[int, Bins]:
    """Return the bins of each column that has two distinct values or more.

    All rows lie within the outer edges; the others are found in some of the rows.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, M)
        Finite or NaN, which counts for nothing.
    weight : ndarray of shape (n,) or None
        Not negative, not all zero. A row of weight two is a row that comes twice.
    rule : Rule
    function : callable
        What is done to numbers first; it must not change their order.
    targets : Targets or None, default=None
        Of the rows, which a tree wants.
    n_statistics : int, default=0
        How many of the last columns are statistics of categories.

    Raises
    ------
    ValueError
        If the rule wants targets and there are none.
    """
    if rule.tree and targets is None:
        raise ValueError("numeric_bins: edges of decision trees want the targets of the rows")
    low, high = (function(end) for end in least_and_largest(_with_weight(X, weight)))
    gaps = np.logical_or.reduce([np.isnan(part).any(axis=0) for part in _with_weight(X, weight)])
    rows = some_rows(X.shape[0], weight)
    some = X if len(rows) == X.shape[0] else X[rows]
    some = some.tocsc() if issparse(some) else some
    mass = None if weight is None else weight[rows] / weight.max()
    y = None
    if rule.tree and targets is not None:
        y = targets.columns(targets.choose())[rows]
        y = y if targets.are_classes else common_scale(y, mass)
    found, coarse, first = {}, rule.of_statistics(), X.shape[1] - n_statistics
    for j in np.flatnonzero(low < high).tolist():
        column = some[:, [j]].toarray()[:, 0] if issparse(some) else some[:, j]
        unit = _unit(low[j], high[j])
        x = function(np.asarray(column, np.float64)) * unit
        ends = unit * np.array([low[j], high[j]])
        of_column = coarse if j >= first else rule
        inner = _edges(x, mass, of_column) if y is None else _splits(x, y, mass, of_column)
        edges = _apart(np.union1d(inner, ends))
        found[j] = Bins(edges, unit, bool(gaps[j]), _effective(x, mass, edges))
    return found


def _with_weight(X: Any, weight: Floats | None) -> Iterator[Floats]:
    for rows, block in blocks(X):
        yield block if weight is None else block[weight[rows] > 0]


def _edges(x: Floats, weight: Floats | None, rule: Rule) -> Floats:
    """Return the distinct values where there are few, else quantiles of rows and of values."""
    there = ~np.isnan(x)
    mass: Any
    if weight is None:
        values, mass = np.unique(x[there], return_counts=True)
    else:
        values, places = np.unique(x[there], return_inverse=True)
        mass = np.bincount(places, weights=weight[there])
    n = len(values)
    if n <= rule.max_distinct:
        return values
    below = np.cumsum(mass, dtype=np.float64)
    shares = np.linspace(0, below[-1], rule.max_bins + 1)
    # a share that ends at a value ends there however the weights were rounded
    of_rows = np.searchsorted(below, shares - int(there.sum()) * _EPS * below[-1])
    of_values = np.linspace(0, n - 1, rule.max_bins + 1).astype(np.intp)
    return np.asarray(values[np.union1d(of_rows, of_values)])


def _splits(x: Floats, y: Floats, weight: Floats | None, rule: Rule) -> Floats:
    """Return where a decision tree of the numbers splits."""
    there = ~np.isnan(x)
    mass = None if weight is None else weight[there]
    return thresholds(x[there], y[there], mass, rule.max_bins, rule.min_rows)


def _effective(x: Floats, weight: Floats | None, edges: Floats) -> float:
    """Return exp(H), H the entropy of the shares of rows that are nearest to each edge."""
    there = ~np.isnan(x)
    nearest = np.rint(np.interp(x[there], edges, np.arange(len(edges)))).astype(np.intp)
    mass = np.bincount(nearest, weights=None if weight is None else weight[there])
    share = mass[mass > 0] / mass.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _apart(edges: Floats) -> Floats:
    """Return ascending edges without those so near to the next that no line fits between."""
    kept: Floats = edges[np.append(np.diff(edges) >= _NARROWEST, True)]
    kept[0] = edges[0]
    return kept


def _unit(low: float, high: float) -> float:
    """Return the power of two with which numbers near the ends of the range become ordinary."""
    exponent = int(np.frexp(max(abs(low), abs(high)))[1])
    return float(np.ldexp(1.0, max(-1000, min(1000, -exponent)))) if abs(exponent) > 300 else 1.0
