"""Forms of the cross layers: ``CROSSES`` has their records by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from dcnfast.network.cross_records import OPTIONS_OF_ALL, Array, Cross, Tensor
from dcnfast.network.expert_crosses import Exponential, Mixture, OnlyDense
from dcnfast.network.kinds import Family
from dcnfast.network.matrix_crosses import LowRank, Matrix

__all__ = ["Cross", "Exponential", "Gated", "LowRank", "Matrix", "Mixture", "OnlyDense", "Vector"]

CrossName = Literal["matrix", "vector", "lowrank", "gated", "mixture", "exponential", "onlydense"]


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
    options = OPTIONS_OF_ALL

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
    def multiply_adds(cls, sizes: Mapping[str, int], config: Any = None) -> int:
        """Count a scalar product and its product with x0."""
        del config
        return 2 * sizes["D"]

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count two rows and three numbers a layer."""
        del preactivated
        return 2 * strides["D"] + 3 * n_layers + 1

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int, config: Any = None) -> Array:
        """Return 1 w^T, whose rows are all the same."""
        del config
        w = weights["cross_w"][layer]
        return np.tile(w, (len(w), 1))


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
    options = OPTIONS_OF_ALL

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
    def dense_weight(weights: Mapping[str, Array], layer: int, config: Any = None) -> Array:
        """Return W / 2: what is left where V x is 0 and the gate half open."""
        del config
        return np.asarray(weights["cross_W"][layer] / 2)


CROSSES: Family[Cross] = Family(
    "cross", Matrix, Vector, LowRank, Gated, Mixture, Exponential, OnlyDense
)
