"""Stages 7 and 8, epoch by epoch, and what to do when training fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.memory import check_memory
from dcnfast.training.batches import Rows
from dcnfast.training.early_stopping import HeldOut, Next, Watch
from dcnfast.training.settings import INTERRUPTED, History, Notice, Settings
from dcnfast.training.state import Training

Array = npt.NDArray[Any]


def train(
    training: Training,
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
    training : Training
    rows : Rows
    held_out : HeldOut or None
        If given, its score is watched instead of the training loss and the best parameters win.
    settings : Settings
    random_state : RandomState
        Shuffles.
    history : History
        Extended in place. Its notices say if training diverged, where the model then has the best
        parameters; if it was still getting better when ``max_iter`` ended; and if Ctrl-C was
        pressed, where the model is as after the last whole batch.
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
    """
    model = training.model
    check_memory(model.config, settings.batch_size, settings.n_threads)
    watch = Watch(settings, training)
    try:
        for epoch in range(settings.max_iter):
            with history.timing.measure("train"):
                loss, sound = run_epoch(training, rows, settings, random_state, epoch, watch.cuts)
            history.timing.rows += len(rows)
            if not sound:
                watch.go_back()
                history.notices.append(_divergence(len(history.loss_curve) + 1, settings))
                break
            then = watch.note(_note(epoch, loss, held_out, settings, history))
            if on_epoch(epoch) or then is Next.END:
                break
            if then is Next.CUT:
                watch.cut()
        else:
            history.notices += watch.notices_at_the_end()
    except KeyboardInterrupt:
        history.notices.append(INTERRUPTED)
    if held_out is not None:
        model.restore(watch.kept)
    return watch.kept


def _note(
    epoch: int, loss: float, held_out: HeldOut | None, settings: Settings, history: History
) -> float:
    """Take note of an epoch; return the loss to watch: its own, or that of the held-out rows."""
    history.loss_curve.append(loss)
    if held_out is not None:
        with history.timing.measure("validate"):
            history.validation_scores.append(held_out.score(settings.n_threads))
    if settings.verbose:
        _print_epoch(epoch, settings, history)
    return loss if held_out is None else -history.validation_scores[-1]


def run_epoch(
    training: Training,
    rows: Rows,
    settings: Settings,
    random_state: np.random.RandomState,
    epoch: int,
    cuts: int,
) -> tuple[float, bool]:
    """Run one epoch, counted from 0, after so many cuts of the learning rate.

    Returns
    -------
    loss : float
    sound : bool
        Whether the model is finite.
    """
    n = len(rows)
    batch_size = min(settings.batch_size, n)
    n_batches = -(-n // batch_size)
    order = random_state.permutation(n) if settings.shuffle else np.arange(n)
    steps = epoch * n_batches, n_batches, settings.planned_epochs * n_batches
    loss, _, finished = training.state.train_epoch(
        rows.table,
        order.astype(np.int64, copy=False),
        batch_size,
        settings.step.compile(),
        settings.seed,
        settings.n_threads,
        settings.schedule.factors(*steps, cuts),
        settings.decay_schedule.factors(*steps),
        settings.dropout_schedule.factors(*steps),
    )
    return loss, bool(finished and np.isfinite(loss) and training.model.is_finite())


def _divergence(epoch: int, settings: Settings) -> Notice:
    return Notice(
        "convergence",
        f"Training diverged in epoch {epoch}: the loss or a parameter is no longer finite. The "
        "model keeps the parameters of the best epoch before. A lower learning_rate_init (now "
        f"{settings.step.learning_rate:g}) may help.",
    )


def _print_epoch(epoch: int, settings: Settings, history: History) -> None:
    line = f"Epoch {epoch + 1:>3} of {settings.max_iter}: loss {history.loss_curve[-1]:.6g}"
    if history.validation_scores:
        line += f", score of held-out rows {history.validation_scores[-1]:.6g}"
    print(line)
