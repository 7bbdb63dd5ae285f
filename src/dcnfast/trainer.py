"""Stages 7 and 8, epoch by epoch: batches, early stopping, and what to do when training fails."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning

from dcnfast.batch import Rows
from dcnfast.memory import check_memory
from dcnfast.model import Model
from dcnfast.optim import Adam
from dcnfast.reference_network import ReferenceNetwork
from dcnfast.timing import Timing

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    adam : Adam
    batch_size, max_iter : int
    shuffle : bool
    seed : int
        Of dropout.
    tol : float or None
        Least improvement of the watched loss that counts; None never stops.
    n_iter_no_change : int
        Epochs without such an improvement before training stops.
    n_threads, verbose : int
    """

    adam: Adam
    batch_size: int
    max_iter: int
    shuffle: bool
    seed: int
    tol: float | None
    n_iter_no_change: int
    n_threads: int
    verbose: int


@dataclass
class History:
    """What happened, one number an epoch.

    Parameters
    ----------
    loss_curve : list of float
        Mean objective over the epoch's batches.
    validation_scores : list of float
        Of the rows held out; empty without such rows.
    timing : Timing
    """

    loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True)
class HeldOut:
    """Rows that are watched, and how they are judged.

    Parameters
    ----------
    rows : Rows
    scorer : callable or None
        Returns the score that the model has on them now; None is the negative loss.
    seen : list of ndarray or None
        See :meth:`Model.settle_unseen`; None where all their categories are those of training.
    """

    rows: Rows
    scorer: Callable[[], Any] | None
    seen: list[Array] | None

    def score(self, model: Model, n_threads: int) -> float:
        """Return the score, the higher the better."""
        if self.seen is not None:
            model.settle_unseen(self.seen)  # training never reads these rows
        if self.scorer is not None:
            try:
                score = self.scorer()
            except ValueError as error:  # which speaks of y_true
                raise ValueError(f"scoring of the held-out rows: {error}") from error
            if not isinstance(score, Real) or np.isnan(float(score)):
                raise ValueError(f"scoring gave {score!r} for the held-out rows, want a number")
            return float(score)
        r = self.rows
        return -float(model.network.evaluate(r.ids, r.dense, r.target, r.weight, n_threads))


def takes_weight(scorer: Callable[..., Any]) -> bool:
    """Return whether a scorer, or a function of estimator, X and y, takes sample_weight."""
    if hasattr(scorer, "_accept_sample_weight"):  # whatever its metric takes
        return bool(scorer._accept_sample_weight())
    try:
        parameters = inspect.signature(scorer).parameters.values()
    except (TypeError, ValueError):  # compiled functions need not say what they take
        return False
    return any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters)


class Watch:
    """Follows a loss, and keeps the one copy of the parameters that may be wanted again.

    Of rows held out the best counts, and training on without progress or into trouble ends there.
    Without such rows it is the last epoch in which all was well.
    """

    def __init__(self, settings: Settings, model: Model, keep_best: bool) -> None:
        self.settings, self.model = settings, model
        self.keep_best = keep_best
        self.best_loss, self.waited = np.inf, 0
        self.kept = model.snapshot()

    def no_progress(self, loss: float) -> bool:
        """Take note of a sound epoch's loss; return whether training should stop."""
        if loss < self.best_loss or not self.keep_best:
            self.model.snapshot(self.kept)
        if self.settings.tol is not None and loss > self.best_loss - self.settings.tol:
            self.waited += 1
        else:
            self.waited = 0
        self.best_loss = min(self.best_loss, loss)
        return self.settings.tol is not None and self.waited >= self.settings.n_iter_no_change

    def go_back(self) -> None:
        """Set the parameters to those kept, and forget the moments that led away from them."""
        self.model.restore(self.kept)
        nothing = np.zeros_like(self.kept)
        self.model.network.set_optimizer(nothing, nothing, 0)


