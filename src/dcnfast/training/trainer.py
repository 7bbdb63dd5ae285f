"""Stages 7 and 8, epoch by epoch: early stopping, and what to do when training fails."""

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

from dcnfast.network.memory import check_memory
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows
from dcnfast.training.optimizers import Adam
from dcnfast.training.timing import Timing

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
    shrinks : bool
        Whether they also say how far the network is to be trusted.
    """

    rows: Rows
    scorer: Callable[[], Any] | None
    seen: list[Array] | None
    shrinks: bool = False

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


class Progress:
    """Whether a loss still gets better, epoch by epoch.

    Attributes
    ----------
    best_loss : float
    waited : int
        Epochs since it got better by ``tol``.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.best_loss, self.waited = np.inf, 0

    def is_over(self, loss: float) -> bool:
        """Take note of an epoch's loss; return whether training should stop."""
        tol = self.settings.tol
        if tol is not None and not loss <= self.best_loss - tol:
            self.waited += 1
        else:
            self.waited = 0
        self.best_loss = min(self.best_loss, loss)
        return tol is not None and self.waited >= self.settings.n_iter_no_change

    def warn_of_the_end(self) -> None:
        """Warn when all epochs are over and the loss was still getting better."""
        if self.settings.tol is None:  # as many epochs as were asked for
            return
        warnings.warn(
            f"Maximum iterations ({self.settings.max_iter}) reached and the optimization hasn't "
            f"converged yet: within the last {self.settings.n_iter_no_change} epochs there was "
            f"still a gain of more than tol ({self.settings.tol:g}). A higher max_iter may help.",
            ConvergenceWarning,
            stacklevel=2,
        )


class Watch(Progress):
    """Follows a loss, and keeps a copy of the parameters from the end of the best epoch.

    Training that went into trouble goes back to it, and with rows held out any training ends there.
    """

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings)
        self.model = model
        self.kept = model.snapshot()

    def is_over(self, loss: float) -> bool:
        """Take note of a sound epoch's loss; return whether training should stop."""
        if loss < self.best_loss:
            self.model.snapshot(self.kept)
        return super().is_over(loss)

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
) -> Array:
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

    Returns
    -------
    best : ndarray
        Flat parameters from the end of the epoch with the best watched score, or the least loss.

    Raises
    ------
    ValueError
        If training would not fit into memory.

    Warns
    -----
    ConvergenceWarning
        If the loss or a parameter stops being finite; the model then has the best parameters. If
        the score or the loss still gets better when ``max_iter`` ends.
    UserWarning
        If Ctrl-C was pressed. The model is then as after the last whole batch.
    """
    check_memory(model.config, settings.batch_size, settings.n_threads)
    watch = Watch(settings, model)
    try:
        for epoch in range(settings.max_iter):
            with history.timing.measure("train"):
                loss, sound = run_epoch(model, rows, settings, random_state)
            history.timing.rows += len(rows)
            if not sound:
                watch.go_back()
                _warn_of_divergence(len(history.loss_curve) + 1, settings)
                break
            history.loss_curve.append(loss)
            watched = loss
            if held_out is not None:
                with history.timing.measure("validate"):
                    score = held_out.score(model, settings.n_threads)
                history.validation_scores.append(score)
                watched = -score
            if settings.verbose:
                _print_epoch(epoch, settings, history)
            stop = on_epoch(epoch)
            if watch.is_over(watched) or stop:
                break
        else:
            watch.warn_of_the_end()
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    if held_out is not None:
        model.restore(watch.kept)
    return watch.kept


def run_epoch(
    model: Model, rows: Rows, settings: Settings, random_state: np.random.RandomState
) -> tuple[float, bool]:
    """Run one epoch; return its loss and whether the model is still sound."""
    n = len(rows)
    order = random_state.permutation(n) if settings.shuffle else np.arange(n)
    loss, _, finished = model.network.train_epoch(
        rows.ids,
        rows.dense,
        rows.target,
        rows.weight,
        order.astype(np.int64, copy=False),
        min(settings.batch_size, n),
        settings.adam.learning_rate,
        settings.adam.beta_1,
        settings.adam.beta_2,
        settings.adam.epsilon,
        settings.seed,
        settings.n_threads,
    )
    return loss, bool(finished and np.isfinite(loss) and model.is_finite())


def _warn_of_divergence(epoch: int, settings: Settings) -> None:
    warnings.warn(
        f"Training diverged in epoch {epoch}: the loss or a parameter is no longer finite. The "
        "model keeps the parameters of the best epoch before. A lower learning_rate_init (now "
        f"{settings.adam.learning_rate:g}) may help.",
        ConvergenceWarning,
        stacklevel=2,
    )


def _print_epoch(epoch: int, settings: Settings, history: History) -> None:
    line = f"Epoch {epoch + 1:>3} of {settings.max_iter}: loss {history.loss_curve[-1]:.6g}"
    if history.validation_scores:
        line += f", score of held-out rows {history.validation_scores[-1]:.6g}"
    print(line)
