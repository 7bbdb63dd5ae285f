"""How the learning rate, weight decay and dropout go, step by step: kinds with options."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from dcnfast.network.kinds import COUNT, COUNT_OR_NONE, DECAY, POSITIVE, Family, Kind, Option

__all__ = ["Constant", "Cosine", "Exponential", "FlatCosine", "OneCycle", "Plateau", "Schedule"]

Floats = npt.NDArray[np.float64]
PlannedScheduleName = Literal["constant", "cosine", "flat_cosine", "one_cycle", "exponential"]
ScheduleName = Literal[PlannedScheduleName, "plateau"]

SHARE = Option(
    "a number in [0, 1]",
    POSITIVE.has_type,
    lambda given: 0 <= float(given) <= 1,
)


class Schedule(Kind):
    """Base class of the schedules: what a rate is multiplied by in each step.

    Rates are ``learning_rate_init``, and, each with a schedule of its own, the weight decay of an
    optimizer and the rates of dropout.

    Steps count from the beginning of ``fit`` to the end of ``max_iter`` epochs, whether training
    stops earlier or not; a fit with ``warm_start`` begins anew. What a rate is may also depend on
    how often the watched loss has ceased to fall: who follows it
    (:class:`dcnfast.training.early_stopping.Progress`) counts the cuts, the schedule says what they
    do.

    Attributes
    ----------
    warmup : float
        Share of the steps in which the rate rises from 0, in a straight line, in front of the
        rest.
    max_cuts : int
        How often the rate is cut where the watched loss no longer falls, before training ends for
        this reason.
    factor : float
        What a cut leaves of the rate.
    patience : int or None
        Epochs without a gain before a cut or the end; None is ``n_iter_no_change``.
    """

    warmup: float
    max_cuts: int = 0
    factor: float = 1.0
    patience: int | None = None

    def factors(self, first: int, count: int, total: int, cuts: int = 0) -> Floats:
        """Return the factors (count) of the steps from ``first`` on, counted from 0.

        Parameters
        ----------
        first, count : int
        total : int
            Steps that the whole schedule has.
        cuts : int, default=0
            That there have been.
        """
        steps = np.arange(first, first + count, dtype=np.float64)
        rising = self.warmup * total
        progress = np.clip((steps - rising) / max(total - rising, 1), 0, 1)
        factors = self.after_warmup(progress)
        if rising >= 1:
            factors = np.where(steps < rising, (steps + 1) / (np.ceil(rising) + 1), factors)
        return np.asarray(factors * float(self.factor) ** cuts)

    @abstractmethod
    def after_warmup(self, progress: Floats) -> Floats:
        """Return the factors at these shares of the way, from 0 to 1."""


class Constant(Schedule):
    """The same rate in all steps.

    Parameters
    ----------
    warmup : float, default=0.0
        Share of the steps in which the rate rises to it.
    """

    name = "constant"
    summary = "the same in all steps."
    options: ClassVar[Mapping[str, Option]] = {"warmup": DECAY}

    def __init__(self, *, warmup: float = 0.0) -> None:
        self.warmup = warmup

    def after_warmup(self, progress: Floats) -> Floats:
        """Return 1 everywhere."""
        return np.ones_like(progress)


class Cosine(Schedule):
    """Half a cosine from the full rate to ``final`` of it, of Loshchilov and Hutter (2017).

    Parameters
    ----------
    final : float, default=0.0
        Share of the rate that is left at the end.
    warmup : float, default=0.0
        Share of the steps in which the rate rises, in front.
    """

    name = "cosine"
    summary = "half a cosine, from the full rate to 0."
    options: ClassVar[Mapping[str, Option]] = {"final": SHARE, "warmup": DECAY}

    def __init__(self, *, final: float = 0.0, warmup: float = 0.0) -> None:
        self.final = final
        self.warmup = warmup

    def after_warmup(self, progress: Floats) -> Floats:
        """Return the cosine."""
        return np.asarray(self.final + (1 - self.final) * (1 + np.cos(np.pi * progress)) / 2)


class FlatCosine(Cosine):
    """The full rate for a while, then half a cosine: "flat-cos", as RealMLP has it.

    Parameters
    ----------
    flat : float, default=0.5
        Share of the steps behind the warm-up with the full rate.
    final : float, default=0.0
        Share of the rate that is left at the end.
    warmup : float, default=0.0
        Share of the steps in which the rate rises, in front.
    """

    name = "flat_cosine"
    summary = "the full rate for half of the steps, then half a cosine."
    options: ClassVar[Mapping[str, Option]] = {"flat": DECAY, **Cosine.options}

    def __init__(self, *, flat: float = 0.5, final: float = 0.0, warmup: float = 0.0) -> None:
        super().__init__(final=final, warmup=warmup)
        self.flat = flat

    def after_warmup(self, progress: Floats) -> Floats:
        """Return 1, then the cosine."""
        return super().after_warmup(np.clip((progress - self.flat) / (1 - self.flat), 0, 1))


class OneCycle(Cosine):
    """A rise for the first part, then half a cosine, of Smith and Topin (2018).

    Parameters
    ----------
    final : float, default=0.0
        Share of the rate that is left at the end.
    warmup : float, default=0.3
        Share of the steps in which the rate rises to its peak, ``learning_rate_init``.
    """

    name = "one_cycle"
    summary = "a rise for 30 % of the steps, then half a cosine."

    def __init__(self, *, final: float = 0.0, warmup: float = 0.3) -> None:
        super().__init__(final=final, warmup=warmup)


class Exponential(Schedule):
    """The same share less in every step.

    Parameters
    ----------
    final : float, default=0.01
        Share of the rate that is left at the end.
    warmup : float, default=0.0
        Share of the steps in which the rate rises, in front.
    """

    name = "exponential"
    summary = "falls by the same share in every step, to a hundredth."
    options: ClassVar[Mapping[str, Option]] = {
        "final": Option(
            "a number in (0, 1]", POSITIVE.has_type, lambda given: 0 < float(given) <= 1
        ),
        "warmup": DECAY,
    }

    def __init__(self, *, final: float = 0.01, warmup: float = 0.0) -> None:
        self.final = final
        self.warmup = warmup

    def after_warmup(self, progress: Floats) -> Floats:
        """Return the powers."""
        return np.asarray(np.power(float(self.final), progress))


class Plateau(Constant):
    """The same rate until the watched loss no longer falls, then less of it, some times over.

    What is watched, and what counts as a gain, is as for early stopping: the score of held-out rows
    or else the training loss, and ``tol``. After a cut training goes on from the parameters of the
    best epoch so far; epochs that brought no gain do not count then. When there is none after the
    last cut either, training ends. With ``tol=None`` every fall is a gain, and training ends with
    ``max_iter``.

    Parameters
    ----------
    factor : float, default=0.1
        What a cut leaves of the rate.
    patience : int or None, default=None
        Epochs without a gain before a cut; None is ``n_iter_no_change``. Those of the warm-up do
        not count.
    max_cuts : int, default=2
        Cuts before training ends.
    warmup : float, default=0.0
        Share of the steps in which the rate rises, in front.
    """

    name = "plateau"
    summary = (
        "a tenth of it whenever the watched score has had no gain for ``n_iter_no_change`` epochs, "
        "from the best parameters so far on; after two such cuts training ends."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "factor": Option(
            "a number in (0, 1)", POSITIVE.has_type, lambda given: 0 < float(given) < 1
        ),
        "patience": COUNT_OR_NONE,
        "max_cuts": COUNT,
        "warmup": DECAY,
    }

    def __init__(
        self,
        *,
        factor: float = 0.1,
        patience: int | None = None,
        max_cuts: int = 2,
        warmup: float = 0.0,
    ) -> None:
        super().__init__(warmup=warmup)
        self.factor = factor
        self.patience = patience
        self.max_cuts = max_cuts


SCHEDULES: Family[Schedule] = Family(
    "learning_rate", Constant, Cosine, FlatCosine, OneCycle, Exponential, Plateau
)


class PlannedFamily(Family[Schedule]):
    """Schedules of what is no learning rate: those that are planned before training begins.

    Parameters
    ----------
    parameter : str
        As in ``dropout_schedule``.
    """

    def __init__(self, parameter: str) -> None:
        super().__init__(parameter, Constant, Cosine, FlatCosine, OneCycle, Exponential)

    def resolve(self, given: str | Schedule, flat: Mapping[str, Any]) -> Schedule:
        """Return the schedule that is meant, its options checked.

        Parameters
        ----------
        given : str or Schedule
        flat : dict
            No schedule has options that are parameters of an estimator.

        Raises
        ------
        ValueError
            If there is none of that name, it follows a watched loss, or an option is out of range.
        TypeError
            If it is neither, or an option is of a wrong type.
        """
        if given == Plateau.name or isinstance(given, Plateau):
            raise ValueError(
                f"{self.parameter} is {given!r}, want one of {list(self)!r} or an object of them: "
                "what a watched loss says cuts the learning rate alone"
            )
        return super().resolve(given, flat)


DROPOUT_SCHEDULES = PlannedFamily("dropout_schedule")
