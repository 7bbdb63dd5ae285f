"""Forms of the cross layers: tensors, how to read W from them, what they cost, their options.

Letters: L layers, D width, R rank. A tensor's shape is written in them, ``"LDR"`` for (L, D, R).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from dcnfast.network.activations import ACTIVATIONS
from dcnfast.network.initializers import INITIALIZERS
from dcnfast.network.kinds import (
    BOOLEAN,
    COUNT_OR_NONE,
    NOT_NEGATIVE,
    Family,
    Kind,
    one_of,
)

__all__ = ["Cross", "Gated", "LowRank", "Matrix", "Vector"]

Array = npt.NDArray[Any]
CrossName = Literal["matrix", "vector", "lowrank", "gated"]


@dataclass(frozen=True)
class Tensor:
    """What a cross learns: one array for all its layers.

    Parameters
    ----------
    name : str
        As in ``parameters_``.
    role : {"cross_weight", "bias"}
        A weight is drawn and penalised, a bias begins at 0 and is free.
    letters : str
        Its shape, as in "LDR"; a matrix is (L, outputs, inputs).
    """

    name: str
    role: str
    letters: str

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape, given the number that each letter stands for."""
        return tuple(sizes[letter] for letter in self.letters)


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
    first_product : {"D", "R"} or None
        Width of the first product of a layer with x0, which rows of equal ids may share.
    reference_options : tuple of str
        What the reference takes behind the bias.
    """

    formula: ClassVar[str]
    source: ClassVar[str]
    reference: ClassVar[tuple[str, str]]
    weights: ClassVar[tuple[Tensor, ...]]
    first_product: ClassVar[str | None] = None
    reference_options: ClassVar[tuple[str, ...]] = ()
    shorthands: ClassVar[Mapping[str, str]] = {
        "bias": "cross_bias",
        "initializer": "cross_initializer",
    }
    bias: bool
    initializer: str
    initial_scale: float

    @classmethod
    def tensors(cls, bias: bool = True) -> tuple[Tensor, ...]:
        """Return all that a cross learns."""
        return (*cls.weights, BIAS) if bias else cls.weights

    @classmethod
    def weights_of_a_layer(cls, sizes: Mapping[str, int]) -> int:
        """Count the weights of one layer, without the bias."""
        return sum(prod(tensor.shape(sizes)[1:]) for tensor in cls.weights)

    @classmethod
    def multiply_adds(cls, sizes: Mapping[str, int]) -> int:
        """Count the products of one layer for one row, forward."""
        return cls.weights_of_a_layer(sizes)

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count the numbers that a row keeps for the backward pass.

        Parameters
        ----------
        strides : dict of str to int
            Width of a row of a tile, by letter.
        n_layers : int
        preactivated : bool
            Whether there is a preactivation.
        """
        raise NotImplementedError

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int) -> Array:
        """Return W (D, D) of one layer: what multiplies x0_i x_j in place (i, j)."""
        raise NotImplementedError

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them, given the width D of x0."""
        del width
        return {
            "cross": self.name, "cross_rank": 0, "diag_scale": 0.0, "cross_bias": self.bias,
            "preactivation": "identity",
        }  # fmt: skip


_ALL = {"bias": BOOLEAN, "initializer": one_of(INITIALIZERS), "initial_scale": NOT_NEGATIVE}
_GATED = {"diag_scale": NOT_NEGATIVE, "preactivation": one_of(ACTIVATIONS)}


class Vector(Cross):
    """x0 (x . w) + b + x, of Wang et al. (2017).

    Parameters
    ----------
    bias : bool, default=True
        Whether layers have a bias.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How w is drawn.
    initial_scale : float, default=0.1
        What w is then multiplied by: with less the cross begins nearer to the identity.
    """

    name = "vector"
    summary = "x0 (x . w) + b + x, with a vector w."
    formula = "x_{l+1} = x0 (x_l . w_l) + b_l + x_l, all by the closed form x_l = a_l x0 + c_l"
    source = 'Wang et al., "Deep & Cross Network for Ad Click Predictions", 2017, eq. 3.'
    reference = ("cross_vector", "cross_vector_backward")
    weights = (Tensor("cross_w", "cross_weight", "LD"),)
    options = _ALL

    def __init__(
        self,
        *,
        bias: bool = True,
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        self.bias = bias
        self.initializer = initializer
        self.initial_scale = initial_scale

    @classmethod
    def multiply_adds(cls, sizes: Mapping[str, int]) -> int:
        """Count a scalar product and its product with x0."""
        return 2 * sizes["D"]

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count two rows and three numbers a layer."""
        del preactivated
        return 2 * strides["D"] + 3 * n_layers + 1

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int) -> Array:
        """Return 1 w^T, whose rows are all the same."""
        w = weights["cross_w"][layer]
        return np.tile(w, (len(w), 1))


