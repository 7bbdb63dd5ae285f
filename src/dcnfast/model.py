"""Stages 2 to 6: the compiled network with its initial values, its copies and its state."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from dcnfast.config import NetworkConfig

Array = npt.NDArray[Any]


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

    def initialize(self, random_state: np.random.RandomState) -> Model:
        """Draw the weights; biases are 0.

        Cross weights as in TensorFlow Recommenders: normal with standard deviation 0.05, cut at two
        of them. The others uniform after Glorot and Bengio (2010). All in float64 and in the order
        of the tensors, so that both dtypes start from the same values.
        """
        pieces = []
        for name, shape, _ in self.network.tensors:
            if "_b_" in name or name.endswith("_b") or "_shift_" in name or name.startswith("wide"):
                pieces.append(np.zeros(shape))
            elif "_scale_" in name:
                pieces.append(np.ones(shape))
            elif name.startswith("embedding"):
                pieces.append(0.05 * random_state.normal(size=shape))
            elif name.startswith("cross"):
                low, high = ndtr(-2.0), ndtr(2.0)
                pieces.append(0.05 * ndtri(random_state.uniform(low, high, size=shape)))
            else:
                limit = np.sqrt(6.0 / (shape[0] + shape[1]))
                pieces.append(random_state.uniform(-limit, limit, size=shape))
        flat = np.zeros(self.network.flat_parameters.shape, self.config.dtype)
        for (_, _, offset), piece in zip(self.network.tensors, pieces, strict=True):
            flat[offset : offset + piece.size] = piece.ravel()
        self.network.set_parameters(flat)
        return self

    def logits(self, ids: Array, dense: Array, n_threads: int) -> Array:
        """Return logits (N, C) of encoded rows: ids (N, F), dense (N, M)."""
        return np.asarray(self.network.predict(ids, dense, n_threads))

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
