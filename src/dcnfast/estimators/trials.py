"""What rows held out say before a network is trained on all rows: how, and how long.

The network of the fit is trained without some of the rows, once for each way to embed numbers that
may be best, and is judged by these rows. Then another is trained on all rows for as many epochs as
were best; or where that would take long, this one goes on with all of them.

Of few rows every fold is held out in turn, and of some more where a part leaves it in doubt whether
the network says more than a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier

from dcnfast.cpu import effective_threads
from dcnfast.encode.growth import counted
from dcnfast.encode.scaling import HEAVY
from dcnfast.encode.vocabulary import UNKNOWN
from dcnfast.estimators.configure import dropout_seed, kind_of, numeric_kinds, settings_of
from dcnfast.estimators.encoding import fit_encoder, reads_targets
from dcnfast.estimators.fitted import Fitted, Task
from dcnfast.estimators.linear_start import OF_CLASSES, OF_NUMBERS
from dcnfast.estimators.preparing import prepare
from dcnfast.estimators.rare import may_share
from dcnfast.estimators.splits import (
    DOUBTED,
    FOLDS,
    TRIED,
    Part,
    Split,
    hold_out,
    hold_out_folds,
)
from dcnfast.network.numeric_embeddings import TRIED_COLUMNS, NumericEmbedding, Piecewise
from dcnfast.training.folds import LARGEST, Choice, Fold, choose_epochs, losses_of
from dcnfast.training.optimizers import OPTIMIZERS
from dcnfast.training.schedules import DROPOUT_SCHEDULES, SCHEDULES, Constant
from dcnfast.training.settings import INTERRUPTED
from dcnfast.training.state import Training

Array = npt.NDArray[Any]

FEW = 10_000  # rows; up to so many another network is soon trained anew
SHARE = 2.0  # of the epochs of a part, times the share of rows held out: with all rows after it
FEWEST_EPOCHS = 5  # of a part; after fewer, another with all rows is a large step
LONG = 50  # epochs of a part of few rows; after more, another would take long
MOST_COLUMNS = 500  # of a linear model, with one for each category
LARGEST_TABLE = 2**23  # numbers of it


@dataclass(frozen=True)
class Trial:
    """What rows held out said.

    Parameters
    ----------
    task : Task
        As it did best, with what happened in the epochs that are not to be repeated.
    choice : Choice or None, default=None
        How long to train on all rows; None for a network too large to be trained so often.
    begun : Fitted or None, default=None
        The network as it was when it was best, if it is to go on; None trains another.
    """

    task: Task
    choice: Choice | None = None
    begun: Fitted | None = None

    def interrupt(self) -> None:
        """Take note that what was to follow was not done."""
        if self.choice is not None:
            self.choice.notices.append(INTERRUPTED)

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.choice is not None and INTERRUPTED in self.choice.notices


def try_out(
    estimator: Any,
    how: str,
    whole: Part,
    labels: Array | None,
    task: Task,
    random_state: np.random.RandomState,
) -> Trial:
    """Return how to train, and how long; and the network to go on with, if one is.

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
    """
    if how == "folds":
        splits = hold_out_folds(whole, labels, random_state)
    else:
        splits = [hold_out(estimator.validation_fraction, whole, labels, random_state)]
    seed = dropout_seed(estimator, random_state)
    best = Trial(task)
    kinds = _kinds_to_try(estimator, whole)
    shares = task.statistics is not None and may_share(estimator, whole.table)
    times = 1 + len(kinds) + shares if how == "once" else 1  # trainings as long as that on all rows
    for numeric in kinds:
        with_kind = replace(task, numeric=numeric)
        now = _train(estimator, splits, whole, with_kind, seed, random_state, times)
        if now.choice is None:
            return Trial(task)
        best = _better(best, now)
        if now.is_interrupted:
            return best
    if best.choice is not None and shares:
        best = _or_shared(estimator, splits, whole, best, seed, random_state, times)
        if best.is_interrupted:
            return best
    if best.choice is not None and _may_begin_linear(estimator, whole, task):
        best = _or_linear(estimator, splits, whole, task, best, seed, random_state, times)
        if best.is_interrupted:
            return best
    if (
        how == "once"
        and len(whole) <= DOUBTED
        and best.choice is not None
        and best.choice.judgement.is_in_doubt
    ):
        splits = hold_out_folds(whole, labels, random_state)
        as_best = replace(
            task, numeric=best.task.numeric, begins_linear=best.task.begins_linear,
            shares_rare=best.task.shares_rare,
        )  # fmt: skip
        of_all = _train(estimator, splits, whole, as_best, seed, random_state, times + FOLDS)
        if of_all.is_interrupted:
            best.interrupt()
        elif of_all.choice is not None:
            best = of_all
    return best


def _or_shared(
    estimator: Any,
    splits: Sequence[Split],
    whole: Part,
    best: Trial,
    seed: int,
    random_state: np.random.RandomState,
    times: int,
) -> Trial:
    """Return the trial of a network whose rare categories share one, unless that is worse.

    Where chance may be why it is not better, it has less to learn by heart.
    """
    task, own = replace(best.task, shares_rare=True), deepcopy(random_state)
    now = _train(estimator, splits, whole, task, seed, own, times)
    if now.choice is None:
        return best
    better = _better(now, best)
    if now.is_interrupted and better is best:
        best.interrupt()
    return better


def _better(best: Trial, now: Trial) -> Trial:
    """Return which of two says more of the held-out rows; it knows if Ctrl-C was pressed."""
    if now.choice is None:
        return best
    if best.choice is None or now.choice.is_better(best.choice):
        return now
    if now.is_interrupted:
        best.interrupt()
    return best


def _kinds_to_try(estimator: Any, whole: Part) -> tuple[NumericEmbedding | None, ...]:
    """Return how numbers may be embedded, if there are any; the usual way alone without a trial."""
    n_columns = whole.table.numbers.shape[1]
    kinds = numeric_kinds(estimator, n_columns)
    tries = 0 < n_columns <= TRIED_COLUMNS and len(whole) in TRIED
    return kinds if tries else kinds[:1]


def _train(
    estimator: Any,
    splits: Sequence[Split],
    whole: Part,
    task: Task,
    seed: int,
    random_state: np.random.RandomState,
    times: int,
) -> Trial:
    """Train without the rows of each split that are held out; no choice if it is too large."""
    fitted, folds = _prepare_folds(estimator, splits, whole, task, random_state)
    if not folds:
        return Trial(task)
    return _choose(estimator, fitted, folds, whole, task, seed, random_state, times)


def _choose(
    estimator: Any,
    fitted: Fitted,
    folds: list[Fold],
    whole: Part,
    task: Task,
    seed: int,
    random_state: np.random.RandomState,
    times: int,
) -> Trial:
    """Train the folds' networks, and return how long was best."""
    config = folds[0].training.model.config
    settings = settings_of(estimator, config, len(whole), seed, times=times)
    choice = choose_epochs(folds, settings, random_state)
    best, n = folds[0].best, len(choice.scores)
    many = len(whole) > FEW
    held = folds[0].held
    if not many and (held.lists or (held.ids == UNKNOWN).any()):  # it would not know all categories
        best = None
    if (
        best is None
        or n < (FEWEST_EPOCHS if many else LONG)
        or n > len(folds[0].history.loss_curve)
    ):
        return Trial(task, choice)
    share = min(1.0, SHARE * estimator.validation_fraction)
    choice = replace(choice, cuts=(0,) * max(1, round(share * n)))
    task = replace(task, history=folds[0].history.first(n, task.timing))
    return Trial(task, choice, replace(fitted, model=best.model, training=best))


