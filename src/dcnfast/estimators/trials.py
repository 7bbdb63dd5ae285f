"""What rows held out say before a network is trained on all rows: how, and how long.

The network of the fit is trained without some of the rows, once for each way to embed numbers that
may be best, and is judged by these rows. Of few rows every fold is held out in turn, and of some
more where a part leaves it in doubt whether the network says more than a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.estimators.configure import dropout_seed, numeric_kinds, settings_of
from dcnfast.estimators.encoding import fit_encoder
from dcnfast.estimators.fitted import Task
from dcnfast.estimators.preparing import prepare
from dcnfast.estimators.splits import (
    DOUBTED,
    FOLDS,
    TRIED,
    Part,
    Split,
    hold_out,
    hold_out_folds,
)
from dcnfast.network.numeric_embeddings import NumericEmbedding
from dcnfast.training.folds import LARGEST, Choice, Fold, choose_epochs
from dcnfast.training.settings import INTERRUPTED
from dcnfast.training.state import Training

Array = npt.NDArray[Any]


def try_out(
    estimator: Any,
    how: str,
    whole: Part,
    labels: Array | None,
    task: Task,
    random_state: np.random.RandomState,
) -> tuple[Task, Choice | None]:
    """Return the task as it did best, and how long to train.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
    how : {"once", "folds"}
        Whether to hold out a part, or each of some folds in turn.
    whole : Part
    labels : ndarray of shape (n,) or None
        Class numbers whose proportions the held-out rows keep.
    task : Task
    random_state : RandomState

    Returns
    -------
    task : Task
    choice : Choice or None
        None for a network that is too large to be trained so often.
    """
    if how == "folds":
        splits = hold_out_folds(whole, labels, random_state)
    else:
        splits = [hold_out(estimator.validation_fraction, whole, labels, random_state)]
    seed = dropout_seed(estimator, random_state)
    best, choice = task, None
    kinds = _kinds_to_try(estimator, whole)
    times = 1 + len(kinds) if how == "once" else 1  # trainings as long as that on all rows
    for numeric in kinds:
        with_kind = replace(task, numeric=numeric)
        now = _train(estimator, splits, whole, with_kind, seed, random_state, times)
        if now is None:
            return task, None
        interrupted = INTERRUPTED in now.notices
        if choice is None or now.is_better(choice):
            best, choice = with_kind, now
        elif interrupted:
            choice.notices.append(INTERRUPTED)
        if interrupted:
            return best, choice
    if (
        how == "once"
        and len(whole) <= DOUBTED
        and choice is not None
        and choice.judgement.is_in_doubt
    ):
        splits = hold_out_folds(whole, labels, random_state)
        of_all = _train(estimator, splits, whole, best, seed, random_state, times + FOLDS)
        if of_all is not None and INTERRUPTED not in of_all.notices:
            choice = of_all
        elif of_all is not None:
            choice.notices.append(INTERRUPTED)
    return best, choice


def _kinds_to_try(estimator: Any, whole: Part) -> tuple[NumericEmbedding | None, ...]:
    """Return how numbers may be embedded, if there are any; the usual way alone without a trial."""
    n_columns = whole.table.numbers.shape[1]
    kinds = numeric_kinds(estimator, n_columns)
    return kinds if n_columns and len(whole) in TRIED else kinds[:1]


def _train(
    estimator: Any,
    splits: Sequence[Split],
    whole: Part,
    task: Task,
    seed: int,
    random_state: np.random.RandomState,
    times: int,
) -> Choice | None:
    """Train without the rows of each split that are held out; None if the network is too large."""
    folds = list[Fold]()
    for kept, held_out in splits:
        encoder, part = fit_encoder(estimator, whole.take(kept), task, random_state)
        held = whole.take(held_out)
        in_fold = len(splits) > 1
        fitted = prepare(estimator, part, encoder, True, task, random_state, in_fold=in_fold)
        if fitted.model.n_parameters > LARGEST:
            return None
        rows = fitted.rows(part, estimator.n_jobs), fitted.rows(held, estimator.n_jobs)
        folds.append(Fold(Training(fitted.model), *rows, held.loss_weight, fitted.seen))
    config = folds[0].training.model.config
    settings = settings_of(estimator, config, len(whole), seed, times=times)
    return choose_epochs(folds, settings, random_state)
