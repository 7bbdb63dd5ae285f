"""Stage 3 in ONNX: x0 -> xL, a function for each kind of cross."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from dcnfast.network.config import NetworkConfig
from dcnfast.serving.onnx.activations import activated
from dcnfast.serving.onnx.graph import Graph

Parameters = Mapping[str, npt.NDArray[Any]]


def crossed(g: Graph, config: NetworkConfig, p: Parameters, x0: str) -> str:
    """Return xL.

    Raises
    ------
    TypeError
        If the cross is of a kind that is not written as ONNX.
    """
    if not config.cross_layers:
        return x0
    if config.cross not in CROSSES:
        raise TypeError(
            f"to_onnx: cross is {config.cross!r}, which is not written as ONNX, want one of "
            f"{list(CROSSES)!r}"
        )
    x = x0
    for layer in range(config.cross_layers):
        x = g.op("Add", x, CROSSES[config.cross](g, config, p, layer, x0, x))
    return x


def product(g: Graph, name: str, weights: npt.NDArray[Any], x: str) -> str:
    """Return W x of each row, W (outputs, inputs)."""
    return g.op("MatMul", x, g.weight(name, weights.T))


def _biased(g: Graph, config: NetworkConfig, p: Parameters, layer: int, z: str) -> str:
    if not config.cross_bias:
        return z
    return g.op("Add", z, g.weight(f"cross_b_{layer}", p["cross_b"][layer]))


# ---- each kind returns what a layer adds to x


def _vector(g: Graph, config: NetworkConfig, p: Parameters, layer: int, x0: str, x: str) -> str:
    s = product(g, f"cross_w_{layer}", p["cross_w"][layer][None], x)
    return _biased(g, config, p, layer, g.op("Mul", x0, s))


def _matrix(g: Graph, config: NetworkConfig, p: Parameters, layer: int, x0: str, x: str) -> str:
    z = product(g, f"cross_W_{layer}", p["cross_W"][layer], x)
    return _times_x0(g, config, p, layer, x0, x, z)


def _lowrank(g: Graph, config: NetworkConfig, p: Parameters, layer: int, x0: str, x: str) -> str:
    v = product(g, f"cross_V_{layer}", p["cross_V"][layer], x)
    z = product(g, f"cross_U_{layer}", p["cross_U"][layer], v)
    return _times_x0(g, config, p, layer, x0, x, z)


def _times_x0(
    g: Graph, config: NetworkConfig, p: Parameters, layer: int, x0: str, x: str, z: str
) -> str:
    """Return x0 * (act(z + b) + diag_scale x), z a product with x."""
    act = activated(g, config.preactivation, _biased(g, config, p, layer, z))
    if config.diag_scale:
        act = g.op("Add", act, g.op("Mul", x, g.number(config.diag_scale)))
    return g.op("Mul", x0, act)


def _gated(g: Graph, config: NetworkConfig, p: Parameters, layer: int, x0: str, x: str) -> str:
    z = product(g, f"cross_W_{layer}", p["cross_W"][layer], x)
    gate = g.op("Sigmoid", product(g, f"cross_V_{layer}", p["cross_V"][layer], x))
    return g.chain("Mul", x0, _biased(g, config, p, layer, z), gate)


CROSSES: dict[str, Callable[[Graph, NetworkConfig, Parameters, int, str, str], str]] = {
    "vector": _vector,
    "matrix": _matrix,
    "lowrank": _lowrank,
    "gated": _gated,
}
