"""Stage 3 in C: x0 (D) -> xL (D), a function for each kind of cross."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.config import NetworkConfig
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.products import ADD_PRODUCT, CLEAR, SET, SIGMOID, SOFTMAX, activated
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


def _mixture(source: Source, config: NetworkConfig, p: Parameters) -> str:
    D, R, E = config.width, config.cross_rank, config.cross_experts
    source.use(ADD_PRODUCT, CLEAR)
    for name in ("cross_U", "cross_V", *(["cross_C"] if "cross_C" in p else [])):
        source.weights(name, np.swapaxes(p[name], 2, 3))  # (L, E, inputs, outputs)
    v = activated(source, config.preactivation, "v[r]")
    c = activated(source, config.preactivation, "c[r]")
    inner = f"""
      double c[{R}];
      for (size_t r = 0; r < {R}; ++r) v[r] = {v};
      clear(c, {R});
      add_product(c, cross_C + (l * {E} + e) * {R * R}, v, {R}, {R});
      for (size_t r = 0; r < {R}; ++r) v[r] = {c};"""
    return f"""\
    double z[{D}], g[{E}];
{_gates(source, config, p)}
    clear(z, {D});
    for (size_t e = 0; e < {E}; ++e) {{
      double v[{R}], y[{D}];
      clear(v, {R});
      add_product(v, cross_V + (l * {E} + e) * {R * D}, x, {D}, {R});{
        inner if "cross_C" in p else ""
    }
      {_start(source, config, "y")}
      add_product(y, cross_U + (l * {E} + e) * {D * R}, v, {R}, {D});
      for (size_t d = 0; d < {D}; ++d) z[d] += g[e] * y[d];
    }}
    for (size_t d = 0; d < {D}; ++d) x[d] += x0[d] * z[d];"""


def _gates(source: Source, config: NetworkConfig, p: Parameters) -> str:
    """Return the statements that make the gates g of layer l of a mixture."""
    D, E = config.width, config.cross_experts
    if config.gating == "constant":
        return f"    for (size_t e = 0; e < {E}; ++e) g[e] = 1;"
    source.weights("cross_gate", np.swapaxes(p["cross_gate"], -1, -2))
    layer = "" if config.shared_gate else f" + l * {E * D}"
    logits = f"""\
    double a[{E}];
    clear(a, {E});
    add_product(a, cross_gate{layer}, x, {D}, {E});
"""
    if config.gating == "sigmoid":
        source.use(SIGMOID)
        return logits + f"    for (size_t e = 0; e < {E}; ++e) g[e] = sigmoid(a[e]);"
    source.use(SOFTMAX)
    return logits + f"    softmax(g, a, {E});"


def _exponential(source: Source, config: NetworkConfig, p: Parameters) -> str:
    D = config.width
    H = (D + 1) // 2
    source.use(ADD_PRODUCT, CLEAR)
    source.weights("cross_W", _by_inputs(p["cross_W"]))
    source.weights("cross_scale", p["cross_scale"])
    source.weights("cross_shift", p["cross_shift"])
    factor = "x0[d]" if config.cross_linear else "x[d]"
    bias = f" + cross_b[l * {D} + d]" if config.cross_bias else ""
    return f"""\
    double g[{D + 1}], mean = 0, variance = 0;
    clear(g, {H});
    add_product(g, cross_W + l * {H * D}, x, {D}, {H});
    for (size_t d = 0; d < {H}; ++d) mean += g[d] / {H};
    for (size_t d = 0; d < {H}; ++d) variance += (g[d] - mean) * (g[d] - mean) / {H};
    for (size_t d = 0; d < {D - H}; ++d) {{
      const double n = (g[d] - mean) / sqrt(variance + 1e-5);
      const double m = n * cross_scale[l * {H} + d] + cross_shift[l * {H} + d];
      g[{H} + d] = m > 0 ? g[d] * m : 0;
    }}
    for (size_t d = 0; d < {D}; ++d) x[d] += {factor} * (g[d]{bias});"""


# each returns the statements of layer l, which add to x
CROSSES: dict[str, Callable[[Source, NetworkConfig, Parameters], str]] = {
    "vector": _vector,
    "matrix": _matrix,
    "lowrank": _lowrank,
    "gated": _gated,
    "mixture": _mixture,
    "exponential": _exponential,
}
