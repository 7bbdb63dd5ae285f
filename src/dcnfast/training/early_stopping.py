"""Early stopping: the best epoch so far, and whether to go on."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoded import Encoded
from dcnfast.network.model import Model
from dcnfast.plain import State, Tree
from dcnfast.training.batches import Rows
from dcnfast.training.settings import Notice, Settings
from dcnfast.training.state import Training

Array = npt.NDArray[Any]


class Next(Enum):
    """What comes after an epoch: another; another from the best one, at a lower rate; nothing."""

    GO_ON = 1
    CUT = 2
    END = 3


FEW_EPOCHS = 30  # before a loss is enough


class Progress:
    """Whether a loss still gets better, epoch by epoch, and how often the learning rate was cut.

    Attributes
    ----------
    best_loss : float
    waited : int
        Epochs since it got better by ``tol``, or since the last cut.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.best_loss, self.waited = np.inf, 0
        self._epochs, self._cuts = 0, 0

    @property
    def cuts(self) -> int:
        """How often the learning rate was cut before the epoch that comes now."""
        planned = self.settings.planned_cuts
        return self._cuts if planned is None else planned[self._epochs]

    @property
    def _patience(self) -> int:
        patience = self.settings.schedule.patience
        return self.settings.n_iter_no_change if patience is None else patience

    def note(self, loss: float) -> Next:
        """Take note of an epoch's loss; return what should come next."""
        tol, schedule = self.settings.tol, self.settings.schedule
        gains = loss < self.best_loss if tol is None else loss <= self.best_loss - tol
        rises = self._epochs < schedule.warmup * self.settings.planned_epochs
        self._epochs += 1
        self.waited = 0 if gains or (rises and schedule.max_cuts) else self.waited + 1
        self.best_loss = min(self.best_loss, loss)
        if (planned := self.settings.planned_cuts) is not None:
            before, after = planned[self._epochs - 1], planned[self._epochs : self._epochs + 1]
            return Next.CUT if after and after[0] > before else Next.GO_ON
        enough = self.settings.enough
        if enough is not None and self._epochs >= FEW_EPOCHS and loss <= enough:
            return Next.END
        if self.waited < self._patience:
            return Next.GO_ON
        if self._cuts < schedule.max_cuts:
            self._cuts, self.waited = self._cuts + 1, 0
            if self.settings.verbose:
                rate = self.settings.step.learning_rate * schedule.factor**self._cuts
                print(f"Learning rate {rate:g} from here on, and the best parameters so far")
            return Next.CUT
        return Next.GO_ON if tol is None else Next.END

    def tree(self) -> Tree:
        """Return what changes from epoch to epoch as plain state."""
        best = None if np.isinf(self.best_loss) else float(self.best_loss)
        return {
            "best_loss": best, "waited": self.waited, "epochs": self._epochs, "cuts": self._cuts
        }  # fmt: skip

    def read(self, state: State) -> tuple[float, int, int, int]:
        """Return what :meth:`take` takes, of what :meth:`tree` gave; ValueError if it is not."""
        best = state.maybe("best_loss", state.number)
        most = self.settings.max_iter
        counts = (
            state.integer("waited", 0, most), state.integer("epochs", 1, most),
            state.integer("cuts", 0, most),
        )  # fmt: skip
        state.done()
        return (np.inf if best is None else best, *counts)

    def take(self, found: tuple[float, int, int, int]) -> None:
        """Go on from there."""
        self.best_loss, self.waited, self._epochs, self._cuts = found

    @property
    def epochs(self) -> int:
        """How many epochs it has taken note of."""
        return self._epochs

    def notices_at_the_end(self) -> list[Notice]:
        """Return what to say when all epochs are over and the loss was still getting better."""
        if self.settings.tol is None:  # as many epochs as were asked for
            return []
        most = self.settings.schedule.max_cuts
        why = (
            f"the learning rate was cut {self._cuts} of {most} times, and {self.waited} of the "
            f"{self._patience} epochs without a gain of tol ({self.settings.tol:g}) are over"
            if most
            else f"within the last {self._patience} epochs there was still a gain of more than tol "
            f"({self.settings.tol:g})"
        )
        text = (
            f"Maximum iterations ({self.settings.max_iter}) reached and the optimization hasn't "
            f"converged yet: {why}. A higher max_iter may help."
        )
        return [Notice("convergence", text)]


class Watch(Progress):
    """Follows a loss, and keeps a copy of the parameters from the end of the best epoch.

    Training that diverges returns to it, and with rows held out every training ends with it.
    """

    def __init__(self, settings: Settings, training: Training) -> None:
        super().__init__(settings)
        self.training = training
        self.kept = training.model.snapshot()

    def note(self, loss: float) -> Next:
        """Take note of the loss of an epoch that left finite parameters."""
        if loss < self.best_loss:
            self.training.model.snapshot(self.kept)
        return super().note(loss)

    def cut(self) -> None:
        """Go on from the parameters kept; the moments still tell the size of gradients.

        Where folds have planned it, the best parameters are those of now.
        """
        if self.settings.planned_cuts is None:
            self.training.model.restore(self.kept)
        else:
            self.training.model.adopt_averages()

    def go_back(self) -> None:
        """Set the parameters to those kept, and reset the optimizer's moments."""
        self.training.model.restore(self.kept)
        self.training.reset()


class Settled:
    """A network in training as it would predict now, when rows come that training never saw.

    The network itself is not written to: the rows of the tables that training never saw get their
    values (see :meth:`Model.settle_unseen`) in a copy.

    Parameters
    ----------
    model : Model
        In training.
    rows : Encoded
        That will come.
    seen : list of ndarray of shape (V_f,)
        For each field how often training saw each row of its table.
    """

    def __init__(self, model: Model, rows: Encoded, seen: list[Array]) -> None:
        self._model, self._seen = model, seen
        fields = zip(seen, rows.by_field(), strict=True)
        unseen = any((counts[ids] == 0).any() for counts, ids in fields)
        self._copy = Model(model.config) if unseen else None

    @property
    def model(self) -> Model:
        """The model that predicts; its parameters are those of the last :meth:`update`."""
        return self._model if self._copy is None else self._copy

    def update(self) -> Model:
        """Return the model that predicts, as training stands now."""
        if self._copy is not None:
            self._copy.restore(self._model.settled_snapshot(self._seen))
        return self.model


class HeldOut:
    """Rows that are watched, and how they are judged.

    Parameters
    ----------
    rows : Rows
    settled : Settled
        Of the model in training.
    scorer : callable or None
        Returns the score that the model of ``settled`` has on the rows now; None is the negative
        loss.
    shrinks : bool
        Whether they also say how far the network is to be trusted.
    """

    def __init__(
        self,
        rows: Rows,
        settled: Settled,
        scorer: Callable[[], Any] | None = None,
        *,
        shrinks: bool = False,
    ) -> None:
        self.rows, self.settled, self.scorer, self.shrinks = rows, settled, scorer, shrinks

    def score(self, n_threads: int) -> float:
        """Return the score of the network as it is now, the higher the better."""
        model = self.settled.update()
        if self.scorer is None:
            return -model.evaluate(self.rows.table, n_threads)
        try:
            score = self.scorer()
        except ValueError as error:  # which speaks of y_true
            raise ValueError(f"scoring of the held-out rows: {error}") from error
        if not isinstance(score, Real) or np.isnan(float(score)):
            raise ValueError(f"scoring gave {score!r} for the held-out rows, want a number")
        return float(score)
