"""One run of fit: from checked rows to a trained network and what happened on the way.

All of it is local. The estimator is read for its parameters, and shown to scorers and callbacks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from dcnfast.encode.growth import counted
from dcnfast.estimators.checkpoints import FolderKeeper
from dcnfast.estimators.configure import dropout_seed, settings_of
from dcnfast.estimators.encoding import fit_encoder, statistics_rule
from dcnfast.estimators.fitted import Fitted, Result, Task, result_of
from dcnfast.estimators.preparing import prepare
from dcnfast.estimators.scoring import scorer_of_rows
from dcnfast.estimators.splits import Part, hold_out, learns_by_heart, rows_to_watch
from dcnfast.estimators.trials import Trial, try_out
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows
from dcnfast.training.checkpoints import fingerprints
from dcnfast.training.early_stopping import HeldOut, Settled
from dcnfast.training.outcome import judge
from dcnfast.training.prior import remember
from dcnfast.training.settings import INTERRUPTED, Notice, Settings
from dcnfast.training.shrinkage import constant_loss, shrink
from dcnfast.training.state import Training
from dcnfast.training.trainer import train

Array = npt.NDArray[Any]
ENOUGH = 0.3  # of a constant's loss: of few rows of classes the rest is learned by heart
NOTHING_HELD = Notice(
    "convergence",
    "The Fisher information of the rows is not finite: prior_strength holds no update to what fit "
    "learned. Numbers that are scaled, or a lower learning_rate_init, may help.",
)
GOES_ON = ("interrupted", "time")  # notices of a training that another fit may go on with


def fit_network(estimator: Any, task: Task) -> None:
    """Hold out rows where that is wanted, and train; rows without weight count as absent.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        A private copy. It gets what is to be trained before training begins, by ``_take_fitted``,
        so that scorers and callbacks can predict with it; and at the end the result, by
        ``_take_result``.
    task : Task
    """
    random_state = check_random_state(estimator.random_state)
    keeper = None
    if estimator.checkpoints is not None:
        if estimator.random_state is None:  # going on sets the state: not NumPy's, which is all's
            random_state = np.random.RandomState(random_state.randint(2**31))
        seeded = isinstance(estimator.random_state, Integral)
        keeper = FolderKeeper(estimator.checkpoints, random_state, seeded=seeded)
    whole, labels, given = task.whole, task.labels, task.given
    present = np.flatnonzero(whole.loss_weight)
    whole, labels = whole.take(present), None if labels is None else labels[present]
    if task.last is None:
        rule = statistics_rule(estimator, whole, task.target, streams=False)
        task = replace(task, statistics=rule)
    how, held = rows_to_watch(estimator, whole, given is not None), given
    trial = Trial(task)
    if how in ("folds", "once"):
        with task.timing.measure("validate"):
            trial = try_out(estimator, how, whole, labels, task, random_state)
        warn([] if trial.choice is None else trial.choice.notices)
    if how == "part" or (how in ("folds", "once") and trial.choice is None):
        rows, held_rows = hold_out(estimator.validation_fraction, whole, labels, random_state)
        whole, held = whole.take(rows), whole.take(held_rows)
    shrinks = held is not given and estimator.early_stopping == "auto" and not estimator.warm_start
    shrinks &= whole.group is None  # scores have no best constant
    _Run(estimator, trial, random_state, keeper).train(whole, held, shrinks)


class _Run:
    """The training of the estimator's own network, once the rows are chosen."""

    def __init__(
        self,
        estimator: Any,
        trial: Trial,
        random_state: np.random.RandomState,
        keeper: FolderKeeper | None,
    ) -> None:
        self.estimator, self.task, self.choice = estimator, trial.task, trial.choice
        self.begun, self.keeper = trial.begun, keeper
        self.random_state, self.history = random_state, trial.task.history

    def train(self, part: Part, held: Part | None, shrinks: bool) -> None:
        estimator, timing, choice = self.estimator, self.task.timing, self.choice
        with timing.measure("encode"):
            watched = held is not None or choice is not None
            fitted = self.begun
            if fitted is None:
                encoder, part = fit_encoder(estimator, part, self.task, self.random_state)
                fitted = prepare(estimator, part, encoder, watched, self.task, self.random_state)
            rows = fitted.rows(part, estimator.n_jobs)
        seed = dropout_seed(estimator, self.random_state)
        alone = choice is None
        settings = settings_of(estimator, fitted.model.config, len(rows), seed, alone=alone)
        if estimator.max_time is not None:
            settings = replace(settings, deadline=timing.start + estimator.max_time)
        if choice is not None:
            settings = replace(
                settings, max_iter=len(choice.cuts), tol=None, planned_cuts=choice.cuts,
                planned_epochs=choice.planned_epochs,
            )  # fmt: skip
        if held is None and choice is None and learns_by_heart(estimator, len(rows)):
            settings = replace(settings, enough=ENOUGH * constant_loss(fitted.model, rows))
        if self.task.last is not None:
            seen = counted(fitted.seen, fitted.encoder, rows.encoded)
            fitted = replace(fitted, seen=seen)
        training = fitted.training or Training(fitted.model)
        kept = training if estimator.warm_start or estimator.prior_strength else None
        estimator._take_fitted(replace(fitted, training=kept))
        with timing.measure("encode"):
            held_out = None if held is None else self._held_out(held, fitted, shrinks)
        self._run_epochs(training, rows, held_out, fitted.seen, settings)
        if settings.verbose > 1:
            print(timing.report(training, settings.n_threads))
        if not estimator.warm_start:
            fitted.model.adopt_averages()
        if estimator.prior_strength:
            with timing.measure("train"):
                _remember(training, rows, settings)

    def _held_out(self, part: Part, fitted: Fitted, shrinks: bool) -> HeldOut:
        """Return the rows to watch, and how they are judged."""
        rows = fitted.rows(part, self.estimator.n_jobs)
        settled = Settled(fitted.model, rows.encoded, fitted.seen)
        if self.estimator.scoring is None:
            return HeldOut(rows, settled, shrinks=shrinks)
        of_rows = rows.encoded, part.y, part.loss_weight, part.group
        score = scorer_of_rows(self.estimator, settled.model, *of_rows)
        return HeldOut(rows, settled, score)

    def _run_epochs(
        self,
        training: Training,
        rows: Rows,
        held_out: HeldOut | None,
        seen: list[npt.NDArray[np.int64]],
        settings: Settings,
    ) -> None:
        """Train inside scikit-learn's callback context, one task an epoch."""
        estimator, history, shown = self.estimator, self.history, self.task.shown
        context = estimator._init_callback_context(max_subtasks=settings.max_iter)
        context.call_on_fit_task_begin(estimator=estimator, **shown)
        finish = self._finisher(rows, held_out, seen, settings)

        def state() -> dict[str, Any]:
            now = training.copy() if estimator.warm_start else None
            model = training.model.copy() if now is None else now.model
            result = self._result(finish(model), held_out)
            return {"_model": model, "_training": now} | result.attributes()

        def on_epoch(_: int) -> bool:
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=estimator, **shown)
            estimator.loss_curve_ = history.loss_curve
            return bool(
                epoch.call_on_fit_task_end(
                    estimator=estimator, reconstruction_attributes=state, **shown
                )
            )

        if settings.verbose > 1:
            training.state.start_timing()
        if self.keeper is not None:
            held_rows = None if held_out is None else held_out.rows
            judged = f"{held_out is not None and held_out.shrinks} {_named(estimator.scoring)}"
            self.keeper.expect(fingerprints(training, rows, held_rows, settings, judged))
        best = train(
            training, rows, held_out, settings, self.random_state, history, on_epoch, self.keeper
        )  # fmt: skip
        warn(history.notices + judge(training, rows, settings, best))
        estimator._take_result(self._result(finish(training.model), held_out))
        context.call_on_fit_task_end(
            estimator=estimator,
            reconstruction_attributes=lambda: {"_model": training.model},
            **shown,
        )
        if self.keeper is not None and not any(
            notice.kind in GOES_ON for notice in history.notices
        ):
            self.keeper.remove()

    def _finisher(
        self,
        rows: Rows,
        held_out: HeldOut | None,
        seen: list[npt.NDArray[np.int64]],
        settings: Settings,
    ) -> Callable[[Model], Array]:
        """Return what is done to a trained model before it predicts; that returns the shrinkage."""
        held = held_out.rows if held_out is not None and held_out.shrinks else None
        factor = None if self.choice is None else self.choice.judgement.shrinkage

        def finish(model: Model) -> Array:
            model.settle_unseen(seen)
            return shrink(model, rows, held, factor, settings.n_threads)

        return finish

    def _result(self, shrinkage: Array, held_out: HeldOut | None) -> Result:
        history, choice = self.history, self.choice
        scores = None if held_out is None else history.validation_scores
        if choice is not None:
            # none where the first trial was interrupted, or diverged
            scores = choice.scores[: len(history.loss_curve)] or None
        result = result_of(history, scores, shrinkage)
        if self.begun is None or scores is None:
            return result
        return replace(result, unwatched=len(history.loss_curve) - len(scores))


def _named(scoring: Any) -> str:
    """Return the name of a scorer, the same in every process."""
    if hasattr(scoring, "__qualname__"):
        return f"{scoring.__module__}.{scoring.__qualname__}"
    return repr(scoring) if scoring is None or isinstance(scoring, str) else str(type(scoring))


def _remember(training: Training, rows: Rows, settings: Settings) -> None:
    try:
        if not remember(training, rows, settings.n_threads):
            warn([NOTHING_HELD])
    except KeyboardInterrupt:
        warn([INTERRUPTED])  # and the prior stays as it was


def warn(notices: list[Notice]) -> None:
    """Make warnings of what training returned."""
    for notice in notices:
        kind = UserWarning if notice.kind == "interrupted" else ConvergenceWarning
        warnings.warn(notice.text, kind, stacklevel=2)