def train(
    model: Model,
    rows: Rows,
    held_out: HeldOut | None,
    settings: Settings,
    random_state: np.random.RandomState,
    history: History,
    on_epoch: Callable[[int], bool],
) -> None:
    """Train in place, until ``max_iter``, no progress, divergence, Ctrl-C, or on_epoch says so.

    Parameters
    ----------
    model : Model
    rows : Rows
    held_out : HeldOut or None
        If given, its score is watched instead of the training loss and the best parameters win.
    settings : Settings
    random_state : RandomState
        Shuffles.
    history : History
        Extended in place.
    on_epoch : callable
        Gets the epoch's number; returns whether to stop.

    Raises
    ------
    ValueError
        If training would not fit into memory.

    Warns
    -----
    ConvergenceWarning
        If the loss or a parameter stops being finite. The model then has the parameters from the
        end of the last epoch in which all was well, or the best ones.
    UserWarning
        If Ctrl-C was pressed. The model is then as after the last whole batch.
    """
    check_memory(model.config, settings.batch_size, settings.n_threads)
    watch = Watch(settings, model, keep_best=held_out is not None)
    try:
        for epoch in range(settings.max_iter):
            if not _run_epoch(model, rows, settings, random_state, history):
                watch.go_back()
                break
            watched = history.loss_curve[-1]
            if held_out is not None:
                with history.timing.measure("validate"):
                    score = held_out.score(model, settings.n_threads)
                history.validation_scores.append(score)
                watched = -score
            if settings.verbose:
                _print_epoch(epoch, settings, history)
            if on_epoch(epoch) | watch.no_progress(watched):
                break
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    if watch.keep_best:
        model.restore(watch.kept)


def _run_epoch(
    model: Model,
    rows: Rows,
    settings: Settings,
    random_state: np.random.RandomState,
    history: History,
) -> bool:
    """Run one epoch; return whether the model is still sound."""
    n = len(rows)
    order = random_state.permutation(n) if settings.shuffle else np.arange(n)
    with history.timing.measure("train"):
        loss, _, finished = model.network.train_epoch(
            rows.ids,
            rows.dense,
            rows.target,
            rows.weight,
            order.astype(np.int64, copy=False),
            settings.batch_size,
            settings.adam.learning_rate,
            settings.adam.beta_1,
            settings.adam.beta_2,
            settings.adam.epsilon,
            settings.seed,
            settings.n_threads,
        )
    history.timing.rows += n
    if finished and np.isfinite(loss) and model.is_finite():
        history.loss_curve.append(loss)
        return True
    warnings.warn(
        f"Training diverged in epoch {len(history.loss_curve) + 1}: the loss or a parameter is no "
        "longer finite. The model keeps parameters from before that epoch. A lower "
        f"learning_rate_init (now {settings.adam.learning_rate:g}) may help.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return False


def _print_epoch(epoch: int, settings: Settings, history: History) -> None:
    line = f"Epoch {epoch + 1:>3} of {settings.max_iter}: loss {history.loss_curve[-1]:.6g}"
    if history.validation_scores:
        line += f", score of held-out rows {history.validation_scores[-1]:.6g}"
    print(line)


def warn_if_constant(model: Model, rows: Rows, settings: Settings) -> bool:
    """Warn when a network gives the same answer to different rows; return whether it did.

    That is where too high a learning rate ends: every ReLU of a layer is negative for every row, no
    gradient passes, and what is left is the last bias, which learns the mean.
    """
    step = max(1, len(rows) // 512)
    ids, dense = np.ascontiguousarray(rows.ids[::step]), np.ascontiguousarray(rows.dense[::step])
    same_rows = (ids == ids[:1]).all() and (dense == dense[:1]).all()
    if same_rows or (rows.target == rows.target[0]).all():
        return False
    logits = model.logits(ids, dense, 1)
    if not (logits == logits[0]).all():
        return False
    parameters = {name: np.asarray(p, np.float64) for name, p in model.averages.items()}
    results = ReferenceNetwork(model.config).forward(parameters, ids, dense.astype(np.float64))
    layers = ", ".join(
        f"{int((h == h[0]).all(axis=0).sum())} of {h.shape[1]} in hidden layer {i + 1}"
        + (" beside" if part == "beside" else "")
        for part in ("deep", "beside")
        for i, h in enumerate(results[part][1:])
    )
    warnings.warn(
        "The network's outputs no longer depend on its inputs: it gives the same answer to every "
        "row. "
        + (f"Units that are dead, the same for every row: {layers}. " if layers else "")
        + f"A lower learning_rate_init (now {settings.adam.learning_rate:g})"
        + (
            f" or alpha (now {model.config.alpha_deep:g}) may help."
            if model.config.alpha_deep
            else " may help."
        ),
        ConvergenceWarning,
        stacklevel=2,
    )
    return True
