"""What a form of the cross layers says of itself: its tensors, what they cost, how to read W.

Letters: L layers, D width, H half of it, rounded up, R rank, E experts. A tensor's shape is written
in them, ``"LDR"`` for (L, D, R).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy.typing as npt

from dcnfast.network.initializers import INITIALIZERS
from dcnfast.network.kinds import BOOLEAN, NOT_NEGATIVE, Kind, one_of

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """What a cross learns: one array for all its layers.

    Parameters
    ----------
    name : str
        As in ``parameters_``.
    role : {"cross_weight", "bias", "scale", "shift"}
        A weight is drawn and penalised; a bias begins at ``initial_bias``, a shift at 0, a scale
        at 1, and all three are free.
    letters : str
        Its shape, as in "LDR"; a matrix is (.., outputs, inputs).
    optional : bool, default=False
        Whether there is none with some options.
    """

    name: str
    role: str
    letters: str
    optional: bool = False

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape, given the number that each letter stands for."""
        return tuple(sizes[letter] for letter in self.letters)

    def of_a_layer(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape without the layers."""
        return tuple(sizes[letter] for letter in self.letters if letter != "L")


BIAS = Tensor("cross_b", "bias", "LD")


class Cross(Kind):
    """Base class of the crosses.

    Attributes
    ----------
    formula, source : str
        A layer, and the paper that has it.
    reference : tuple of str
        The function and its backward in :mod:`dcnfast.reference` and :mod:`dcnfast.ops`.
    weights : tuple of Tensor
        In the order in which the reference takes them; the bias, where there is one, follows.
    first_product : str or None
        Width of the first product of a layer with x0, which rows of equal ids may share: a product
        of letters.
    reference_options : dict of str to str
        What the reference takes behind the bias, and how :class:`NetworkConfig` calls it.
    initial_bias : float
        What all biases begin at.
    """

    formula: ClassVar[str]
    source: ClassVar[str]
    reference: ClassVar[tuple[str, str]]
    weights: ClassVar[tuple[Tensor, ...]]
    first_product: ClassVar[str | None] = None
    reference_options: ClassVar[Mapping[str, str]] = {}
    initial_bias: ClassVar[float] = 0.0
    shorthands: ClassVar[Mapping[str, str]] = {
        "bias": "cross_bias",
        "initializer": "cross_initializer",
    }
    bias: bool
    initializer: str
    initial_scale: float

    @classmethod
    def weights_of(cls, config: Any = None) -> tuple[Tensor, ...]:
        """Return those of the weights that a network has; None is one with the default options.

        Parameters
        ----------
        config : NetworkConfig or None
        """
        del config
        return cls.weights

    @classmethod
    def tensors(cls, bias: bool = True, config: Any = None) -> tuple[Tensor, ...]:
        """Return all that a cross learns."""
        weights = cls.weights_of(config)
        return (*weights, BIAS) if bias else weights

    @classmethod
    def count_weights(cls, sizes: Mapping[str, int], config: Any = None) -> int:
        """Count the weights of all layers, without the bias."""
        return sum(prod(tensor.shape(sizes)) for tensor in cls.weights_of(config))

    @classmethod
    def weights_of_a_layer(cls, sizes: Mapping[str, int], config: Any = None) -> int:
        """Count the weights that one layer multiplies with, without the bias."""
        return sum(prod(tensor.of_a_layer(sizes)) for tensor in cls.weights_of(config))

    @classmethod
    def multiply_adds(cls, sizes: Mapping[str, int], config: Any = None) -> int:
        """Count the products of one layer for one row, forward."""
        return cls.weights_of_a_layer(sizes, config)

    @classmethod
    def kept_beside(cls, sizes: Mapping[str, int]) -> int:
        """Count the numbers that a layer keeps besides parameters and packed weights."""
        del sizes
        return 0

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count the numbers that a row keeps for the backward pass.

        Parameters
        ----------
        strides : dict of str to int
            Width of a row of a tile, by letter; "ER" is that of all experts and the sum of gates.
        n_layers : int
        preactivated : bool
            Whether there is a preactivation.
        """
        raise NotImplementedError

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int, config: Any = None) -> Array:
        """Return W (D, D) of one layer: what multiplies x0_i x_j in place (i, j)."""
        raise NotImplementedError

    def forbids(self, a: str, b: str) -> bool:
        """Return whether two columns of the table are not to be multiplied."""
        del a, b
        return False

    def forbidden_columns(self, sources: Sequence[tuple[str, ...]]) -> tuple[int, ...]:
        """Return pairs of columns that are not to be multiplied, one behind the other.

        Parameters
        ----------
        sources : sequence of tuple of str
            For each column that the network reads, which columns of the table it is made of.
        """
        del sources
        return ()

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them, given the width D of x0."""
        del width
        return {
            "cross": self.name, "cross_rank": 0, "cross_experts": 0, "gating": "softmax",
            "shared_gate": False, "cross_linear": False, "cross_factor": 1.0,
            "cross_symmetric": False, "cross_heads": 1, "shared_heads": False,
            "diag_scale": 0.0, "cross_bias": self.bias, "preactivation": "identity",
        }  # fmt: skip


OPTIONS_OF_ALL = {
    "bias": BOOLEAN,
    "initializer": one_of(INITIALIZERS),
    "initial_scale": NOT_NEGATIVE,
}
