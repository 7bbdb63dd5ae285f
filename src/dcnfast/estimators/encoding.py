"""The encoder of a fit: made of the training rows, or that of the fit that it goes on from."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.grouped_rows import Targets
from dcnfast.encode.growth import grown_encoder
from dcnfast.encode.target_statistics import Rule
from dcnfast.estimators.automatic_statistics import has_many_rare_categories, pairs_come_again
from dcnfast.estimators.configure import kind_of, numeric_kinds
from dcnfast.estimators.copies import distinct_rows
from dcnfast.estimators.label_targets import Target
from dcnfast.estimators.splits import Part
from dcnfast.network.crosses import CROSSES
from dcnfast.network.numeric_embeddings import NumericEmbedding
from dcnfast.training.target_statistics import rule_of


class Task(Protocol):
    """What a fit is to do, see :class:`dcnfast.estimators.fitted.Task`."""

    @property
    def target(self) -> Target:
        """What the rows are to be predicted for."""

    @property
    def numeric(self) -> NumericEmbedding | None:
        """How numbers are embedded, if they are."""

    @property
    def begins_linear(self) -> bool:
        """Whether the network begins as a linear model."""

    @property
    def statistics(self) -> Rule | None:
        """How statistics of targets are made, if they are."""

    @property
    def last_encoder(self) -> TableEncoder | None:
        """That of the fit that this one goes on from, which stays as it is."""


def fit_encoder(
    estimator: Any,
    part: Part,
    task: Task,
    random_state: np.random.RandomState,
) -> tuple[TableEncoder, Part]:
    """Return an encoder, and the training rows with statistics that leave out their own targets.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
    part : Part
        The rows to train on.
    task : Task
    random_state : RandomState
        Draws the folds of the statistics, if there are any.
    """
    last = task.last_encoder
    rule = None if last is not None else task.statistics
    bins = None if task.numeric is None else task.numeric.rule()
    has_statistics = rule is not None or (last is not None and last.statistics is not None)
    targets = None
    if has_statistics or (bins is not None and bins.tree):
        seed = int(random_state.randint(2**31)) if has_statistics else 0
        targets = _targets(task.target, part, seed)
    if last is not None:
        own = None
        if last.statistics is not None and targets is not None:
            own = last.own(part.table, targets, estimator.n_jobs)
        return grown_encoder(last, part.table), replace(part, own=own)
    encoder = TableEncoder(
        numeric_scaling=scaling_of(estimator, part.table.numbers.shape[1], task.begins_linear),
        numeric_clip=clips(estimator, task.begins_linear),
        min_frequency=estimator.min_frequency,
        max_categories=estimator.max_categories,
        recycle_categories=estimator.recycle_categories,
        hash_buckets=estimator.hash_buckets,
        shared_embeddings=estimator.shared_embeddings,
        target_statistics=rule,
        numeric_bins=bins,
    )
    forbids = kind_of(CROSSES, estimator).forbids
    own = encoder.fit_own(part.table, part.column_weight, estimator.n_jobs, targets, forbids)
    return encoder, replace(part, own=own)


def reads_targets(task: Task) -> bool:
    """Return whether the encoder reads the targets, for statistics or for bins."""
    bins = None if task.numeric is None else task.numeric.rule()
    return task.statistics is not None or (bins is not None and bins.tree)


def statistics_rule(estimator: Any, whole: Part, target: Target, streams: bool) -> Rule | None:
    """Return how statistics of targets are made, if they are.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
    whole : Part
        All rows to train on: a part of them might be answered otherwise.
    target : Target
        Theirs.
    streams : bool
        Whether these are the first rows of a stream, which say little of its categories.
    """
    given, factors, n = estimator.target_statistics, whole.table.factors, len(whole)
    if given is None or not isinstance(given, str):
        return None if given is None else rule_of(given)
    if streams:
        return None
    rule = rule_of(given)

    makes = has_many_rare_categories(factors, n) or pairs_come_again(
        rule, factors, n, partial(_targets, target, whole, 0), estimator.n_jobs
    )
    return rule if makes else None


def _targets(target: Target, part: Part, seed: int) -> Targets:
    """Return what is averaged of a part's rows, copies of a row in one fold."""
    number = distinct_rows(part.table, part.target).number
    return replace(target.averaged(part.target, part.column_weight, seed), number=number)


def scaling_of(estimator: Any, n_numeric: int, begins_linear: bool) -> str | None:
    """Resolve "auto": an embedding bends numbers itself, and they need no ranks for that.

    A linear model wants them as they are.
    """
    given: str | None = estimator.numeric_scaling
    if given != "auto":
        return given
    if begins_linear:
        return "standard"
    return given if numeric_kinds(estimator, n_numeric) == (None,) else "robust_smooth"


def clips(estimator: Any, begins_linear: bool) -> bool:
    """Resolve "auto" of ``numeric_clip``: a linear model goes on beyond the training rows."""
    given: bool | str = estimator.numeric_clip
    return not begins_linear if isinstance(given, str) else bool(given)
