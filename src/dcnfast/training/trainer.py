"""Stages 7 and 8, epoch by epoch, and what to do when training fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.loss import LONGEST_LIST
from dcnfast.network.memory import check_memory
from dcnfast.training.batches import Rows
from dcnfast.training.checkpoints import Keeper, Moment
from dcnfast.training.early_stopping import HeldOut, Next, Watch
from dcnfast.training.lists import batches_of_lists, lists_of
from dcnfast.training.settings import INTERRUPTED, OUT_OF_TIME, History, Notice, Settings
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
    keeper: Keeper | None = None,
) -> Array:
    """Train in place, until ``max_iter``, no progress, divergence, Ctrl-C, or on_epoch says so.

    It also ends when another epoch would not be over by the deadline of the settings.

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
    keeper : Keeper or None, default=None
        Of checkpoints, if there are any.

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
    check_memory(model.config, _largest_batch(rows, settings), settings.n_threads)
    watch = Watch(settings, training)
    moment = Moment(training, watch, random_state, history)
    if keeper is not None:
        keeper.begin(moment)
    try:
        for epoch in range(watch.epochs, settings.max_iter):
            watched = _one_epoch(moment, rows, held_out, settings)
            if watched is None:
                break
            then = watch.note(watched)
            if on_epoch(epoch) or then is Next.END:
                break
            if then is Next.CUT:
                watch.cut()
            if keeper is not None:
                keeper.after_epoch(moment)
            if _is_late(settings, history):
                history.notices.append(OUT_OF_TIME)
                break
        else:
            history.notices += watch.notices_at_the_end()
    except KeyboardInterrupt:
        history.notices.append(INTERRUPTED)
    if held_out is not None:
        model.restore(watch.kept)
    return watch.kept


def _one_epoch(
    moment: Moment, rows: Rows, held_out: HeldOut | None, settings: Settings
) -> float | None:
    """Run the next epoch and take note of it; return the loss to watch, None if it diverged."""
    watch, history = moment.watch, moment.history
    epoch, start = watch.epochs, time.perf_counter()
    with history.timing.measure("train"):
        loss, sound = run_epoch(
            moment.training, rows, settings, moment.random_state, epoch, watch.cuts
        )
    history.timing.rows += len(rows)
    if not sound:
        watch.go_back()
        history.notices.append(_divergence(len(history.loss_curve) + 1, settings))
        return None
    scores = list[float]()
    if held_out is not None:
        with history.timing.measure("validate"):
            scores = [held_out.score(settings.n_threads)]
    rate = last_rate(settings, epoch, rows, watch.cuts)
    # all that can be interrupted for long is behind: an epoch stands in the history whole
    history.note(loss, scores, rate, time.perf_counter() - start)
    if settings.verbose:
        _print_epoch(epoch, len(rows), settings, history)
    return -scores[0] if scores else loss


def _is_late(settings: Settings, history: History) -> bool:
    """Return whether another epoch like the last would end after the deadline."""
    deadline = settings.deadline
    return deadline is not None and time.perf_counter() + history.seconds[-1] > deadline


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
    training.use(settings.step.kind)
    n = len(rows)
    batch_size = min(settings.batch_size, n)
    starts = list[Array]()
    if rows.group is not None:
        draws = random_state if settings.shuffle else None
        order, *starts = batches_of_lists(rows.group, batch_size, draws)
    else:
        order = random_state.permutation(n) if settings.shuffle else np.arange(n)
    steps = _steps(settings, epoch, rows)
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
        *starts,
    )
    return loss, bool(finished and np.isfinite(loss) and training.model.is_finite())


def _divergence(epoch: int, settings: Settings) -> Notice:
    return Notice(
        "convergence",
        f"Training diverged in epoch {epoch}: the loss or a parameter is no longer finite. The "
        "model keeps the parameters of the best epoch before. A lower learning_rate_init (now "
        f"{settings.step.learning_rate:g}) may help.",
    )


def _largest_batch(rows: Rows, settings: Settings) -> int:
    """Return how many rows a batch may have: whole lists may be more than was asked for."""
    if rows.group is None:
        return settings.batch_size
    return settings.batch_size + min(LONGEST_LIST, int(lists_of(rows.group).sizes.max()))


def _steps(settings: Settings, epoch: int, rows: Rows) -> tuple[int, int, int]:
    """Return the first step of an epoch over rows, its steps, and those of all epochs."""
    batch_size = min(settings.batch_size, len(rows))
    n_batches = -(-len(rows) // batch_size)
    if rows.group is not None:
        n_batches = lists_of(rows.group).n_batches(batch_size)
    return epoch * n_batches, n_batches, settings.planned_epochs * n_batches


def last_rate(settings: Settings, epoch: int, rows: Rows, cuts: int) -> float:
    """Return the learning rate of the last step of an epoch over rows."""
    first, n_batches, total = _steps(settings, epoch, rows)
    factors = settings.schedule.factors(first + n_batches - 1, 1, total, cuts)
    return settings.step.learning_rate * (1.0 if factors is None else float(factors[-1]))


def _print_epoch(epoch: int, n: int, settings: Settings, history: History) -> None:
    line = f"Epoch {epoch + 1:>3} of {settings.max_iter}: loss {history.loss_curve[-1]:.6g}"
    if history.validation_scores:
        line += f", score of held-out rows {history.validation_scores[-1]:.6g}"
    seconds = history.seconds[-1]
    left = timedelta(seconds=round((settings.max_iter - epoch - 1) * seconds))
    line += f", {n / max(seconds, 1e-9):,.0f} rows/s, at most {left} left"
    print(line)