def _prepare_folds(
    estimator: Any,
    splits: Sequence[Split],
    whole: Part,
    task: Task,
    random_state: np.random.RandomState,
) -> tuple[Fitted, list[Fold]]:
    """Return a network for each split, and what the last needs to predict; none if too large."""
    goes_on = len(splits) == 1 and _may_go_on(estimator, whole, task)
    folds = list[Fold]()
    for kept, held_out in splits:
        # of many rows, what goes on has room for all categories, and the scales of all rows
        of_all = goes_on and len(whole) > FEW
        first = whole if of_all else whole.take(kept)
        encoder, part = fit_encoder(estimator, first, task, random_state)
        in_fold = len(splits) > 1
        fitted = prepare(estimator, part, encoder, True, task, random_state, in_fold=in_fold)
        if fitted.model.n_parameters > LARGEST:
            return fitted, []
        part = part.take(kept) if of_all else part
        held = whole.take(held_out)
        rows, held_rows = (fitted.rows(some, estimator.n_jobs) for some in (part, held))
        seen = fitted.seen
        if of_all:
            nothing = [np.zeros(field.size, np.int64) for field in encoder.fields]
            seen = counted(nothing, encoder, rows.encoded)
        training = Training(fitted.model)
        folds.append(Fold(training, rows, held_rows, held.loss_weight, seen, goes_on=goes_on))
    return fitted, folds


