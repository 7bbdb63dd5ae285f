"""Stage 2 in C: ids, dense columns -> x (D); what each member sees of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.config import NetworkConfig
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.products import ADD_PRODUCT, SET
from dcnfast.serving.c_source.source import ROW, Source

Array = npt.NDArray[Any]
Parameters = Mapping[str, Array]

FARTHEST_ANGLE = {"float32": 1e4, "float64": 1e6}  # kernels/math.inl


def rows_of_fields(config: NetworkConfig) -> list[tuple[str, int, int]]:
    """Return table, first row and width of each field."""
    first: dict[int, int] = {}
    found = list[tuple[str, int, int]]()
    for field, owner in enumerate(config.owners):
        _, rows, width = config.fields[field]
        if owner < field:
            found.append(found[owner])
            continue
        found.append((f"embedding_{width}", first.get(width, 0), width))
        first[width] = first.get(width, 0) + rows
    return found


def write_embedding(source: Source, config: NetworkConfig, p: Parameters) -> None:
    """Write ``embed(ids, dense, x)``, behind the tables; with ``lists`` where there are any."""
    lines = []
    n_single = len(config.fields) - len(config.poolings)
    for field, (table, first, width) in enumerate(rows_of_fields(config)[:n_single]):
        source.use(SET)
        row = f"(size_t){first}U + (size_t)ids[{field}]"
        read = source.with_row(table, row, width, f"set(x, {ROW}, {width});")
        lines += [*(f"  {line}" for line in read), f"  x += {width};"]
    if config.poolings:
        width = sum(width for _, _, width in config.fields[n_single:])
        lines.append(f"  memcpy(x, lists, {width} * sizeof *x);\n  x += {width};")
    if config.n_dense:
        lines.append(f"  memcpy(x, dense, {config.n_dense} * sizeof *x);")
    if config.numeric_bins:
        kind = config.numeric_embedding
        if kind not in NUMERIC:
            raise TypeError(
                f"to_c: numeric_embedding is {kind!r}, which is not written as C, want one of "
                f"{list(NUMERIC)!r}"
            )
        NUMERIC[kind](source, config, p)
        lines.append(f"  embed_numbers(dense + {config.n_dense}, x + {config.n_dense});")
    body = "\n".join(lines)
    source.write(
        f"""\
static void embed(const int32_t *ids, const double *dense{parameter_of(config)}, double *x) {{
  (void)ids;
  (void)dense;
{body}
}}"""
    )


def parameter_of(config: NetworkConfig) -> str:
    """Return the parameter with what ``pool_lists`` sets, where there are lists."""
    return ", const double *lists" if config.poolings else ""


def write_members(source: Source, config: NetworkConfig, p: Parameters) -> bool:
    """Write what members multiply x with, (E, D); return whether there is anything."""
    if config.n_members == 1 and not config.learned_scale:
        return False
    scales = np.ones((1, config.width), source.dtype)
    if config.n_members > 1:
        scales = np.repeat(p["member_r"], config.column_widths, axis=1)
    if config.learned_scale:
        scales = scales * p["input_scale"]
    source.weights("member_scales", scales)
    return True


# ---- embedded numbers: each kind writes embed_numbers(pairs, x)


def _piecewise(source: Source, config: NetworkConfig, p: Parameters) -> None:
    J, K = len(config.numeric_bins), config.numeric_width
    edges, first = [], 0
    for j, n in enumerate(config.numeric_bins):
        pieces = p["numeric_W"][first : first + n] * source.dtype.type(config.numeric_scales[j])
        start = p["numeric_b"][j][None]
        edges.append(np.cumsum(np.concatenate([start, pieces]), axis=0, dtype=source.dtype))
        first += n
    source.use(SET)
    source.weights("numeric_edges", np.concatenate(edges))
    source.weights("numeric_slopes", p["numeric_v"])
    source.weights("numeric_gaps", p["numeric_missing"])
    source.integers("numeric_bins", config.numeric_bins, "size_t")
    source.write(
        f"""\
/* Between the vectors at the two edges of a bin, and z times a slope. */
static void embed_numbers(const double *pairs, double *x) {{
  const weight *edges = numeric_edges;
  for (size_t j = 0; j < {J}; ++j, pairs += 2, x += {K}) {{
    const size_t n = numeric_bins[j];
    if (pairs[1] == MISSING_PLACE) {{
      set(x, numeric_gaps + j * {K}, {K});
    }} else {{
      const double last = (double)(n - 1), inside = pairs[1] > 0 ? pairs[1] : 0;
      const size_t bin = (size_t)(inside < last ? inside : last);
      const double share = pairs[1] - (double)bin;
      const weight *low = edges + bin * {K}, *high = low + {K};
      for (size_t k = 0; k < {K}; ++k)
        x[k] = low[k] + share * ((double)high[k] - low[k]) + pairs[0] * numeric_slopes[j * {K} + k];
    }}
    edges += (n + 1) * {K};
  }}
}}"""
    )


def _periodic(source: Source, config: NetworkConfig, p: Parameters) -> None:
    _waves(source, config, p, waves=1, beside=1)


def _periodic_relu(source: Source, config: NetworkConfig, p: Parameters) -> None:
    _waves(source, config, p, waves=2, beside=0)


def _waves(
    source: Source, config: NetworkConfig, p: Parameters, *, waves: int, beside: int
) -> None:
    J, K, F = len(config.numeric_bins), config.numeric_width, config.numeric_frequencies
    O, far = K - beside, literals.real(FARTHEST_ANGLE[config.dtype])
    source.use(SET, ADD_PRODUCT)
    turn = source.dtype.type(2) * source.dtype.type(np.pi)
    source.weights("numeric_w", p["numeric_w"] * turn)
    source.weights("numeric_W", p["numeric_W"])
    source.weights("numeric_b", p["numeric_b"])
    source.weights("numeric_gaps", p["numeric_missing"])
    phase = ""
    if "numeric_phase" in p:
        source.weights("numeric_phase", p["numeric_phase"])
        phase = f" + numeric_phase[j * {F} + f]"
    sine = "" if waves == 1 else "\n      waves[f] = sin(near);"
    relu = (
        ""
        if beside
        else f"""
    for (size_t k = 0; k < {K}; ++k) x[k] = x[k] > 0 ? x[k] : 0;"""
    )
    z = "\n    x[0] = z;" if beside else ""
    source.write(
        f"""\
/* A linear function of waves of the number, as angles rounded as the engine has them. */
static void embed_numbers(const double *pairs, double *x) {{
  double waves[{waves * F}];
  for (size_t j = 0; j < {J}; ++j, pairs += 2, x += {K}) {{
    const double z = pairs[0];
    if (pairs[1] == MISSING_PLACE) {{
      set(x, numeric_gaps + j * {K}, {K});
      continue;
    }}
    for (size_t f = 0; f < {F}; ++f) {{
      const double angle = (weight)(numeric_w[j * {F} + f] * z{phase});
      const double near = angle > {far} ? {far} : angle < -{far} ? -{far} : angle;{sine}
      waves[{"f" if waves == 1 else f"{F} + f"}] = cos(near);
    }}{z}
    set(x + {beside}, numeric_b + j * {O}, {O});
    add_product(x + {beside}, numeric_W + j * {waves * F * O}, waves, {waves * F}, {O});{relu}
  }}
}}"""
    )


NUMERIC: dict[str, Callable[[Source, NetworkConfig, Parameters], None]] = {
    "piecewise": _piecewise,
    "periodic": _periodic,
    "periodic_relu": _periodic_relu,
}
