"""Rows as they come and in the network's own types, and how some are held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from dcnfast.table.schema import Table

Array = npt.NDArray[Any]

FEWEST = 60  # rows; fewer make one batch an epoch, too few steps to learn them by heart
FOLDED = 2_000  # rows; a part of more is enough to judge by
MANY = 10_000  # rows; a part of which even a warm start can do without


@dataclass(frozen=True)
class Part:
    """Rows of a table with their targets, as yet without scales.

    Parameters
    ----------
    table : Table
    y : ndarray of shape (n,) or (n, C)
        As scorers want it.
    target : ndarray of shape (n, C), for softmax (n, 1) with class numbers
    loss_weight : ndarray of shape (n,)
        Of the rows in the loss.
    column_weight : ndarray of shape (n,)
        Of the rows in the scales of columns.
    """

    table: Table
    y: Array
    target: Array
    loss_weight: Array
    column_weight: Array

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Array) -> Part:
        """Return some of the rows."""
        if len(rows) == len(self):
            return self
        return Part(self.table.take(rows), *(
            a[rows] for a in (self.y, self.target, self.loss_weight, self.column_weight)
        ))  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Rows as the engine reads them: C-contiguous, one dtype.

    Parameters
    ----------
    ids : ndarray of shape (N, F), int32
    dense : ndarray of shape (N, M)
    target : ndarray of shape (N, C), for softmax (N, 1) with class numbers
    weight : ndarray of shape (N,) or None
        With mean 1, so that a batch of B rows divides by B and every row counts the same in any
        batch.
    """

    ids: npt.NDArray[np.int32]
    dense: Array
    target: Array
    weight: Array | None

    def __len__(self) -> int:
        return len(self.dense)


def mean_one(weight: Array, dtype: npt.DTypeLike) -> Array | None:
    """Scale weights to mean 1; equal weights need no array at all."""
    if (weight == weight[0]).all():
        return None
    weight = weight / weight.max()
    return np.ascontiguousarray(weight / weight.mean(), dtype=dtype)


def rows_to_watch(estimator: Any, n: int, given: bool) -> str:
    """Resolve ``early_stopping``: which rows say when to stop.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
    n : int
        Rows to train on.
    given : bool
        Whether ``fit`` got rows to watch.

    Returns
    -------
    which : {"given", "part", "folds", "none"}
        Part of the rows, each of some folds in turn, or none at all.
    """
    if given:
        return "given"
    if estimator.early_stopping != "auto":
        return "part" if estimator.early_stopping else "none"
    if estimator.warm_start:  # its rows may have been trained on; only many are worth it
        return "part" if n > MANY else "none"
    if n < FEWEST:
        return "none"
    return "folds" if n < FOLDED and estimator.scoring is None else "part"


def split_for_validation(
    n: int,
    fraction: float,
    random_state: np.random.RandomState,
    labels: Array | None,
) -> tuple[Array, Array]:
    """Return the row numbers to train on and those held out.

    Parameters
    ----------
    n : int
    fraction : float
        Of the rows to hold out.
    random_state : RandomState
    labels : ndarray of shape (n,) or None
        Class numbers to keep the proportions of, where every class has two rows at least.

    Raises
    ------
    ValueError
        If one of the two parts would be empty.
    """
    stratify = None
    if labels is not None:
        counts = np.bincount(labels)
        held_out = int(np.ceil(fraction * n))
        # stratifying needs room for every class on both sides
        if counts[counts > 0].min() >= 2 and len(counts) <= min(held_out, n - held_out):
            # is sorted, and small numbers are sorted faster
            stratify = labels.astype(np.min_scalar_type(len(counts)))
    _, held = train_test_split(
        np.arange(n), test_size=fraction, random_state=random_state, stratify=stratify
    )
    watched = np.zeros(n, bool)
    watched[held] = True
    return np.flatnonzero(~watched), np.flatnonzero(watched)


def automatic_batch_size(n: int) -> int:
    """Resolve ``batch_size="auto"``: a power of two, about a hundred batches an epoch.

    But batches of 64 to 1024 rows, and at least four of them: small tables need the steps. Up to 64
    rows make one batch, so that there a row's weight is the same as its repetition.
    """
    if n <= 64:
        return n
    size = max(64.0, min(1024.0, n / 100))
    return int(2 ** np.floor(np.log2(min(size, n / 4))))
