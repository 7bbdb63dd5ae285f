"""Stage 3 in ONNX: x0 -> xL, a function for each kind of cross."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.config import NetworkConfig
from dcnfast.network.structure import heads_of_columns, places_of_heads
from dcnfast.serving.onnx.activations import activated, normalized
from dcnfast.serving.onnx.graph import Graph, Value

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
    if config.has_shared_heads:
        return _heads(g, config, p, x0)
    x = x0
    for layer in range(config.cross_layers):
        added = CROSSES[config.cross](g, config, p, layer, x0, x)
        x = added if config.cross in WITHOUT_RESIDUAL else g.op("Add", x, added)
    return x


def _heads(g: Graph, config: NetworkConfig, p: Parameters, x0: str) -> str:
    """Return xL of heads that share their weights: their results by column, or the mean of all."""
    one, D = config.of_head(), config.width
    places, head = places_of_heads(config), heads_of_columns(config)
    outputs = [crossed(g, one, p, g.columns(x0, columns, D)) for columns in places]
    parts, order = [], list[int]()
    for n, columns in enumerate(places):
        mine = np.flatnonzero(head[columns] == n).tolist()
        parts.append(g.columns(outputs[n], mine, one.width))
        order += columns[mine].tolist()
    if (rest := np.flatnonzero(head < 0)).size:
        of_all = [
            g.columns(out, [int(np.flatnonzero(columns == i)[0]) for i in rest], one.width)
            for out, columns in zip(outputs, places, strict=True)
        ]
        parts.append(g.op("Mul", g.chain("Add", *of_all), g.number(1 / config.cross_heads)))
        order += rest.tolist()
    return g.columns(g.beside(parts), np.argsort(order).tolist(), D)


def product(g: Graph, name: str, weights: npt.NDArray[Any], x: str) -> str:
    """Return W x of each row, W (outputs, inputs)."""
    return g.op("MatMul", x, g.weight(name, weights.T))


def _biased(g: Graph, config: NetworkConfig, p: Parameters, layer: int, z: str) -> str:
    if not config.cross_bias:
        return z
    return g.op("Add", z, g.weight(f"cross_b_{layer}", p["cross_b"][layer]))


# ---- each kind returns what a layer adds to x; those without a residual the next x


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


def _mixture(g: Graph, config: NetworkConfig, p: Parameters, layer: int, x0: str, x: str) -> str:
    E, R, D = config.cross_experts, config.cross_rank, config.width
    h = product(g, f"cross_V_{layer}", p["cross_V"][layer].reshape(E * R, D), x)
    h = activated(g, config.preactivation, h)
    if config.preactivation != "identity":  # each expert has one more product, with C
        of_experts = [g.columns(h, range(e * R, (e + 1) * R), E * R) for e in range(E)]
        products = [
            product(g, f"cross_C_{layer}_{e}", p["cross_C"][layer, e], of_expert)
            for e, of_expert in enumerate(of_experts)
        ]
        h = activated(g, config.preactivation, g.beside(products))
    gates, total = _gates(g, config, p, layer, x)
    if gates:
        of_columns = np.repeat(np.arange(E), R)
        h = g.op("Mul", h, g.op("Gather", gates, of_columns, axis=-1))
    U = p["cross_U"][layer].swapaxes(0, 1).reshape(D, E * R)
    z = product(g, f"cross_U_{layer}", U, h)
    if config.cross_bias:
        bias = g.weight(f"cross_b_{layer}", p["cross_b"][layer])
        z = g.op("Add", z, g.op("Mul", bias, total))
    return g.op("Mul", x0, z)


def _gates(g: Graph, config: NetworkConfig, p: Parameters, layer: int, x: str) -> tuple[str, Value]:
    """Return the gates of the experts, "" where all are 1, and their sum."""
    if config.gating == "constant":
        return "", g.number(config.cross_experts)
    shared = config.shared_gate
    weights = p["cross_gate"] if shared else p["cross_gate"][layer]
    logits = product(g, "cross_gate" if shared else f"cross_gate_{layer}", weights, x)
    if config.gating == "softmax":
        return g.op("Softmax", logits, axis=-1), g.number(1)
    if config.gating != "sigmoid":
        raise TypeError(
            f"to_onnx: gate of Mixture is {config.gating!r}, which is not written as ONNX, want "
            "'softmax', 'sigmoid' or 'constant'"
        )
    gates = g.op("Sigmoid", logits)
    return gates, g.op("ReduceSum", gates, np.array([-1]))


def _exponential(
    g: Graph, config: NetworkConfig, p: Parameters, layer: int, x0: str, x: str
) -> str:
    h = product(g, f"cross_W_{layer}", p["cross_W"][layer], x)
    scale, shift = (
        g.weight(f"cross_{name}_{layer}", p[f"cross_{name}"][layer]) for name in ("scale", "shift")
    )
    masked = g.op("Mul", h, g.op("Relu", normalized(g, h, scale, shift)))
    second = g.columns(masked, range(config.width // 2), (config.width + 1) // 2)
    both = _biased(g, config, p, layer, g.beside([h, second]))
    return g.op("Mul", x0 if config.cross_linear else x, both)


def _onlydense(g: Graph, config: NetworkConfig, p: Parameters, layer: int, x0: str, x: str) -> str:
    del x0
    z = _biased(g, config, p, layer, product(g, f"cross_W_{layer}", p["cross_W"][layer], x))
    act = activated(g, config.preactivation, z)
    return g.chain("Mul", x, g.number(config.cross_factor), act)


CROSSES: dict[str, Callable[[Graph, NetworkConfig, Parameters, int, str, str], str]] = {
    "vector": _vector,
    "matrix": _matrix,
    "lowrank": _lowrank,
    "gated": _gated,
    "mixture": _mixture,
    "exponential": _exponential,
    "onlydense": _onlydense,
}
WITHOUT_RESIDUAL = ("onlydense",)
