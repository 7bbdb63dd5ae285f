"""Stage 3 in C: x0 (D) -> xL (D), a function for each kind of cross."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.config import NetworkConfig
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.products import ADD_PRODUCT, CLEAR, SET, SIGMOID, activated
from dcnfast.serving.c_source.source import Source

Parameters = Mapping[str, npt.NDArray[Any]]


def write_cross(source: Source, config: NetworkConfig, p: Parameters) -> None:
    """Write ``cross(x0, x)``, which sets x to xL.

    Raises
    ------
    TypeError
        If the cross is of a kind that is not written as C.
    """
    if config.cross not in CROSSES:
        raise TypeError(
            f"to_c: cross is {config.cross!r}, which is not written as C, want one of "
            f"{list(CROSSES)!r}"
        )
    if config.cross_bias:
        source.weights("cross_b", p["cross_b"])
    layer = CROSSES[config.cross](source, config, p)
    D, L = config.width, config.cross_layers
    source.write(
        f"""\
static void cross(const double *x0, double *x) {{
  memcpy(x, x0, {D} * sizeof *x);
  for (size_t l = 0; l < {L}; ++l) {{
{layer}
  }}
}}"""
    )


def _start(source: Source, config: NetworkConfig, name: str = "z") -> str:
    """Return the statement with which a product begins: the bias, or zeros."""
    D = config.width
    source.use(SET if config.cross_bias else CLEAR)
    return f"set({name}, cross_b + l * {D}, {D});" if config.cross_bias else f"clear({name}, {D});"


def _by_inputs(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return (L, inputs, outputs) of (L, outputs, inputs)."""
    return np.swapaxes(weights, 1, 2)


def _vector(source: Source, config: NetworkConfig, p: Parameters) -> str:
    D = config.width
    source.weights("cross_w", p["cross_w"])
    bias = f" + cross_b[l * {D} + d]" if config.cross_bias else ""
    return f"""\
    double s = 0;
    for (size_t d = 0; d < {D}; ++d) s += x[d] * cross_w[l * {D} + d];
    for (size_t d = 0; d < {D}; ++d) x[d] += x0[d] * s{bias};"""


def _matrix(source: Source, config: NetworkConfig, p: Parameters) -> str:
    D = config.width
    source.use(ADD_PRODUCT)
    source.weights("cross_W", _by_inputs(p["cross_W"]))
    product = f"add_product(z, cross_W + l * {D * D}, x, {D}, {D});"
    return _gated_by_x0(source, config, product)


def _lowrank(source: Source, config: NetworkConfig, p: Parameters) -> str:
    D, R = config.width, config.cross_rank
    source.use(ADD_PRODUCT, CLEAR)
    source.weights("cross_V", _by_inputs(p["cross_V"]))
    source.weights("cross_U", _by_inputs(p["cross_U"]))
    product = f"""\
double v[{R}];
    clear(v, {R});
    add_product(v, cross_V + l * {R * D}, x, {D}, {R});
    add_product(z, cross_U + l * {D * R}, v, {R}, {D});"""
    return _gated_by_x0(source, config, product)


def _gated_by_x0(source: Source, config: NetworkConfig, product: str) -> str:
    """Return x + x0 * (act(z) + diag_scale x), z a product with x."""
    D = config.width
    start = _start(source, config)
    act = activated(source, config.preactivation, "z[d]")
    if config.diag_scale:
        scale = literals.real(float(source.dtype.type(config.diag_scale)))
        act = f"({act} + {scale} * x[d])"
    return f"""\
    double z[{D}];
    {start}
    {product}
    for (size_t d = 0; d < {D}; ++d) x[d] += x0[d] * {act};"""


def _gated(source: Source, config: NetworkConfig, p: Parameters) -> str:
    D = config.width
    source.use(ADD_PRODUCT, CLEAR, SIGMOID)
    source.weights("cross_W", _by_inputs(p["cross_W"]))
    source.weights("cross_V", _by_inputs(p["cross_V"]))
    return f"""\
    double z[{D}], v[{D}];
    {_start(source, config)}
    clear(v, {D});
    add_product(z, cross_W + l * {D * D}, x, {D}, {D});
    add_product(v, cross_V + l * {D * D}, x, {D}, {D});
    for (size_t d = 0; d < {D}; ++d) x[d] += x0[d] * z[d] * sigmoid(v[d]);"""


# each returns the statements of layer l, which add to x
CROSSES: dict[str, Callable[[Source, NetworkConfig, Parameters], str]] = {
    "vector": _vector,
    "matrix": _matrix,
    "lowrank": _lowrank,
    "gated": _gated,
}