class Matrix(Cross):
    """x0 * (W x + b) + x with a full W, of Wang et al. (2021).

    Parameters
    ----------
    diag_scale : float, default=0.0
        Added to the diagonal of every W.
    bias : bool, default=True
        Whether layers have a bias.
    preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, default="identity"
        Applied to W x + b, before ``diag_scale`` and the product with x0.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How W is drawn.
    initial_scale : float, default=0.1
        What W is then multiplied by: with less the cross begins nearer to the identity.
    """

    name = "matrix"
    summary = "x0 * (W x + b) + x, with a full W."
    formula = "x_{l+1} = x0 * (W_l x_l + b_l + diag_scale x_l) + x_l"
    source = 'Wang et al., "DCN V2", 2021, eq. 1.'
    reference = ("cross_matrix", "cross_matrix_backward")
    weights: ClassVar[tuple[Tensor, ...]] = (Tensor("cross_W", "cross_weight", "LDD"),)
    first_product = "D"
    reference_options = ("diag_scale", "preactivation")
    options = _GATED | _ALL
    shorthands: ClassVar[Mapping[str, str]] = {
        **Cross.shorthands,
        **{name: name for name in _GATED},
    }

    def __init__(
        self,
        *,
        diag_scale: float = 0.0,
        bias: bool = True,
        preactivation: str = "identity",
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        self.diag_scale = diag_scale
        self.bias = bias
        self.preactivation = preactivation
        self.initializer = initializer
        self.initial_scale = initial_scale

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count x and z of each layer, and what the preactivation makes of z."""
        return (3 if preactivated else 2) * n_layers * strides["D"]

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int) -> Array:
        """Return a copy of W."""
        return np.array(weights["cross_W"][layer])

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them."""
        return super().engine_options(width) | {
            "diag_scale": self.diag_scale,
            "preactivation": self.preactivation,
        }


class LowRank(Matrix):
    """x0 * (U V x + b) + x with U V of a low rank, of Wang et al. (2021).

    Parameters
    ----------
    rank : int or None, default=None
        Rank R; None is a quarter of the width, at least 1.
    diag_scale : float, default=0.0
        Added to the diagonal of every U V.
    bias : bool, default=True
        Whether layers have a bias.
    preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, default="identity"
        Applied to U V x + b, before ``diag_scale`` and the product with x0.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How U and V are drawn.
    initial_scale : float, default=0.1
        What U is then multiplied by: with less the cross begins nearer to the identity.
    """

    name = "lowrank"
    summary = 'as "matrix", with W = U V of a low rank R.'
    formula = "x_{l+1} = x0 * (U_l V_l x_l + b_l + diag_scale x_l) + x_l"
    source = 'Wang et al., "DCN V2", 2021, eq. 2.'
    reference = ("cross_lowrank", "cross_lowrank_backward")
    weights = (Tensor("cross_U", "cross_weight", "LDR"), Tensor("cross_V", "cross_weight", "LRD"))
    first_product = "R"
    options = {"rank": COUNT_OR_NONE} | Matrix.options
    shorthands: ClassVar[Mapping[str, str]] = {**Matrix.shorthands, "rank": "cross_rank"}

    def __init__(
        self,
        *,
        rank: int | None = None,
        diag_scale: float = 0.0,
        bias: bool = True,
        preactivation: str = "identity",
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        super().__init__(
            diag_scale=diag_scale,
            bias=bias,
            preactivation=preactivation,
            initializer=initializer,
            initial_scale=initial_scale,
        )
        self.rank = rank

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count those of a matrix, and V x of each layer."""
        D, R = strides["D"], strides["R"]
        return n_layers * ((3 if preactivated else 2) * D + R) + R

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int) -> Array:
        """Return U V."""
        return np.asarray(weights["cross_U"][layer] @ weights["cross_V"][layer])

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them, the rank as a number."""
        rank = max(1, width // 4) if self.rank is None else int(self.rank)
        return super().engine_options(width) | {"cross_rank": rank}


class Gated(Cross):
    """x0 * (W x + b) * sigmoid(V x) + x, of Wang, F. et al. (2023): GDCN.

    A gate for each product of columns, which may let it pass or not, row by row. With gates the
    output is no polynomial of the columns.

    Parameters
    ----------
    bias : bool, default=True
        Whether layers have a bias.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How W and V are drawn.
    initial_scale : float, default=0.1
        What W is then multiplied by: with less the cross begins nearer to the identity.
    """

    name = "gated"
    summary = "x0 * (W x + b) * sigmoid(V x) + x, with full W and V."
    formula = "x_{l+1} = x0 * (W_l x_l + b_l) * sigmoid(V_l x_l) + x_l"
    source = (
        'Wang, F. et al., "Towards Deeper, Lighter and Interpretable Cross Network for CTR '
        'Prediction", 2023, eq. 2.'
    )
    reference = ("cross_gated", "cross_gated_backward")
    weights = (Tensor("cross_W", "cross_weight", "LDD"), Tensor("cross_V", "cross_weight", "LDD"))
    options = _ALL

    def __init__(
        self,
        *,
        bias: bool = True,
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        self.bias = bias
        self.initializer = initializer
        self.initial_scale = initial_scale

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count x, W x + b and the gate of each layer, and five rows of scratch."""
        del preactivated
        return (3 * n_layers + 5) * strides["D"]

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int) -> Array:
        """Return W / 2: what is left where V x is 0 and the gate half open."""
        return np.asarray(weights["cross_W"][layer] / 2)


CROSSES: Family[Cross] = Family("cross", Matrix, Vector, LowRank, Gated)
