"""How to train, and what happened: plain records. The caller makes warnings of notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.schedules import Constant, Schedule
from dcnfast.training.timing import Timing


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    step : OptimizerStep
    batch_size, max_iter : int
    shuffle : bool
    seed : int
        Of dropout.
    tol : float or None
        Least improvement of the watched loss that counts; None never stops.
    n_iter_no_change : int
        Epochs without such an improvement before training stops.
    n_threads, verbose : int
    schedule, decay_schedule, dropout_schedule : Schedule
        Of the learning rate, the optimizer's weight decay and the rates of dropout.
    planned_epochs : int
        That the schedules have, whether training stops earlier or not.
    planned_cuts : tuple of int or None
        How often the learning rate has been cut before each epoch, where folds have found that;
        None cuts it as the watched loss says.
    enough : float or None
        A watched loss at which training ends, after some epochs; None trains on.
    deadline : float or None
        By ``time.perf_counter``: no epoch begins that would end later if it took as long as the
        last one.
    """

    step: OptimizerStep
    batch_size: int
    max_iter: int
    shuffle: bool
    seed: int
    tol: float | None
    n_iter_no_change: int
    n_threads: int
    verbose: int
    schedule: Schedule = field(default_factory=Constant)
    decay_schedule: Schedule = field(default_factory=Constant)
    dropout_schedule: Schedule = field(default_factory=Constant)
    planned_epochs: int = 1
    planned_cuts: tuple[int, ...] | None = None
    enough: float | None = None
    deadline: float | None = None


@dataclass(frozen=True)
class Notice:
    """Something about a training that its user should know. Who called it makes it a warning.

    Parameters
    ----------
    kind : {"convergence", "interrupted", "time"}
    text : str
    """

    kind: Literal["convergence", "interrupted", "time"]
    text: str


INTERRUPTED = Notice("interrupted", "Training interrupted by user.")
OUT_OF_TIME = Notice("time", "max_time is over before training came to its end.")


@dataclass
class History:
    """What happened, one number an epoch.

    Parameters
    ----------
    loss_curve : list of float
        Mean objective over the epoch's batches.
    validation_scores : list of float
        Of the rows held out; empty without such rows.
    rates : list of float
        The learning rate at the epoch's end.
    seconds : list of float
        What the epoch took, and the look at the rows held out.
    timing : Timing
    notices : list of Notice
    """

    loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)
    notices: list[Notice] = field(default_factory=list)

    def note(self, loss: float, scores: list[float], rate: float, seconds: float) -> None:
        """Take note of an epoch, and of the score of the rows held out, if there are any."""
        self.loss_curve.append(loss)
        self.validation_scores += scores
        self.rates.append(rate)
        self.seconds.append(seconds)

    def first(self, n: int, timing: Timing) -> History:
        """Return what happened in the first n epochs, without scores, with the time of all."""
        return History(self.loss_curve[:n], [], self.rates[:n], self.seconds[:n], timing)
