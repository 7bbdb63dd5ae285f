"""Stage 3 in C: x0 (D) -> xL (D), a function for each kind of cross."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.config import NetworkConfig
from dcnfast.network.structure import places_of_heads, shares_of_heads
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.products import (
    ADD_PRODUCT,
    CLEAR,
    NORMALIZE,
    SET,
    SIGMOID,
    SOFTMAX,
    activated,
)
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
    if config.has_shared_heads:
        _write_layers(source, config.of_head(), p, "cross_of_head")
        _write_heads(source, config)
    else:
        _write_layers(source, config, p, "cross")


def _write_layers(source: Source, config: NetworkConfig, p: Parameters, name: str) -> None:
    layer = CROSSES[config.cross](source, config, p)
    D, L = config.width, config.cross_layers
    source.write(
        f"""\
static void {name}(const double *x0, double *x) {{
  memcpy(x, x0, {D} * sizeof *x);
  for (size_t l = 0; l < {L}; ++l) {{
{layer}
  }}
}}"""
    )


def _write_heads(source: Source, config: NetworkConfig) -> None:
    """Write the cross of what each head sees, which the same layers work on."""
    places, D = places_of_heads(config), config.width
    heads, d = places.shape
    source.integers("head_columns", places.ravel().tolist(), "size_t")
    source.weights("head_share", shares_of_heads(config))
    source.write(
        f"""\
static void cross(const double *x0, double *x) {{
  double in[{d}], out[{d}];
  memset(x, 0, {D} * sizeof *x);
  for (size_t n = 0; n < {heads}; ++n) {{
    const size_t *columns = head_columns + n * {d};
    for (size_t k = 0; k < {d}; ++k) in[k] = x0[columns[k]];
    cross_of_head(in, out);
    for (size_t k = 0; k < {d}; ++k) x[columns[k]] += head_share[columns[k]] * out[k];
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
    D, R, N = config.width, config.cross_rank, config.cross_experts
    source.use(ADD_PRODUCT, CLEAR)
    source.weights("cross_V", np.swapaxes(p["cross_V"], 2, 3))
    source.weights("cross_U", np.swapaxes(p["cross_U"], 2, 3))
    gates, last = _gates(source, config, p), "v"
    lines = [f"clear(v, {R});", f"add_product(v, cross_V + (l * {N} + n) * {R * D}, x, {D}, {R});"]
    if config.preactivation != "identity":
        source.weights("cross_C", np.swapaxes(p["cross_C"], 2, 3))
        last = "u"
        v, u = (activated(source, config.preactivation, f"{name}[r]") for name in ("v", "u"))
        lines += [
            f"for (size_t r = 0; r < {R}; ++r) v[r] = {v};",
            f"clear(u, {R});",
            f"add_product(u, cross_C + (l * {N} + n) * {R * R}, v, {R}, {R});",
            f"for (size_t r = 0; r < {R}; ++r) u[r] = {u};",
        ]
    lines += [
        _start(source, config),
        f"add_product(z, cross_U + (l * {N} + n) * {D * R}, {last}, {R}, {D});",
        f"for (size_t d = 0; d < {D}; ++d) sum[d] += gates[n] * z[d];",
    ]
    body = "\n".join(f"      {line}" for line in lines)
    second = f", u[{R}]" if last == "u" else ""
    return f"""\
    double z[{D}], sum[{D}], v[{R}]{second}, gates[{N}];
    clear(sum, {D});
{gates}
    for (size_t n = 0; n < {N}; ++n) {{
{body}
    }}
    for (size_t d = 0; d < {D}; ++d) x[d] += x0[d] * sum[d];"""


def _gates(source: Source, config: NetworkConfig, p: Parameters) -> str:
    """Return the statements that make the gates of a layer's experts."""
    D, N = config.width, config.cross_experts
    each = f"    for (size_t n = 0; n < {N}; ++n)"
    if config.gating == "constant":
        return f"{each} gates[n] = 1;"
    source.weights("cross_gate", np.swapaxes(p["cross_gate"], -2, -1))
    of_layer = "" if config.shared_gate else f" + l * {D * N}"
    logits = f"""\
    clear(gates, {N});
    add_product(gates, cross_gate{of_layer}, x, {D}, {N});"""
    if config.gating == "sigmoid":
        source.use(SIGMOID)
        return f"{logits}\n{each} gates[n] = sigmoid(gates[n]);"
    if config.gating != "softmax":
        raise TypeError(
            f"to_c: the gates of a mixture are {config.gating!r}, which is not written as C, want "
            "'softmax', 'sigmoid' or 'constant'"
        )
    source.use(SOFTMAX)
    return f"{logits}\n    softmax(gates, gates, {N});"


def _exponential(source: Source, config: NetworkConfig, p: Parameters) -> str:
    D, H = config.width, (config.width + 1) // 2
    source.use(ADD_PRODUCT, CLEAR, NORMALIZE)
    source.weights("cross_W", _by_inputs(p["cross_W"]))
    source.weights("cross_scale", p["cross_scale"])
    source.weights("cross_shift", p["cross_shift"])
    bias = f" + cross_b[l * {D} + d]" if config.cross_bias else ""
    by = "x0" if config.cross_linear else "x"
    return f"""\
    double h[{H}], mask[{H}];
    clear(h, {H});
    add_product(h, cross_W + l * {D * H}, x, {D}, {H});
    memcpy(mask, h, sizeof h);
    normalize(mask, cross_scale + l * {H}, cross_shift + l * {H}, {H});
    for (size_t d = 0; d < {D}; ++d) {{
      const size_t k = d < {H} ? d : d - {H};
      const double both = d < {H} ? h[k] : mask[k] > 0 ? h[k] * mask[k] : 0;
      x[d] += {by}[d] * (both{bias});
    }}"""


def _onlydense(source: Source, config: NetworkConfig, p: Parameters) -> str:
    D = config.width
    source.use(ADD_PRODUCT)
    source.weights("cross_W", _by_inputs(p["cross_W"]))
    start = _start(source, config)
    act = activated(source, config.preactivation, "z[d]")
    scale = literals.real(float(source.dtype.type(config.cross_factor)))
    return f"""\
    double z[{D}];
    {start}
    add_product(z, cross_W + l * {D * D}, x, {D}, {D});
    for (size_t d = 0; d < {D}; ++d) x[d] *= {scale} * {act};"""


# each returns the statements of layer l, which change x
CROSSES: dict[str, Callable[[Source, NetworkConfig, Parameters], str]] = {
    "vector": _vector,
    "matrix": _matrix,
    "lowrank": _lowrank,
    "gated": _gated,
    "mixture": _mixture,
    "exponential": _exponential,
    "onlydense": _onlydense,
}
