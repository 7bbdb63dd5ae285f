"""What a network is, in numbers and names: the one description that all stages share."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from dcnfast import _core

Cross = Literal["matrix", "vector", "lowrank"]
Activation = Literal["identity", "relu", "tanh", "sigmoid", "gelu"]
Structure = Literal["parallel", "stacked", "stacked_parallel"]
Loss = Literal["squared_error", "log_loss", "softmax"]
SparseAdam = Literal["lazy", "exact"]
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
    fields : tuple of (str, int, int)
        Name, rows and width of each categorical field.
    n_dense : int
        Dense columns, M.
    wide : bool
        Whether a linear part on ids and dense columns is added to the logits.
    cross : {"matrix", "vector", "lowrank"}
        Form of the cross layers.
    cross_layers : int
        L; 0 leaves the cross part out.
    cross_rank : int
        R of the low-rank form, else 0.
    diag_scale : float
        Added to the diagonal of W_l.
    cross_bias : bool
        Whether cross layers have a bias.
    preactivation : str
        Of the matrix and low-rank forms: applied to W_l x_l + b_l.
    hidden : tuple of int
        Widths of the deep part; () leaves it out.
    activation, structure, loss : str
        See :class:`dcnfast.DCNRegressor`.
    dropout : float
        Part of a deep layer's outputs that are left out in training.
    layer_norm : bool
        Whether deep layers are normalised before their activation.
    n_outputs : int
        C.
    alpha_embedding, alpha_cross, alpha_deep : float
        The objective has alpha / 2 times the sum of squared weights, biases excepted; of tables
        those of the rows in the batch, as often as they occur, divided by B.
    ema_decay : float
        Of the moving average of parameters that predicts; 0 is none.
    sparse_adam : {"lazy", "exact"}
        What rows of tables do that are not in the batch: nothing, or a step with gradient 0.
    dtype : {"float32", "float64"}
        Of parameters and arithmetic.
    """

    fields: tuple[tuple[str, int, int], ...] = ()
    n_dense: int = 0
    wide: bool = False
    cross: Cross = "matrix"
    cross_layers: int = 0
    cross_rank: int = 0
    diag_scale: float = 0.0
    cross_bias: bool = True
    preactivation: Activation = "identity"
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    structure: Structure = "parallel"
    dropout: float = 0.0
    layer_norm: bool = False
    n_outputs: int = 1
    loss: Loss = "squared_error"
    alpha_embedding: float = 0.0
    alpha_cross: float = 0.0
    alpha_deep: float = 0.0
    ema_decay: float = 0.0
    sparse_adam: SparseAdam = "lazy"
    dtype: DType = "float32"

    @property
    def width(self) -> int:
        """Width of the stacked input, D."""
        return self.embedding_width + self.n_dense

    @property
    def embedding_width(self) -> int:
        """Width of all fields' embeddings together."""
        return sum(width for _, _, width in self.fields)

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
        network = _core.NetworkF64 if self.dtype == "float64" else _core.NetworkF32
        names = {"n_dense", "cross", "cross_layers", "cross_rank", "diag_scale", "hidden"}
        names |= {"activation", "structure", "n_outputs", "loss"}
        known = {name: value for name, value in asdict(self).items() if name in names}
        return network(_core.NetworkConfig(**known, alpha=self.alpha_deep))
