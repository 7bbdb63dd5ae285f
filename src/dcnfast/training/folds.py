"""How long to train, by rows that are held out: one part of them, or of few rows every fold.

A tenth of few rows says little about when to stop, and is missed in training. So a network for each
fold is trained on the other folds, all of them epoch by epoch, and what they say of the rows they
have not seen is judged together. The estimator's own network then trains on all rows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dcnfast.network.losses import mean_loss
from dcnfast.training.batches import Rows
from dcnfast.training.early_stopping import Next, Progress, Settled
from dcnfast.training.settings import INTERRUPTED, History, Notice, Settings
from dcnfast.training.shrinkage import Judgement, best_constant, judge_rows, row_losses
from dcnfast.training.state import Training
from dcnfast.training.trainer import last_rate, run_epoch

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

LARGEST = 2**22  # parameters of a network that is trained once for each fold
STANDARD_ERRORS = 1.0  # of a gain that tells one network from another
STEPS_IN_DOUBT = 20  # an epoch without a gain counts for


class Fold:
    """A network, the rows it is trained on and those it is judged by.

    Parameters
    ----------
    training : Training
    rows, held : Rows
    weight : ndarray of shape (n_held,)
        Of the held rows, in the same unit for all folds.
    seen : list of ndarray
        See :meth:`Model.settle_unseen`.
    goes_on : bool, default=False
        Whether the training may go on with all rows from where it was best.

    Attributes
    ----------
    best : Training or None
        As it was then, where it may go on.
    history : History
        Of all epochs.
    """

    def __init__(
        self,
        training: Training,
        rows: Rows,
        held: Rows,
        weight: Floats,
        seen: list[Counts],
        *,
        goes_on: bool = False,
    ) -> None:
        self.training, self.rows, self.held, self.weight = training, rows, held, weight
        self.settled = Settled(training.model, held.encoded, seen)
        self.best: Training | None = None
        self.history = History()
        self._goes_on = goes_on
        self._kept: npt.NDArray[np.floating] | None = None

    def take_note_of_best(self) -> None:
        """Keep a copy of the whole training, if it may go on."""
        if self._goes_on and self.best is None:
            self.best = self.training.copy()
        elif self.best is not None:
            self.best.take_over(self.training)

    def keep(self) -> None:
        """Keep a copy of the parameters, to go back to."""
        self._kept = self.training.model.snapshot(self._kept)

    def go_back(self) -> None:
        """Set the parameters to those kept, if any were."""
        if self._kept is not None:
            self.training.model.restore(self._kept)

    def constant(self) -> Floats:
        """Return the best constant of the rows that it is trained on, for each held one, (n, C)."""
        config, rows = self.training.model.config, self.rows
        best = best_constant(config.loss_kind, rows.target, rows.weight, config.n_outputs)
        return np.tile(best, (len(self.held), 1))

    def logits(self, n_threads: int) -> Floats:
        """Return what the network says of the held rows now."""
        logits = self.settled.update().logits_of(self.held.encoded, n_threads)
        return logits.astype(np.float64)


@dataclass(frozen=True)
class Choice:
    """What cross-validation chose.

    Parameters
    ----------
    cuts : tuple of int
        How often the learning rate has been cut before each of the epochs that are to be run.
    judgement : Judgement
    scores : list of float
        Negative loss of the held-out rows after each of these epochs.
    planned_epochs : int
        That the schedule of the learning rate had.
    losses : ndarray of shape (n,)
        Of the held-out rows, after these epochs, each times its share of the weight.
    notices : list of Notice
        If the rows were still predicted better and better when ``max_iter`` ended; if Ctrl-C was
        pressed, where this is what was found until then.
    """

    cuts: tuple[int, ...]
    judgement: Judgement
    scores: list[float]
    planned_epochs: int
    losses: Floats
    notices: list[Notice] = field(default_factory=list)

    def is_better(self, other: Choice) -> bool:
        """Return whether the same rows are predicted better, by more than chance may show."""
        with np.errstate(over="ignore", invalid="ignore"):  # a network that is far out is not
            gains = other.losses - self.losses
            gain = gains.sum()
            error = np.sqrt(((gains - gain / len(gains)) ** 2).sum())
        return bool(gain > STANDARD_ERRORS * error)


class _Course(Progress):
    """Follows the loss of all held-out rows, and which epochs led to the least one.

    Epochs that a cut of the learning rate went back behind led nowhere.

    Attributes
    ----------
    kept : ndarray of shape (n, C)
        What the folds' networks said of the held-out rows when the loss was least.
    """

    def __init__(self, settings: Settings, folds: list[Fold]) -> None:
        super().__init__(settings)
        self.folds, self._config = folds, folds[0].training.model.config
        self._target = np.concatenate([fold.held.target for fold in folds])
        self._weight = np.concatenate([fold.weight for fold in folds])
        self._constant = self.kept = np.concatenate([fold.constant() for fold in folds])
        self._now, self._best = list[tuple[int, float]](), list[tuple[int, float]]()

    @property
    def _patience(self) -> int:
        """Wait longer as long as the networks hardly say more than a constant does.

        Products of several columns are found late, and an epoch of few rows has few steps.
        """
        usual = super()._patience
        if self.waited < usual or not self.judgement().is_in_doubt:
            return usual
        steps = min(-(-len(fold.rows) // self.settings.batch_size) for fold in self.folds)
        return usual * max(1, -(-STEPS_IN_DOUBT // steps))

    def judgement(self) -> Judgement:
        """Return how far the rows let the networks go that were best."""
        found = self.kept, self._constant, self._target, self._weight
        return judge_rows(self._config.loss_kind, *found)

    def note_epoch(self, epoch: int) -> Next:
        """Take note of what the networks say after an epoch."""
        n_threads, most = self.settings.n_threads, self.settings.max_iter
        logits = np.concatenate([fold.logits(n_threads) for fold in self.folds])
        loss = mean_loss(self._config.loss_kind, logits, self._target, self._weight)
        if self.settings.verbose:
            n = len(self.folds)
            where = f"{n} folds" if n > 1 else "a part of the rows"
            print(f"Epoch {epoch + 1:>3} of {most}, {where}: score of held-out rows {-loss:.6g}")
        return self.note_logits(logits, loss)

    def note_logits(self, logits: Floats, loss: float) -> Next:
        """Take note of an epoch; where the rate is to be cut, the networks go back."""
        self._now.append((self.cuts, -loss))
        if loss < self.best_loss:
            self.kept, self._best = logits, list(self._now)
            for fold in self.folds:
                fold.take_note_of_best()
                if self.settings.schedule.max_cuts:
                    fold.keep()
        then = self.note(loss)
        if then is Next.CUT:
            self._now = list(self._best)
            for fold in self.folds:
                fold.go_back()
        return then

    def choice(self, notices: list[Notice]) -> Choice:
        """Return the epochs that led to the least loss; one where none could be run."""
        epochs = self._best or self._now[:1]
        cuts = tuple(cuts for cuts, _ in epochs) or (0,)
        scores = [score for _, score in epochs]
        losses = _shares_of_loss(self.folds, self.kept, self._target, self._weight)
        planned = self.settings.planned_epochs
        return Choice(cuts, self.judgement(), scores, planned, losses, notices)


def losses_of(folds: list[Fold], n_threads: int) -> Floats:
    """Return what :class:`Choice` has as losses, of the networks as they are now."""
    logits = np.concatenate([fold.logits(n_threads) for fold in folds])
    target = np.concatenate([fold.held.target for fold in folds])
    weight = np.concatenate([fold.weight for fold in folds])
    return _shares_of_loss(folds, logits, target, weight)


def _shares_of_loss(folds: list[Fold], logits: Floats, target: Floats, weight: Floats) -> Floats:
    """Return the loss of each held-out row, times its share of the weight."""
    losses = row_losses(folds[0].training.model.config.loss_kind, logits, target)
    return np.asarray(losses.mean(axis=1) * (weight / weight.sum()))


def choose_epochs(
    folds: list[Fold], settings: Settings, random_state: np.random.RandomState
) -> Choice:
    """Train the folds' networks until their held-out rows are no longer predicted better.

    Parameters
    ----------
    folds : list of Fold
    settings : Settings
        Of the fit on all rows.
    random_state : RandomState
        Shuffles.
    """
    course, notices = _Course(settings, folds), list[Notice]()
    try:
        for epoch in range(settings.max_iter):
            start, cuts = time.perf_counter(), course.cuts
            ends = [
                run_epoch(f.training, f.rows, settings, random_state, epoch, cuts) for f in folds
            ]
            if not all(sound for _, sound in ends):
                break  # the fit on all rows will say so
            then, seconds = course.note_epoch(epoch), time.perf_counter() - start
            for fold, (loss, _) in zip(folds, ends, strict=True):
                rate = last_rate(settings, epoch, fold.rows, cuts)
                fold.history.note(loss, [], rate, seconds)
            if then is Next.END:
                break
        else:
            notices += course.notices_at_the_end()
    except KeyboardInterrupt:  # the fit on all rows goes as far as was found good so far
        notices.append(INTERRUPTED)
    return course.choice(notices)
