"""A model in training: the model, and what only training needs beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast import _core
from dcnfast.network.model import Model, flat_of
from dcnfast.training.optimizers import OPTIMIZERS

Array = npt.NDArray[Any]


class Training:
    """A model, with the gradients, moments and steps of its training. Copies and pickles by value.

    The moments and the number of steps are 0 at first. A model knows nothing of its training: it
    predicts, and is copied and pickled, without.

    Parameters
    ----------
    model : Model
        Trained in place.

    Attributes
    ----------
    model : Model
    state : compiled training state
        Has ``gradients``, ``first_moments`` and ``second_moments``: dicts from name to read-only
        view of one flat buffer.
    prior_rows : int
        Of how many rows the prior is, which holds parameters where they were; 0 without one.
    streamed : int
        Rows of all updates so far.
    moments : str
        What the moments are, "" where they are 0; see :attr:`Optimizer.keeps`.
    """

    prior_rows: int = 0
    streamed: int = 0
    moments: str = ""

    def __init__(self, model: Model) -> None:
        self.model, self.state = model, _state_of(model)

    def reset(self) -> None:
        """Begin anew from the parameters as they are: no moments, no steps."""
        nothing: Array = np.zeros_like(self.state.flat_first_moments)
        self.state.set_optimizer(nothing, nothing, 0)
        self.moments = ""

    def use(self, optimizer: str) -> None:
        """Begin anew where the moments are not those of this optimizer: they mean something else.

        Parameters
        ----------
        optimizer : str
            Its name.
        """
        keeps = OPTIMIZERS[optimizer].keeps
        if self.moments not in ("", keeps):
            self.reset()
        self.moments = keeps

    def copy(self) -> Training:
        """Copy the model, and what its training has."""
        return self.resized([rows for _, rows, _ in self.model.config.fields])

    def resized(self, rows: Sequence[int]) -> Training:
        """Copy both, with another number of rows for each field; those that are new are 0."""
        config = self.model.config
        fields = tuple((name, n, K) for (name, _, K), n in zip(config.fields, rows, strict=True))
        other = Training(Model(replace(config, fields=fields)))
        other.take_over(self)
        return other

    def take_over(
        self, other: Training, rows: Sequence[npt.NDArray[np.int32]] | None = None
    ) -> None:
        """Become as another is, but for the number of rows of each field.

        Parameters
        ----------
        other : Training
        rows : sequence of ndarray of shape (n,) or None, default=None
            For each field the rows of its table to copy; None copies all that both have.
        """
        state: Any = self.state
        state.take_over(other.state, rows)
        self.prior_rows, self.streamed = other.prior_rows, other.streamed
        self.moments = other.moments

    def hold(self, anchor: Array, fisher: Array, n_rows: int) -> None:
        """Hold what is trained from now on, as much as ``prior_strength`` says.

        Parameters
        ----------
        anchor, fisher : ndarray of shape (n_parameters,)
            Where, and the Fisher information of each parameter; flat as the parameters are.
        n_rows : int
            That they are of.
        """
        state: Any = self.state
        state.set_prior(anchor, fisher)
        self.prior_rows = n_rows

    def __getstate__(self) -> dict[str, Any]:
        state = {
            "model": self.model,
            "first_moments": np.array(self.state.flat_first_moments),
            "second_moments": np.array(self.state.flat_second_moments),
            "step": int(self.state.step),
            "moments": self.moments,
        }
        if (prior := self.state.prior) is not None:
            state |= {"anchor": prior[0], "fisher": prior[1], "prior_rows": self.prior_rows}
        return state | ({"streamed": self.streamed} if self.streamed else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        if not isinstance(state, dict) or not isinstance(state.get("model"), Model):
            raise ValueError(
                "the state of a Training is no dict with a model, want one that it pickled"
            )
        model = state["model"]
        moments = _moments_of(state, model)
        compiled = _state_of(model)
        compiled.set_optimizer(*moments)
        self.model, self.state = model, compiled
        if "prior_rows" in state:
            self.hold(*_prior_of(state, model))
        streamed = state.get("streamed", 0)
        if type(streamed) is not int or streamed < 0:
            raise ValueError(f"the state's streamed is {streamed!r}, want rows, not negative")
        self.streamed = streamed
        moments_of = state.get("moments", "")  # older ones do not say it
        if moments_of and moments_of not in {OPTIMIZERS[name].keeps for name in OPTIMIZERS}:
            raise ValueError(f"the state's moments are {moments_of!r}, want those of an optimizer")
        self.moments = moments_of


def _state_of(model: Model) -> _core.TrainingStateF32 | _core.TrainingStateF64:
    if isinstance(model.network, _core.NetworkF64):
        return _core.TrainingStateF64(model.network)
    return _core.TrainingStateF32(model.network)


def _moments_of(state: dict[str, Any], model: Model) -> tuple[Array, Array, int]:
    """Read both moments and the step of a pickled training."""
    size = model.network.flat_parameters.size
    first = flat_of(state, "first_moments", size, model.config.dtype)
    second = flat_of(state, "second_moments", size, model.config.dtype)
    if (second < 0).any():
        raise ValueError("the state's second_moments are negative in places, want squares")
    step = state.get("step")
    if type(step) is not int or not 0 <= step < 2**32:
        raise ValueError(f"the state's step is {step!r}, want an integer from 0 to 2^32 - 1")
    return first, second, step


def _prior_of(state: dict[str, Any], model: Model) -> tuple[Array, Array, int]:
    """Read what a pickled training is held at, how much, and of how many rows."""
    size, n_rows = model.network.flat_parameters.size, state["prior_rows"]
    anchor = flat_of(state, "anchor", size, model.config.dtype)
    fisher = flat_of(state, "fisher", size, model.config.dtype)
    if (fisher < 0).any():
        raise ValueError("the state's fisher is negative in places, want squares")
    if type(n_rows) is not int or n_rows < 1:
        raise ValueError(f"the state's prior_rows is {n_rows!r}, want an integer of at least 1")
    return anchor, fisher, n_rows
