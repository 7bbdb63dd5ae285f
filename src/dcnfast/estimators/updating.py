"""One run of partial_fit: from checked rows to a network that has been trained on them once."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from dcnfast.encode.growth import counted, grown_encoder
from dcnfast.estimators.configure import dropout_seed, settings_of
from dcnfast.estimators.encoding import fit_encoder, statistics_rule
from dcnfast.estimators.fitted import Fitted, Task, result_of
from dcnfast.estimators.fitting import warn
from dcnfast.estimators.going_on import with_room
from dcnfast.estimators.preparing import prepare
from dcnfast.estimators.splits import Part
from dcnfast.network.memory import check_memory
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows
from dcnfast.training.lists import weights_of_lists
from dcnfast.training.schedules import Constant
from dcnfast.training.settings import INTERRUPTED, Notice, Settings
from dcnfast.training.spare import Spare, moves_named_rows_alone
from dcnfast.training.state import Training
from dcnfast.training.trainer import run_epoch

Array = npt.NDArray[Any]


def update_network(estimator: Any, task: Task) -> None:
    """Train on rows once, in batches; rows without weight count as absent.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        A private copy, which gets what comes out. Where training diverges, that is what was before.
    task : Task
        Nothing in it is written to.
    """
    random_state = check_random_state(estimator.random_state)
    whole = task.whole.take(np.flatnonzero(task.whole.loss_weight))
    if task.last is not None and estimator.embedding_penalty == "auto":
        task = replace(task, last=_without_penalty(task.last))
    with task.timing.measure("encode"):
        fitted, part = _begin(estimator, whole, task, random_state)
        rows = fitted.rows(part, estimator.n_jobs, _as_given)
    before = 0 if task.last is None or task.last.training is None else task.last.training.streamed
    settings = _settings(estimator, fitted, len(rows), before, random_state)
    if task.last is not None:
        fitted = replace(fitted, seen=counted(fitted.seen, fitted.encoder, rows.encoded))
    training = fitted.training
    assert training is not None
    estimator._take_fitted(fitted)
    _run(estimator, task, training, rows, fitted.seen, settings, random_state)


def _begin(
    estimator: Any, part: Part, task: Task, random_state: np.random.RandomState
) -> tuple[Fitted, Part]:
    """Return what is to be trained, a copy, and the rows."""
    if task.last is not None:
        # statistics of categories are those of the first rows, which have none of these targets
        encoder = grown_encoder(task.last.encoder, part.table)
    else:
        rule = statistics_rule(estimator, part, task.target, streams=True)
        task = replace(task, statistics=rule)
        encoder, part = fit_encoder(estimator, part, task, random_state)
    fitted = prepare(
        estimator, part, encoder, False, task, random_state, what="partial_fit",
        training_of=partial(with_room, spare=estimator._spare),
    )  # fmt: skip
    return replace(fitted, training=fitted.training or Training(fitted.model)), part


def _without_penalty(last: Fitted) -> Fitted:
    """Return what is fitted, its embeddings held by nothing: those of no row would be forgotten."""
    config = last.model.config
    if config.embedding_penalty != "table":
        return last
    free = replace(config, embedding_penalty="batch", alpha_embedding=0.0)
    training = Training(Model(free))
    training.take_over(last.training or Training(last.model))
    return replace(last, model=training.model, training=training)


def _as_given(weight: Array, dtype: npt.DTypeLike, group: Array | None = None) -> Array | None:
    """Return weights of rows, which mean the same in each call; ones need no array at all."""
    if group is not None:
        weight = weights_of_lists(weight, group)
    elif (weight == 1).all():
        return None
    with np.errstate(over="ignore"):
        own = np.ascontiguousarray(weight, dtype=dtype)
    if not np.isfinite(own).all():
        raise ValueError(
            f"sample_weight, times class_weight where there is one, has {weight.max():g}, want "
            f"what {own.dtype} holds"
        )
    return own


def _settings(
    estimator: Any, fitted: Fitted, n: int, before: int, random_state: np.random.RandomState
) -> Settings:
    """Return how to train: as ``fit`` does, but that nobody knows how long it will go on."""
    seed = dropout_seed(estimator, random_state)
    settings = settings_of(estimator, fitted.model.config, n, seed, before)
    schedule = Constant()
    # of about that size, or the last batch of each call might be of few rows and much noise
    batch_size = -(-n // max(1, round(n / settings.batch_size)))
    check_memory(fitted.model.config, batch_size, settings.n_threads)
    return replace(
        settings, batch_size=batch_size, max_iter=1, tol=None, planned_epochs=1, schedule=schedule,
        decay_schedule=schedule, dropout_schedule=schedule,
    )  # fmt: skip


def _run(
    estimator: Any,
    task: Task,
    training: Training,
    rows: Rows,
    seen: list[npt.NDArray[np.int64]],
    settings: Settings,
    random_state: np.random.RandomState,
) -> None:
    """Train inside scikit-learn's callback context, with one task for the epoch."""
    shown, history = task.shown, task.history
    context = estimator._init_callback_context(max_subtasks=1)
    context.call_on_fit_task_begin(estimator=estimator, **shown)
    epoch = context.subcontext(task_name="epoch")
    epoch.call_on_fit_task_begin(estimator=estimator, **shown)
    begin, start = training.model.snapshot() if task.last is None else None, time.perf_counter()
    went_back = False
    try:
        with history.timing.measure("train"):
            loss, sound = run_epoch(training, rows, settings, random_state, 0, 0)
        if sound:
            history.loss_curve.append(loss)
            history.rates.append(settings.step.learning_rate)
            history.seconds.append(time.perf_counter() - start)
            training.streamed += len(rows)
        else:
            went_back = True
            _go_back(estimator, task, training, begin)
            warn([_divergence(settings)])
    except KeyboardInterrupt:
        warn([INTERRUPTED])
    for number, counts in enumerate(seen):
        training.state.settle(number, counts)
    if settings.verbose and history.loss_curve:
        print(f"{len(rows)} rows: loss {history.loss_curve[-1]:.6g}")
    if not went_back or task.last is None:  # else the estimator is what it was
        ones = np.ones(training.model.config.n_outputs)
        estimator._take_result(result_of(history, None, ones))
    if estimator._training is training:
        estimator._spare = _spare(task, training, rows, seen)
    state = {"_model": estimator._model, "_training": estimator._training}
    for one in (epoch, context):
        one.call_on_fit_task_end(
            estimator=estimator, reconstruction_attributes=lambda: dict(state), **shown
        )


def _spare(
    task: Task, training: Training, rows: Rows, seen: list[npt.NDArray[np.int64]]
) -> Spare | None:
    """Return the training of before, to become the next copy."""
    last = None if task.last is None else task.last.training
    config = training.model.config
    if last is None or last.model.config != config or not moves_named_rows_alone(config):
        return None
    changed = [
        np.concatenate([np.unique(ids), np.flatnonzero(counts == 0)]).astype(np.int32)
        for ids, counts in zip(rows.encoded.by_field(), seen, strict=True)
    ]
    return Spare(last, training, changed)


def _go_back(estimator: Any, task: Task, training: Training, begin: Array | None) -> None:
    """Leave the estimator as it was before these rows."""
    if task.last is not None:
        estimator._take_fitted(task.last)
    elif begin is not None:
        training.model.restore(begin)
        training.reset()


def _divergence(settings: Settings) -> Notice:
    return Notice(
        "convergence",
        "Training diverged in partial_fit: the loss or a parameter is no longer finite. The model "
        "is that of before the call. A lower learning_rate_init (now "
        f"{settings.step.learning_rate:g}) may help.",
    )
