"""Which rows a fit trains on and which it holds out: a part, or each of some folds in turn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split

from dcnfast.estimators.copies import distinct_rows
from dcnfast.table.schema import Table
from dcnfast.training.lists import lists_of

Array = npt.NDArray[Any]
Split = tuple[Array, Array]  # rows to train on, and rows held out

FOLDS = 5
FEWEST = 60  # rows; of fewer each is missed in training
FOLDED = 2_000  # rows; a part of more is enough to judge by
DOUBTED = 5_000  # rows; up to so many are held out by folds where a part leaves a doubt
TWICE = 50_000  # rows; more are not trained on twice
TRIED = range(1_000, 10_001)  # rows; fewer hardly tell ways to embed numbers apart, more are slow
FEWEST_GROUPS = 10  # where groups are held out whole; fewer say little of others
MANY = 10_000  # rows; of more, a warm start can hold out a part as well


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
    own : ndarray or None
        Statistics of categories, where they leave out the rows' own targets.
    group : ndarray of shape (n,), int64, or None
        Of each row, where the loss ranks; rows of a group stand together.
    """

    table: Table
    y: Array
    target: Array
    loss_weight: Array
    column_weight: Array
    own: Array | None = None
    group: Array | None = None

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Array) -> Part:
        """Return some of the rows."""
        if len(rows) == len(self):
            return self
        part = Part(self.table.take(rows), *(
            a[rows] for a in (self.y, self.target, self.loss_weight, self.column_weight)
        ))  # fmt: skip
        more: dict[str, Any] = {"own": self.own, "group": self.group}
        return replace(part, **{k: v[rows] for k, v in more.items() if v is not None})

    @property
    def n_groups(self) -> int:
        """How many groups there are, whose rows are held out together; of single rows as many."""
        return len(self) if self.group is None else len(lists_of(self.group).firsts)


def rows_to_watch(estimator: Any, part: Part, given: bool) -> str:
    """Resolve ``early_stopping``: which rows say when to stop.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
    part : Part
        Rows to train on.
    given : bool
        Whether ``fit`` got rows to watch.

    Returns
    -------
    which : {"given", "part", "once", "folds", "none"}
        Part of the rows; a part of them, before a network is trained on all; each of some folds in
        turn, before the same; or none at all.
    """
    n = len(part)
    if given:
        return "given"
    if estimator.early_stopping != "auto":
        return "part" if estimator.early_stopping else "none"
    if part.group is not None and part.n_groups < FEWEST_GROUPS:
        return "none"
    if estimator.warm_start:  # its rows may have been trained on; only many are worth it
        return "part" if n > MANY else "none"
    if n < FEWEST:
        return "none"
    if part.group is not None:
        return "part"
    if estimator.scoring is not None or estimator.max_time is not None:  # time for one training
        return "part"
    if n < FOLDED:
        return "folds"
    return "once" if estimator.tol is not None and n <= TWICE else "part"


def learns_by_heart(estimator: Any, n: int) -> bool:
    """Return whether so few rows that nobody watches end a training once most of them are learned.

    Log-losses fall on and on, as the network gets surer of every row; squared errors do not.
    """
    automatic = estimator.early_stopping == "auto" and estimator.tol is not None
    return automatic and n < FEWEST and is_classifier(estimator)


def hold_out(
    fraction: float, whole: Part, labels: Array | None, random_state: np.random.RandomState
) -> Split:
    """Return the row numbers to train on, and those of a part that is held out.

    Parameters
    ----------
    fraction : float
    whole : Part
        Its groups are held out whole, as are copies of rows.
    labels : ndarray of shape (n,) or None
        Class numbers whose proportions are kept.
    random_state : RandomState
    """
    if whole.group is not None:
        return split_groups_for_validation(whole.group, fraction, random_state)
    distinct = distinct_rows(whole.table, whole.target)
    labels = None if labels is None else labels[distinct.firsts]
    kept, held = split_for_validation(len(distinct), fraction, random_state, labels)
    return distinct.rows(kept), distinct.rows(held)


def hold_out_folds(
    whole: Part, labels: Array | None, random_state: np.random.RandomState
) -> list[Split]:
    """Return as :func:`hold_out` does what each fold in turn leaves, and its rows."""
    distinct = distinct_rows(whole.table, whole.target)
    labels = None if labels is None else labels[distinct.firsts]
    number = assign_folds(len(distinct), random_state, labels)
    return [
        (distinct.rows(np.flatnonzero(number != k)), distinct.rows(np.flatnonzero(number == k)))
        for k in range(FOLDS)
    ]


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
    stratify, held_out = None, int(np.ceil(fraction * n))
    if held_out >= n:
        raise ValueError(
            f"early_stopping holds out {held_out} of {n} rows with validation_fraction="
            f"{fraction:g}, want one left to train on: more rows, or early_stopping=False"
        )
    if labels is not None:
        counts = np.bincount(labels)
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


def split_groups_for_validation(
    group: Array, fraction: float, random_state: np.random.RandomState
) -> tuple[Array, Array]:
    """Return the row numbers to train on and those held out: whole groups.

    Raises
    ------
    ValueError
        If there is one group only.
    """
    lists = lists_of(group)
    n = len(lists.firsts)
    if n < 2:
        raise ValueError(
            "early_stopping=True holds out whole groups and group has 1, want 2 at least, or X_val"
        )
    held_out = min(n - 1, int(np.ceil(fraction * n)))
    held = np.zeros(n, bool)
    held[random_state.permutation(n)[:held_out]] = True
    watched = np.repeat(held, lists.sizes)
    return np.flatnonzero(~watched), np.flatnonzero(watched)


def assign_folds(
    n: int, random_state: np.random.RandomState, labels: npt.NDArray[np.intp] | None
) -> npt.NDArray[np.intp]:
    """Return the number of each row's fold; each fold has its share of every class."""
    order = random_state.permutation(n)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(n, np.intp)
    folds[order] = np.arange(n) % FOLDS
    return folds
