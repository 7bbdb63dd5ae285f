"""Stages 2 to 6: the compiled network with its initial values, its copies and its state."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from dcnfast.config import NetworkConfig

Array = npt.NDArray[Any]


def _truncated_normal(random_state: np.random.RandomState, shape: tuple[int, ...]) -> Array:
    low, high = ndtr(-2.0), ndtr(2.0)
    return np.asarray(0.05 * ndtri(random_state.uniform(low, high, size=shape)))


def _glorot_uniform(random_state: np.random.RandomState, shape: tuple[int, ...]) -> Array:
    limit = np.sqrt(6.0 / (shape[-1] + shape[-2]))
    return random_state.uniform(-limit, limit, size=shape)


def _he_normal(random_state: np.random.RandomState, shape: tuple[int, ...]) -> Array:
    return np.asarray(np.sqrt(2.0 / shape[-1]) * random_state.normal(size=shape))


INITIALIZERS = {
    "truncated_normal": _truncated_normal,
    "glorot_uniform": _glorot_uniform,
    "he_normal": _he_normal,
}


class Model:
    """A network and its parameters. Copies and pickles by value.

    Parameters
    ----------
    config : NetworkConfig

    Attributes
    ----------
    config : NetworkConfig
    network : compiled network
        Has ``parameters``, ``gradients``, ``first_moments`` and ``second_moments``: dicts from name
        to read-only view of one flat buffer.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self.network = config.compile()

    @property
    def n_parameters(self) -> int:
        """How many numbers are learned."""
        return int(self.network.n_parameters)

    @property
    def parameters(self) -> dict[str, Array]:
        """Read-only views by name."""
        return dict(self.network.parameters)

    @property
    def averages(self) -> dict[str, Array]:
        """What predictions use: the running averages where they are kept, else the parameters."""
        return dict(self.network.averages)

    def initialize(
        self,
        random_state: np.random.RandomState,
        cross: str = "truncated_normal",
        deep: str = "glorot_uniform",
    ) -> Model:
        """Draw the weights; biases and the linear part are 0, the scales of normalisation 1.

        Embeddings are normal with the standard deviation 0.05. All is drawn in float64 and in the
        order of the tensors, so that both dtypes start from the same values.

        Parameters
        ----------
        random_state : RandomState
        cross, deep : {"truncated_normal", "glorot_uniform", "he_normal"}
            How to draw the weights of the cross layers; of hidden layers and head.
        """
        pieces = []
        for name, shape, _ in self.network.tensors:
            kind = name.rstrip("0123456789").rstrip("_")
            if kind.endswith(("_b", "_shift")) or kind in ("wide", "wide_W"):
                pieces.append(np.zeros(shape))
            elif kind.endswith("_scale"):
                pieces.append(np.ones(shape))
            elif kind == "embedding":
                pieces.append(0.05 * random_state.normal(size=shape))
            else:
                draw = INITIALIZERS[cross if kind.startswith("cross") else deep]
                pieces.append(draw(random_state, shape))
        flat = np.zeros(self.network.flat_parameters.shape, self.config.dtype)
        for (_, _, offset), piece in zip(self.network.tensors, pieces, strict=True):
            flat[offset : offset + piece.size] = piece.ravel()
        self.network.set_parameters(flat)
        return self

    def logits(self, ids: Array, dense: Array, n_threads: int) -> Array:
        """Return logits (N, C) of encoded rows: ids (N, F), dense (N, M)."""
        return np.asarray(self.network.predict(ids, dense, n_threads))

    def settle_unseen(self, seen: list[npt.NDArray[np.int64]]) -> None:
        """Give rows of the tables that training never saw the mean of those that it saw.

        That is what is known about a category nobody has seen: it is one of its field.

        Parameters
        ----------
        seen : list of ndarray of shape (V_f,)
            For each field how often training saw each row.
        """
        both: list[Array] = [
            np.array(self.network.flat_parameters),
            np.array(self.network.flat_averages),
        ]
        offsets = {name: (offset, shape) for name, shape, offset in self.network.tensors}
        first: dict[str, int] = {}
        for (_, rows, width), counts in zip(self.config.fields, seen, strict=True):
            for name in (f"embedding_{width}", "wide"):
                if name not in offsets:
                    continue
                offset, (V, K) = offsets[name]
                at = first.get(name, 0)
                first[name] = at + rows
                for flat in both:
                    table = flat[offset : offset + V * K].reshape(V, K)[at : at + rows]
                    mean = counts @ table.astype(np.float64) / max(counts.sum(), 1)
                    table[counts == 0] = mean
        self.network.set_parameters(both[0])
        self.network.set_averages(both[1])

    def snapshot(self) -> Array:
        """Copy the flat parameters that predictions use: the averages where they are kept."""
        return np.array(self.network.flat_averages)

    def restore(self, flat: Array) -> None:
        """Set the flat parameters, and start the averages from them."""
        self.network.set_parameters(flat)

    def copy(self) -> Model:
        """Copy parameters and optimizer state."""
        other = Model.__new__(Model)
        other.__setstate__(self.__getstate__())
        return other

    def __getstate__(self) -> dict[str, Any]:
        state = {
            "config": asdict(self.config),
            "parameters": np.array(self.network.flat_parameters),
            "first_moments": np.array(self.network.flat_first_moments),
            "second_moments": np.array(self.network.flat_second_moments),
            "step": int(self.network.step),
        }
        if self.config.ema_decay:
            state["averages"] = np.array(self.network.flat_averages)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.config = NetworkConfig(**state["config"])
        self.network = self.config.compile()
        self.network.set_parameters(state["parameters"])
        if "averages" in state:
            self.network.set_averages(state["averages"])
        self.network.set_optimizer(state["first_moments"], state["second_moments"], state["step"])
