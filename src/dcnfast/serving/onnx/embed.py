"""Stage 2 in ONNX: ids, dense columns -> x (N, D), or of several members x (E, N, D)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.bins import MISSING_PLACE
from dcnfast.network.config import NetworkConfig
from dcnfast.serving.onnx.graph import Graph
from dcnfast.serving.onnx.numbers import Dense

Parameters = Mapping[str, npt.NDArray[Any]]

FARTHEST_ANGLE = {"float32": 1e4, "float64": 1e6}  # kernels/math.inl


def stacked(
    g: Graph,
    config: NetworkConfig,
    p: Parameters,
    ids: str,
    dense: Dense,
    lists: Sequence[str] = (),
) -> str:
    """Return what members see of the stacked input, of ``lists`` what they are pooled to.

    Raises
    ------
    TypeError
        If numbers are embedded in a way that is not written as ONNX.
    """
    parts = [*_embedded(g, config, p, ids), *lists]
    if dense.plain:
        parts.append(dense.plain)
    if config.numeric_bins:
        kind = config.numeric_embedding
        if kind not in NUMERIC:
            raise TypeError(
                f"to_onnx: numeric_embedding is {kind!r}, which is not written as ONNX, want one "
                f"of {list(NUMERIC)!r}"
            )
        x = NUMERIC[kind](g, config, p, dense)
        missing = g.op("Less", dense.place, g.number(MISSING_PLACE / 2))
        missing = g.op("Unsqueeze", missing, np.array([2]))
        x = g.op("Where", missing, g.weight("numeric_missing", p["numeric_missing"]), x)
        parts.append(g.flat(x, len(config.numeric_bins) * config.numeric_width))
    return _of_members(g, config, p, g.beside(parts))


def first_rows(config: NetworkConfig, *, of_all: bool = False) -> list[int]:
    """Return where the rows of each field begin, in the table of its width or in one of all."""
    behind, rows = dict[int, int](), list[int]()
    for f, ((_, size, width), owner) in enumerate(zip(config.fields, config.owners, strict=True)):
        table = 0 if of_all else width
        rows.append(behind.get(table, 0) if owner == f else rows[owner])
        behind[table] = behind.get(table, 0) + (size if owner == f else 0)
    return rows


def _embedded(g: Graph, config: NetworkConfig, p: Parameters, ids: str) -> list[str]:
    """Return embeddings of fields of one value; neighbours of one width are looked up together."""
    rows = first_rows(config)
    parts, n = list[str](), len(config.fields) - len(config.poolings)
    for width, group in groupby(range(n), key=lambda f: config.fields[f][2]):
        chosen = list(group)
        at = g.op("Add", g.columns(ids, chosen, n), np.array([rows[f] for f in chosen]))
        table = g.weight(f"embedding_{width}", p[f"embedding_{width}"])
        parts.append(g.flat(g.op("Gather", table, at), len(chosen) * width))
    return parts


def _of_members(g: Graph, config: NetworkConfig, p: Parameters, x: str) -> str:
    """Multiply x by what all members, and what each of them, have for its columns."""
    if config.n_members == 1 and not config.learned_scale:
        return x
    scales = np.ones((1, config.width), g.dtype)
    if config.n_members > 1:
        scales = np.repeat(p["member_r"], config.column_widths, axis=1)
    if config.learned_scale:
        scales = scales * p["input_scale"]
    of_each = scales[:, None] if config.n_members > 1 else scales
    return g.op("Mul", x, g.weight("member_scales", of_each))


# ---- embedded numbers: each kind returns (N, J, K), whatever for missing ones


def _piecewise(g: Graph, config: NetworkConfig, p: Parameters, dense: Dense) -> str:
    """Return what lies between the vectors at the edges of a bin, and z times a slope."""
    edges, first = list[npt.NDArray[Any]](), 0
    for j, n in enumerate(config.numeric_bins):
        pieces = p["numeric_W"][first : first + n] * g.dtype.type(config.numeric_scales[j])
        from_first = np.concatenate([p["numeric_b"][j][None], pieces])
        edges.append(np.cumsum(from_first, axis=0, dtype=g.dtype))
        first += n
    bins = np.array(config.numeric_bins)
    starts = np.cumsum(bins + 1) - (bins + 1)
    inside = g.op("Max", dense.place, g.number(0))
    bin_ = g.op("Min", g.cast(inside, np.int64), bins - 1)
    share = g.op("Sub", dense.place, g.cast(bin_, g.dtype))
    at, vectors = g.op("Add", bin_, starts), g.weight("numeric_edges", np.concatenate(edges))
    low = g.op("Gather", vectors, at)
    high = g.op("Gather", vectors, g.op("Add", at, np.array(1)))
    along = g.op("Mul", _column(g, share), g.op("Sub", high, low))
    line = g.op("Mul", _column(g, dense.scaled), g.weight("numeric_v", p["numeric_v"]))
    return g.chain("Add", low, line, along)


def _periodic(g: Graph, config: NetworkConfig, p: Parameters, dense: Dense) -> str:
    waves = _waves(g, config, p, dense, ahead=[np.pi / 2])
    return g.beside([_column(g, dense.scaled), _linear(g, p, waves)])


def _periodic_relu(g: Graph, config: NetworkConfig, p: Parameters, dense: Dense) -> str:
    waves = _waves(g, config, p, dense, ahead=[0, np.pi / 2])
    return g.op("Relu", _linear(g, p, waves))


def _waves(
    g: Graph, config: NetworkConfig, p: Parameters, dense: Dense, *, ahead: Sequence[float]
) -> str:
    """Return sines of 2 pi w z + phase, so much ahead: (J, N, F for each of ``ahead``).

    Angles are rounded once, as the engine does, and all else is done in doubles. A cosine is the
    sine of an angle that is a quarter ahead: not every onnxruntime has another one of doubles.
    """
    turn = g.dtype.type(2) * g.dtype.type(np.pi)
    w = (p["numeric_w"] * turn).astype(np.float64)
    z = g.op("Transpose", g.cast(dense.scaled, np.float64), perm=[1, 0])
    angle = g.op("Mul", _column(g, z), w[:, None])
    if "numeric_phase" in p:
        angle = g.op("Add", angle, p["numeric_phase"].astype(np.float64)[:, None])
    far = np.array(FARTHEST_ANGLE[config.dtype])
    angle = g.between(g.cast(g.cast(angle, g.dtype), np.float64), -far, far)
    angles = [g.op("Add", angle, np.array(more)) if more else angle for more in ahead]
    return g.beside([g.cast(g.op("Sin", of), g.dtype) for of in angles])


def _linear(g: Graph, p: Parameters, waves: str) -> str:
    """Return W^T waves + b of each number: waves (J, N, I), W (J, I, O) -> (N, J, O)."""
    product = g.op("MatMul", waves, g.weight("numeric_W", p["numeric_W"]))
    by_row = g.op("Transpose", product, perm=[1, 0, 2])
    return g.op("Add", by_row, g.weight("numeric_b", p["numeric_b"]))


def _column(g: Graph, value: str) -> str:
    return g.op("Unsqueeze", value, np.array([2]))


NUMERIC: dict[str, Callable[[Graph, NetworkConfig, Parameters, Dense], str]] = {
    "piecewise": _piecewise,
    "periodic": _periodic,
    "periodic_relu": _periodic_relu,
}
