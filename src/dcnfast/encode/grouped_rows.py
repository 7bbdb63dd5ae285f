"""Training rows in groups and in folds: sums of their targets, and what a group's mean says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int32]
Codes = npt.NDArray[np.intp]

MOST_OUTPUTS = 10  # means for a group of rows
MOST_SUMS = 2**24  # of groups and folds, with one that none of the rows is in


@dataclass(frozen=True, eq=False)
class Targets:
    """What is averaged over the training rows.

    Parameters
    ----------
    values : ndarray of shape (n, C), for classes (n, 1) with their numbers
    names : sequence of str
        Of the C numbers or of the classes.
    are_classes : bool
    weight : ndarray of shape (n,)
        Not negative, not all zero.
    seed : int
        Of the folds.
    number : ndarray of shape (n,) or None, default=None
        Copies of a row have the same number, and come into the same fold; None where none has any.
    """

    values: npt.NDArray[Any]
    names: Sequence[str]
    are_classes: bool
    weight: Floats
    seed: int
    number: Codes | None = None

    def choose(self) -> list[int]:
        """Return which numbers, or which classes, are averaged: of two classes the second.

        Of many numbers these are the first, of many classes the most frequent.
        """
        n = len(self.names)
        if not self.are_classes or n <= MOST_OUTPUTS:
            return [1] if self.are_classes and n == 2 else list(range(min(n, MOST_OUTPUTS)))
        weights = np.bincount(self.values[:, 0].astype(np.intp), self.weight, n)
        chosen: list[int] = np.argsort(-weights, kind="stable")[:MOST_OUTPUTS].tolist()
        return sorted(chosen)

    def columns(self, chosen: list[int]) -> Floats:
        """Return the numbers, or 0 and 1 for each class, shape (n, len(chosen))."""
        columns = self.values == chosen if self.are_classes else self.values[:, chosen]
        return np.asarray(columns, np.float64)


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Training rows.

    Parameters
    ----------
    ids : ndarray of shape (n, F)
    values : ndarray of shape (n, C)
        What is averaged.
    weight : ndarray of shape (n,)
        1 in the mean, so that its sums count rows.
    fold : ndarray of shape (n,)
    n_folds : int
    """

    ids: Ids
    values: Floats
    weight: Floats
    fold: Codes
    n_folds: int

    @classmethod
    def of(cls, ids: Ids, values: Floats, targets: Targets, n_folds: int) -> GroupedRows:
        """Return rows in folds that the seed of the targets draws; no more folds than rows."""
        number = targets.number
        n = len(ids) if number is None else int(number.max()) + 1
        n_folds = max(2, min(n_folds, n))
        fold = np.random.RandomState(targets.seed).permutation(n) % n_folds
        fold = fold if number is None else fold[number]
        weight = targets.weight / targets.weight.max()
        return cls(ids, values, weight / weight.mean(), fold, n_folds)

    def __len__(self) -> int:
        return len(self.ids)

    def some(self, most: int) -> GroupedRows:
        """Return so many of the rows, the same in every fit."""
        if len(self) <= most:
            return self
        rows = np.linspace(0, len(self) - 1, most).astype(np.intp)
        return GroupedRows(
            self.ids[rows], self.values[rows], self.weight[rows], self.fold[rows], self.n_folds
        )

    def mean(self) -> Floats:
        """Return the mean of all rows, shape (C,)."""
        return np.asarray((self.weight[:, None] * self.values).sum(axis=0) / self.weight.sum())

    def sums(self, codes: Codes, n: int) -> tuple[Floats, Floats]:
        """Return for each of n groups the sums of its values (n, C) and of its weights (n,)."""
        weighted = self.weight[:, None] * self.values
        sums = [np.bincount(codes, column, n) for column in weighted.T]
        counts: Floats = np.bincount(codes, self.weight, n).astype(np.float64)
        return np.stack(sums, axis=1), counts

    def sums_of_other_folds(self, codes: Codes, n: int) -> tuple[Floats, Floats]:
        """Return for each row the sums over its group outside its own fold."""
        inside = codes * self.n_folds + self.fold
        n_inside = n * self.n_folds
        if n_inside > MOST_SUMS:
            found, inside = np.unique(inside, return_inverse=True)
            n_inside = len(found)
        sums, weight = self.sums(codes, n)
        own_sums, own_weight = self.sums(inside, n_inside)
        others = np.maximum(weight[codes] - own_weight[inside], 0)  # not less, but for rounding
        return sums[codes] - own_sums[inside], others

    def gain(self, means: Floats, beside: Sequence[Floats]) -> float:
        """Return how much better the values are predicted with these means.

        What linear regression gains by them, in the units in which a column of no use gains 1 in
        the mean; 0 where a larger mean goes with smaller values.

        Parameters
        ----------
        means : ndarray of shape (n, C)
            Of other folds.
        beside : sequence of ndarray of shape (n, C)
            Means that the regression has in any case.
        """
        w, n, total = self.weight, len(self), 0.0
        for c, y in enumerate(self.values.T):
            basis: list[Floats] = []
            for column in (np.ones(n), *(other[:, c] for other in beside)):
                rest = _without(column, basis, w)
                if (size := (w * rest * rest).sum()) > 1e-12 * (w * column * column).sum():
                    basis.append(rest / np.sqrt(size))
            y, z = _without(y, basis, w), _without(means[:, c], basis, w)
            left, size = (w * y * y).sum(), (w * z * z).sum()
            along = (w * y * z).sum()
            if left > 0 and along > 0 and size > 1e-12 * (w * means[:, c] ** 2).sum():
                total += n * along * along / (size * left)
        return float(total / self.values.shape[1])


def _without(column: Floats, basis: Sequence[Floats], w: Floats) -> Floats:
    """Return what is left of a column beside an orthonormal basis."""
    for other in basis:
        column = column - (w * other * column).sum() * other
    return column
