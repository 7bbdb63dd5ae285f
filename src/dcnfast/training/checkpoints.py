"""Checkpoints: all that a training needs to go on, bit for bit, as if it had never stopped."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from hashlib import blake2b
from numbers import Integral, Real
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from dcnfast.network.kinds import Family, Kind, Option
from dcnfast.plain import State, Tree
from dcnfast.training.batches import Rows
from dcnfast.training.early_stopping import Watch
from dcnfast.training.settings import History, Settings
from dcnfast.training.state import Training

Array = npt.NDArray[Any]
RANDOM = "MT19937"  # what RandomState is made of
WITHOUT_EFFECT = ("n_threads", "verbose", "deadline")  # of the settings


def _is_count(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool)


class Checkpoints(Kind):
    """Where ``fit`` leaves checkpoints, and how often.

    A fit with the same table, parameters and folder goes on from the last checkpoint there, and
    ends with the same bits as one that was never stopped: shuffling, moments, averages, schedules
    and early stopping included. When a fit comes to its end its checkpoints are removed; they stay
    when it is interrupted, killed, or out of ``max_time``.

    Parameters
    ----------
    folder : str or path, default="checkpoints"
        It is made where it is missing. One folder is for one fit at a time.
    epochs : int or None, default=1
        A checkpoint after so many epochs; None counts no epochs.
    seconds : float or None, default=None
        A checkpoint at the end of the epoch in which so many seconds since the last are over; None
        looks at no clock.
    keep : int, default=2
        How many of the last ones stay.
    """

    name = "folder"
    summary = "checkpoints in a folder."
    options: ClassVar[dict[str, Option]] = {
        "folder": Option("a path", lambda given: isinstance(given, str | os.PathLike)),
        "epochs": Option(
            "an integer of at least 1, or None",
            lambda given: given is None or _is_count(given),
            lambda given: given is None or given >= 1,
        ),
        "seconds": Option(
            "a finite number >= 0, or None",
            lambda given: (
                given is None or (isinstance(given, Real) and not isinstance(given, bool))
            ),
            lambda given: given is None or 0 <= float(given) < np.inf,
        ),
        "keep": Option("an integer of at least 1", _is_count, lambda given: given >= 1),
    }

    def __init__(
        self,
        folder: str | os.PathLike[str] = "checkpoints",
        *,
        epochs: int | None = 1,
        seconds: float | None = None,
        keep: int = 2,
    ) -> None:
        self.folder, self.epochs, self.seconds, self.keep = folder, epochs, seconds, keep


CHECKPOINTS: Family[Checkpoints] = Family("checkpoints", Checkpoints)


@dataclass(frozen=True)
class Moment:
    """A training between two epochs: what changes from one epoch to the next.

    Parameters
    ----------
    training : Training
    watch : Watch
    random_state : RandomState
    history : History
    """

    training: Training
    watch: Watch
    random_state: np.random.RandomState
    history: History

    def tree(self) -> Tree:
        """Return it as plain state. The arrays are views, to be written at once."""
        model, state = self.training.model, self.training.state
        scores = self.history.validation_scores
        return {
            "parameters": np.asarray(model.network.flat_parameters),
            "averages": model.snapshot() if model.config.ema_decay else None,
            "first_moments": np.asarray(state.flat_first_moments),
            "second_moments": np.asarray(state.flat_second_moments),
            "step": int(state.step),
            "watch": self.watch.tree() | {"kept": self.watch.kept},
            "random": random_tree(self.random_state),
            "loss_curve": np.array(self.history.loss_curve, np.float64),
            "validation_scores": np.array(scores, np.float64),
            "rates": np.array(self.history.rates, np.float64),
            "seconds": np.array(self.history.seconds, np.float64),
        }

    def restore(self, state: State) -> None:
        """Take over what :meth:`tree` gave; ValueError, and nothing taken over, if it is not that.

        Parameters
        ----------
        state : State
        """
        model, kept = self.training.model, self.watch.kept
        of_network = (kept.dtype, kept.shape)
        parameters = state.array("parameters", *of_network)
        averages = state.maybe("averages", state.array, *of_network)
        if (averages is None) != (not model.config.ema_decay):
            raise state.refuse("averages where the network keeps them")
        first = state.array("first_moments", *of_network)
        second = state.array("second_moments", *of_network)
        step = state.integer("step", 0, 2**32 - 1)
        random = read_random(state.part("random"))
        of_watch = state.part("watch")
        best = of_watch.array("kept", *of_network)
        watched = self.watch.read(of_watch)
        curves = {
            name: state.array(name, np.float64, (None,)).tolist()
            for name in ("loss_curve", "validation_scores", "rates", "seconds")
        }
        state.done()
        model.network.set_parameters(parameters)
        if averages is not None:
            model.network.set_averages(averages)
        self.training.state.set_optimizer(first, second, step)
        np.copyto(kept, best)
        self.watch.take(watched)
        self.random_state.set_state(random)
        for name, values in curves.items():
            getattr(self.history, name)[:] = values


class Keeper(Protocol):
    """Who keeps checkpoints."""

    def begin(self, moment: Moment) -> None:
        """Bring a training that is about to begin to the last checkpoint, if there is one."""

    def after_epoch(self, moment: Moment) -> None:
        """Write a checkpoint if it is time for one."""


def random_tree(random_state: np.random.RandomState) -> Tree:
    """Return the state of a source of random numbers as plain state."""
    kind, keys, at, has_gauss, gauss = random_state.get_state(legacy=True)
    return {
        "kind": kind, "keys": np.asarray(keys, np.uint32), "at": int(at),
        "has_gauss": bool(has_gauss), "gauss": float(gauss),
    }  # fmt: skip


def read_random(state: State) -> Any:
    """Return what ``RandomState.set_state`` takes."""
    kind = state.text("kind", (RANDOM,))
    keys = state.array("keys", np.uint32, (624,))
    found = kind, keys, state.integer("at", 0, 624), int(state.flag("has_gauss"))
    gauss = state.number("gauss")
    state.done()
    return (*found, gauss)


def fingerprints(
    training: Training, rows: Rows, held_out: Rows | None, settings: Settings, judged: str
) -> dict[str, str]:
    """Return what a training is that is about to begin, by what it comes from.

    Two with the same fingerprints end with the same bits; ``judged`` says how held-out rows are.
    """
    fixed = {k: v for k, v in vars(settings).items() if k not in WITHOUT_EFFECT}
    state = training.state
    of_rows = [part for some in (rows, held_out) if some is not None for part in _arrays(some)]
    return {
        "parameters": _digest(repr((asdict(training.model.config), fixed, judged)).encode()),
        "rows": _digest(*of_rows),
        "first weights": _digest(
            training.model.network.flat_parameters, training.model.snapshot(),
            state.flat_first_moments, state.flat_second_moments, str(state.step).encode(),
        ),
    }  # fmt: skip


def _arrays(rows: Rows) -> list[Any]:
    of_lists = [part for items in rows.lists for part in items]
    parts = [rows.ids, rows.dense, rows.target, rows.weight, rows.group, *of_lists]
    return [b"" if part is None else part for part in parts]


def _digest(*parts: Any) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else np.ascontiguousarray(part).reshape(-1)
        view = data if isinstance(data, bytes) else data.view(np.uint8).data
        digest.update(len(view).to_bytes(8, "little"))
        digest.update(view)
    return digest.hexdigest()
