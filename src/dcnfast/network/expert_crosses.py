"""Cross layers that are no polynomial: low-rank experts, exponential layers, and onlydense ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtr

from dcnfast.network.activations import ACTIVATIONS
from dcnfast.network.cross_records import OPTIONS_OF_ALL, Array, Cross, Tensor
from dcnfast.network.kinds import BOOLEAN, COUNT, COUNT_OR_NONE, POSITIVE, Option, one_of

GATINGS = ("softmax", "sigmoid", "constant")
BENT = tuple(name for name in ACTIVATIONS if name != "identity")
_IS_BENT = one_of(BENT)
ACTIVATION_OR_NONE = Option(
    f"{_IS_BENT.wanted}, or None",
    lambda given: given is None or _IS_BENT.has_type(given),
    lambda given: given is None or _IS_BENT.has_value(given),
)


class Mixture(Cross):
    """A mixture of low-rank experts, of Wang et al. (2021), eqs. 3 and 4.

    sum_e G_e(x) x0 * (U_e V_e x + b) + x, or with an activation act
    sum_e G_e(x) x0 * (U_e act(C_e act(V_e x)) + b) + x. The gates G(x) of the experts are
    softmax(g x), sigmoid(g x), or 1.

    Parameters
    ----------
    experts : int, default=4
        How many, E.
    rank : int or None, default=None
        Rank R of each expert; None is the width by twice the number of experts, at least 1: U and V
        of all experts then have about as many weights as a full W.
    gate : {"softmax", "sigmoid", "constant"}, default="softmax"
        What makes gates of their logits; constant ones are 1, and nothing of them is learned. The
        softmax of a single expert is constant, too.
    shared_gate : bool, default=False
        Whether all layers have the same logits, g (E, D), and not each its own.
    activation : {"relu", "tanh", "sigmoid", "gelu"} or None, default=None
        Of the experts; the paper has "tanh". None leaves them linear, without C.
    bias : bool, default=True
        Whether layers have a bias.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How U, V, C and g are drawn.
    initial_scale : float, default=0.1
        What U is then multiplied by: with less the cross begins nearer to the identity.
    """

    name = "mixture"
    summary = "sum_e G_e(x) x0 * (U_e V_e x + b) + x, low-rank experts with gates G."
    formula = "x_{l+1} = sum_e G_e(x_l) x0 * (U_e V_e x_l + b_l) + x_l"
    source = 'Wang et al., "DCN V2", 2021, eqs. 3 and 4.'
    reference = ("cross_mixture", "cross_mixture_backward")
    weights = (
        Tensor("cross_U", "cross_weight", "LEDR"),
        Tensor("cross_V", "cross_weight", "LERD"),
        Tensor("cross_C", "cross_weight", "LERR", optional=True),
        Tensor("cross_gate", "cross_weight", "LED", optional=True),
    )
    first_product = "ER"
    reference_options: ClassVar[Mapping[str, str]] = {
        "gating": "gating",
        "preactivation": "preactivation",
    }
    options = {
        "experts": COUNT,
        "rank": COUNT_OR_NONE,
        "gate": one_of(GATINGS),
        "shared_gate": BOOLEAN,
        "activation": ACTIVATION_OR_NONE,
    } | OPTIONS_OF_ALL
    shorthands: ClassVar[Mapping[str, str]] = {**Cross.shorthands, "rank": "cross_rank"}

    def __init__(
        self,
        *,
        experts: int = 4,
        rank: int | None = None,
        gate: str = "softmax",
        shared_gate: bool = False,
        activation: str | None = None,
        bias: bool = True,
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        self.experts = experts
        self.rank = rank
        self.gate = gate
        self.shared_gate = shared_gate
        self.activation = activation
        self.bias = bias
        self.initializer = initializer
        self.initial_scale = initial_scale

    @classmethod
    def weights_of(cls, config: Any = None) -> tuple[Tensor, ...]:
        """Return those of the weights that a network has; None is one with the default options."""
        U, V, C, gate = cls.weights
        if config is None:
            return U, V, gate
        found = (U, V, C) if config.preactivation != "identity" else (U, V)
        if config.gating == "constant":
            return found
        return (*found, Tensor(gate.name, gate.role, "ED") if config.shared_gate else gate)

    @classmethod
    def kept_beside(cls, sizes: Mapping[str, int]) -> int:
        """Count U of all experts and b as one matrix, and what packing it takes more."""
        return (sizes["D"] + 64) * (sizes["E"] * sizes["R"] + 32)

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count x, z, gates and what the experts keep of each layer, and scratch."""
        D, E, ER = strides["D"], strides["E"], strides["ER"]
        of_layer = 2 * D + E + (5 if preactivated else 2) * ER
        return n_layers * of_layer + E + 3 * ER + D

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int, config: Any = None) -> Array:
        """Return sum_e G_e U_e V_e, or of U_e C_e V_e, with the gates of small x.

        Exact of linear experts with constant gates. Otherwise what is left where x is near 0: gates
        of 1 / E (softmax) or 1/2 (sigmoid), and the slope of the activation there.
        """
        gating = "softmax" if config is None else config.gating
        U, V = weights["cross_U"][layer], weights["cross_V"][layer]
        share = {"softmax": 1 / len(U), "sigmoid": 0.5, "constant": 1.0}[gating]
        if "cross_C" in weights:
            name = "tanh" if config is None else config.preactivation
            slope = {"relu": 0.5, "tanh": 1.0, "sigmoid": 0.25, "gelu": 0.5}[name]
            U = slope**2 * (U @ weights["cross_C"][layer])
        W = np.asarray((U @ V).sum(axis=0))
        return np.asarray(W * W.dtype.type(share))

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them, the rank as a number."""
        E = int(self.experts)
        alone = E == 1 and self.gate == "softmax"
        gating = "constant" if alone else self.gate
        return super().engine_options(width) | {
            "cross_experts": E,
            "cross_rank": max(1, width // (2 * E)) if self.rank is None else int(self.rank),
            "gating": gating,
            "shared_gate": bool(self.shared_gate) and gating != "constant",
            "preactivation": self.activation or "identity",
        }


class Exponential(Cross):
    """x * ([H, H * relu(norm(H))] + b) + x with H = W x, of Li et al. (2024): DCNv3.

    W has half as many rows as columns, and norm is a layer normalisation over H. The degree of the
    products doubles with each layer. If the width is odd, the first half is the larger one.

    Parameters
    ----------
    linear : bool, default=False
        Whether layers multiply by x0 in the place of x, as DCNv3's linear cross does: the degree
        then rises by one with each layer.
    heads : int, default=1
        Into how many slices embeddings are split, those whose width it divides: each goes through
        the same layers by itself, its first half before its second. What is not split, such as a
        number without an embedding, is in every head, and the mean of the heads goes on.
    bias : bool, default=True
        Whether layers have a bias.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How W is drawn.
    initial_scale : float, default=0.1
        What W is then multiplied by: with less the cross begins nearer to the identity.
    """

    name = "exponential"
    summary = "x * ([H, H * relu(norm(H))] + b) + x with H = W x of half the width, or x0 * (...)."
    formula = "x_{l+1} = x_l * ([H_l, H_l * relu(norm(H_l))] + b_l) + x_l with H_l = W_l x_l"
    source = (
        'Li et al., "DCNv3: Towards Next Generation Deep Cross Network for CTR Prediction", 2024, '
        "eqs. 4 and 5."
    )
    reference = ("cross_exponential", "cross_exponential_backward")
    weights = (
        Tensor("cross_W", "cross_weight", "LHD"),
        Tensor("cross_scale", "scale", "LH"),
        Tensor("cross_shift", "shift", "LH"),
    )
    first_product = "H"
    reference_options: ClassVar[Mapping[str, str]] = {"linear": "cross_linear"}
    options = {"linear": BOOLEAN, "heads": COUNT} | OPTIONS_OF_ALL
    heads: int = 1  # of objects in pickles that do not say it

    def __init__(
        self,
        *,
        linear: bool = False,
        heads: int = 1,
        bias: bool = True,
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        self.linear = linear
        self.heads = heads
        self.bias = bias
        self.initializer = initializer
        self.initial_scale = initial_scale

    @classmethod
    def multiply_adds(cls, sizes: Mapping[str, int], config: Any = None) -> int:
        """Count the product W x."""
        del config
        return sizes["H"] * sizes["D"]

    @classmethod
    def kept_beside(cls, sizes: Mapping[str, int]) -> int:
        """Count copies of scale, shift and bias."""
        return 2 * sizes["H"] + sizes["D"] + 64

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count x, both halves, H, its normalised values and the mask of each layer; scratch."""
        del preactivated
        D, H = strides["D"], strides["H"]
        return n_layers * (2 * D + 3 * H + 1) + 2 * D + 3 * H

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int, config: Any = None) -> Array:
        """Return W and below it W times the mean of the mask, were norm(H) normal.

        The first half is exact: what multiplies x_i x_j of a layer's input x (x0_i x_j of a linear
        cross). The mask of the second half depends on the row; the mean of relu(scale n + shift)
        over a standard normal n stands for it.
        """
        del config
        W, scale, shift = (weights[f"cross_{name}"][layer] for name in ("W", "scale", "shift"))
        size = np.maximum(np.abs(scale), np.finfo(scale.dtype).tiny)
        ratio = shift / size
        density = np.exp(-0.5 * np.square(np.clip(ratio, -40, 40))) / np.sqrt(2 * np.pi)
        mean = shift * ndtr(ratio) + size * density
        below = W.shape[1] - W.shape[0]
        return np.concatenate([W, (W * mean[:, None].astype(W.dtype))[:below]])

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them."""
        return super().engine_options(width) | {
            "cross_linear": bool(self.linear),
            "cross_heads": int(self.heads),
            "shared_heads": self.heads > 1,
        }


class OnlyDense(Cross):
    """scale x * act(W x + b), the onlydense layer of DCN^2.

    Its factor is the layer's own input and not x0, and there is no residual: the degree of the
    products doubles with each layer, so that few layers are enough. Biases begin at 1, at which a
    small W leaves ``scale x``; with 0, as elsewhere, the output would begin near 0.

    Parameters
    ----------
    scale : float, default=1.0
        Multiplies every layer; of L layers the first outputs are about ``scale ** L`` times x0.
    activation : {"relu", "tanh", "sigmoid", "gelu"}, default="relu"
        Applied to W x + b.
    bias : bool, default=True
        Whether layers have a bias. Without one the output begins near 0 unless ``initial_scale`` is
        much larger.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How W is drawn.
    initial_scale : float, default=0.1
        What W is then multiplied by: with less the cross begins nearer to ``scale ** L`` times x0.
    """

    name = "onlydense"
    summary = "scale x * relu(W x + b), with a full W and no residual."
    formula = "x_{l+1} = scale x_l * act(W_l x_l + b_l)"
    source = '"DCN^2", arXiv:2506.21624, 2025: the onlydense layer.'
    reference = ("cross_onlydense", "cross_onlydense_backward")
    weights = (Tensor("cross_W", "cross_weight", "LDD"),)
    first_product = "D"
    reference_options: ClassVar[Mapping[str, str]] = {
        "activation": "preactivation",
        "scale": "cross_factor",
    }
    initial_bias = 1.0
    options = {"scale": POSITIVE, "activation": _IS_BENT} | OPTIONS_OF_ALL

    def __init__(
        self,
        *,
        scale: float = 1.0,
        activation: str = "relu",
        bias: bool = True,
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        self.scale = scale
        self.activation = activation
        self.bias = bias
        self.initializer = initializer
        self.initial_scale = initial_scale

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count x and act(W x + b) of each layer, what the activation may keep, and scratch."""
        del preactivated
        return (3 * n_layers + 2) * strides["D"]

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int, config: Any = None) -> Array:
        """Return scale W: what multiplies x_i x_j of a layer's input where a ReLU passes it."""
        scale = 1.0 if config is None else config.cross_factor
        W = weights["cross_W"][layer]
        return np.asarray(W * W.dtype.type(scale))

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them."""
        return super().engine_options(width) | {
            "cross_factor": float(self.scale),
            "preactivation": self.activation,
        }
