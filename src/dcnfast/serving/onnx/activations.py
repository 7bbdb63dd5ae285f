"""Activations and layer norm in ONNX."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dcnfast.serving.onnx.graph import Graph

NORM_EPSILON = 1e-5


def activated(g: Graph, activation: str, z: str) -> str:
    """Return act(z).

    Raises
    ------
    TypeError
        If the activation is one that is not written as ONNX.
    """
    if activation not in ACTIVATIONS:
        raise TypeError(
            f"to_onnx: the activation is {activation!r}, which is not written as ONNX, want one of "
            f"{list(ACTIVATIONS)!r}"
        )
    return ACTIVATIONS[activation](g, z)


def normalized(g: Graph, z: str, scale: str, shift: str) -> str:
    """Return z of mean 0 and deviation 1 over the units of a layer, then scaled and shifted.

    The operator LayerNormalization has an epsilon of 32 bits, also where the network has 64.
    """
    last = np.array([-1])
    from_mean = g.op("Sub", z, g.op("ReduceMean", z, last))
    variance = g.op("ReduceMean", g.op("Mul", from_mean, from_mean), last)
    deviation = g.op("Sqrt", g.op("Add", variance, g.number(NORM_EPSILON)))
    return g.op("Add", g.op("Mul", g.op("Div", from_mean, deviation), scale), shift)


def _identity(g: Graph, z: str) -> str:
    del g
    return z


def _operator(kind: str) -> Callable[[Graph, str], str]:
    return lambda g, z: g.op(kind, z)


def _gelu(g: Graph, z: str) -> str:
    """Return z (1 + tanh(c z (1 + k z^2))) / 2: onnxruntime's Gelu has constants of 32 bits."""
    one = g.number(1)
    cubic = g.op("Add", one, g.chain("Mul", z, z, g.number(0.044715)))
    inner = g.chain("Mul", z, cubic, g.number(np.sqrt(2 / np.pi)))
    return g.chain("Mul", z, g.op("Add", one, g.op("Tanh", inner)), g.number(0.5))


ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "identity": _identity,
    "relu": _operator("Relu"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "gelu": _gelu,
}