def _may_begin_linear(estimator: Any, whole: Part, task: Task) -> bool:
    """Return whether a network may begin as a linear model of the numbers and categories.

    By default alone; not with statistics of targets, or of a large table.
    """
    given = estimator.wide, estimator.numeric_embedding, estimator.numeric_scaling
    automatic = all(isinstance(name, str) and name == "auto" for name in given)
    if not automatic or estimator.hash_buckets is not None or estimator.branch_loss:
        return False
    n_numbers = whole.table.numbers.shape[1]
    n_columns = 2 * n_numbers + sum(2 + len(factor.values) for factor in whole.table.factors)
    small = n_columns <= MOST_COLUMNS and len(whole) * n_columns <= LARGEST_TABLE
    name = task.target.loss.name
    fits = (
        name in OF_CLASSES and len(whole) <= FEW if is_classifier(estimator) else name in OF_NUMBERS
    )
    return bool(n_numbers) and small and fits and not reads_targets(task)


def _or_linear(
    estimator: Any,
    splits: Sequence[Split],
    whole: Part,
    task: Task,
    best: Trial,
    seed: int,
    random_state: np.random.RandomState,
    times: int,
) -> Trial:
    """Return the trial of a network that begins as a linear model, where that is better.

    It is trained where the linear model alone predicts the held-out rows better than the best
    network of the others; and with targets and numbers far out, of which products are learned
    better as they are than bent.
    """
    assert best.choice is not None
    task = replace(task, numeric=None, begins_linear=True)
    own = deepcopy(random_state)  # all else is drawn as if there had been no such trial
    fitted, folds = _prepare_folds(estimator, splits, whole, task, own)
    if not folds:
        return best
    of_linear = losses_of(folds, effective_threads(estimator.n_jobs))
    far_out = not is_classifier(estimator) and len(whole) <= FEW and any(map(_is_far_out, folds))
    if of_linear.sum() >= best.choice.losses.sum() and not far_out:
        return best
    now = _choose(estimator, fitted, folds, whole, task, seed, own, times)
    return _better(best, now)


def _is_far_out(fold: Fold) -> bool:
    """Return whether some targets and some numbers are, many standard deviations from the mean."""
    rows = fold.rows
    return bool(min(np.abs(rows.target).max(), np.abs(rows.dense).max()) > HEAVY)


def _may_go_on(estimator: Any, whole: Part, task: Task) -> bool:
    """Return whether a network may go on with all rows once it was trained without some.

    It spares time. Of few rows not with waves, whose frequencies are the better the more rows were
    there from the beginning. Not where the epochs were given, or a schedule has come to its end;
    nor where bins or statistics were made of targets, which must not be those of held-out rows.
    """
    if len(whole) <= FEW and not isinstance(task.numeric, Piecewise):
        return False
    schedules = (
        kind_of(SCHEDULES, estimator), kind_of(OPTIMIZERS, estimator).decay_schedule(),
        kind_of(DROPOUT_SCHEDULES, estimator),
    )  # fmt: skip
    constant = all(
        isinstance(kind, Constant) and not kind.warmup and not kind.max_cuts for kind in schedules
    )
    return constant and estimator.max_iter == "auto" and not reads_targets(task)
