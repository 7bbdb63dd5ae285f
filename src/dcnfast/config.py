"""What a network is, in numbers and names: the one description that all stages share."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from dcnfast import _core

Cross = Literal["matrix", "vector", "lowrank"]
Activation = Literal["identity", "relu", "tanh", "sigmoid", "gelu"]
Structure = Literal["parallel", "stacked"]
Loss = Literal["squared_error", "log_loss", "softmax"]
DType = Literal["float32", "float64"]

COPIES = 8  # parameters, gradient, two moments, packed weights, lanes, initial values, snapshot


def physical_memory() -> int:
    """Return the machine's memory in bytes, or what no machine has where it cannot be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 2**40


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Shape and mathematics of a network.

    Parameters
    ----------
    n_dense : int
        Dense columns, M.
    cross : {"matrix", "vector", "lowrank"}
        Form of the cross layers.
    cross_layers : int
        L; 0 leaves the cross part out.
    cross_rank : int
        R of the low-rank form, else 0.
    diag_scale : float
        Added to the diagonal of W_l.
    hidden : tuple of int
        Widths of the deep part; () leaves it out.
    activation, structure, loss : str
        See :class:`dcnfast.DCNRegressor`.
    n_outputs : int
        C.
    alpha : float
        The objective has alpha / 2 times the sum of squared weights, biases excepted.
    dtype : {"float32", "float64"}
        Of parameters and arithmetic.
    """

    n_dense: int
    cross: Cross = "matrix"
    cross_layers: int = 0
    cross_rank: int = 0
    diag_scale: float = 0.0
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    structure: Structure = "parallel"
    n_outputs: int = 1
    loss: Loss = "squared_error"
    alpha: float = 0.0
    dtype: DType = "float32"

    @property
    def width(self) -> int:
        """Width of the stacked input, D."""
        return self.n_dense

    def count_parameters(self) -> int:
        """Count without allocating; Python integers do not overflow."""
        D, L, R = self.width, self.cross_layers, self.cross_rank
        cross = {"vector": D, "matrix": D * D, "lowrank": 2 * D * R}[self.cross]
        total = L * (cross + D)
        inputs = D
        for width in self.hidden:
            total += (inputs + 1) * width
            inputs = width
        reaches = D if not self.hidden or (self.structure == "parallel" and L > 0) else 0
        return total + self.n_outputs * (reaches + (inputs if self.hidden else 0) + 1)

    def compile(self) -> _core.NetworkF32 | _core.NetworkF64:
        """Build the compiled network, all parameters zero.

        Raises
        ------
        ValueError
            If the network would have more parameters than the machine's memory can train. Systems
            that promise more memory than they have would end the process instead.
        """
        most = physical_memory() // (COPIES * np.dtype(self.dtype).itemsize)
        if (n := self.count_parameters()) > most:
            raise ValueError(
                f"the network would have {n} parameters, want at most the {most} that fit into "
                "memory: see hidden_layer_sizes, cross_layers and cross_rank"
            )
        fields = asdict(self)
        network = _core.NetworkF64 if fields.pop("dtype") == "float64" else _core.NetworkF32
        return network(_core.NetworkConfig(**fields))
