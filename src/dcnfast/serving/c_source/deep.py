"""Stages 4 and 5 in C: hidden layers, and the logits of a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from dcnfast.network.branches import Branch, topology
from dcnfast.network.config import NetworkConfig
from dcnfast.serving.c_source.cross import write_cross
from dcnfast.serving.c_source.embed import (
    parameter_of,
    write_embedding,
    write_members,
)
from dcnfast.serving.c_source.products import ADD_PRODUCT, NORMALIZE, SET, activated
from dcnfast.serving.c_source.source import ROW, Source

Parameters = Mapping[str, npt.NDArray[Any]]


def write_network(source: Source, config: NetworkConfig, p: Parameters) -> None:
    """Write ``network(ids, dense, logits)``: stages 2 to 5, logits (E, C) of each member.

    Where there are lists, what ``pool_lists`` sets comes behind ``dense``.
    """
    parts, D, C, E = topology(config), config.width, config.n_outputs, config.n_members
    H = parts.head_width(D)
    write_embedding(source, config, p)
    scaled = write_members(source, config, p)
    lines = []
    if config.cross_layers:
        write_cross(source, config, p)
        lines.append("cross(x0, xL);")
    else:
        lines.append(f"memcpy(xL, x0, {D} * sizeof *xL);")
    at = D if parts.cross_to_head else 0
    for branch in parts.branches:
        _write_branch(source, config, branch, p)
        lines.append(f"{branch.name}({branch.input}, head + {at});")
        at += branch.width
    if parts.cross_to_head:
        lines.insert(1, f"memcpy(head, xL, {D} * sizeof *head);")
    source.use(SET, ADD_PRODUCT)
    heads = p["head_W"].reshape(E, C, H).swapaxes(1, 2)
    source.weights("head_W", heads)
    source.weights("head_b", p["head_b"])
    lines.append(f"set(logits + e * {C}, head_b + e * {C}, {C});")
    lines.append(f"add_product(logits + e * {C}, head_W + e * {H * C}, head, {H}, {C});")
    if wide := _write_wide(source, config, p):
        lines.append(wide)
    lists, given = ", lists" if config.poolings else "", parameter_of(config)
    x0 = f"x[d] * member_scales[e * {D} + d]" if scaled else "x[d]"
    body = "\n".join(f"    {line}" for line in lines)
    source.write(
        f"""\
/* The logits of each member. */
static void network(const int32_t *ids, const double *dense{given}, double *logits) {{
  double x[{D}], x0[{D}], xL[{D}], head[{H}];
  embed(ids, dense{lists}, x);
  for (size_t e = 0; e < {E}; ++e) {{
    for (size_t d = 0; d < {D}; ++d) x0[d] = {x0};
{body}
  }}
}}"""
    )


def _write_branch(source: Source, config: NetworkConfig, branch: Branch, p: Parameters) -> None:
    """Write a deep part: a function of what it reads, which sets the units of its last layer."""
    name, lines, before = branch.name, list[str](), "x"
    source.use(SET, ADD_PRODUCT)
    layers = branch.layers(config.width)
    for i, (inputs, outputs) in enumerate(layers):
        here = "out" if i == len(layers) - 1 else f"h{i}"
        if here != "out":
            lines.append(f"double {here}[{outputs}];")
        b = source.weights(f"{name}_b_{i}", p[f"{name}_b_{i}"])
        W = source.weights(f"{name}_W_{i}", p[f"{name}_W_{i}"].T)
        lines.append(f"set({here}, {b}, {outputs});")
        lines.append(f"add_product({here}, {W}, {before}, {inputs}, {outputs});")
        if config.layer_norm:
            source.use(NORMALIZE)
            vectors = [
                source.weights(f"{name}_{v}_{i}", p[f"{name}_{v}_{i}"]) for v in ("scale", "shift")
            ]
            lines.append(f"normalize({here}, {vectors[0]}, {vectors[1]}, {outputs});")
        act = activated(source, config.activation, f"{here}[o]")
        if config.parametric_activation:
            a = source.weights(f"{name}_a_{i}", p[f"{name}_a_{i}"])
            act = f"(1 - (double){a}[o]) * {here}[o] + {a}[o] * {act}"
        if act != f"{here}[o]":
            lines.append(f"for (size_t o = 0; o < {outputs}; ++o) {here}[o] = {act};")
        before = here
    body = "\n".join(f"  {line}" for line in lines)
    source.write(f"static void {name}(const double *x, double *out) {{\n{body}\n}}")


def _write_wide(source: Source, config: NetworkConfig, p: Parameters) -> str:
    """Write the linear part on ids and dense columns; return the statement that adds it."""
    C, lines = config.n_outputs, list[str]()
    if not config.wide or not (config.fields or config.wide_columns):
        return ""
    n_single = len(config.fields) - len(config.poolings)
    for field, first in enumerate(config.rows_of_linear[:n_single]):
        row = f"(size_t){first}U + (size_t)ids[{field}]"
        added = f"for (size_t c = 0; c < {C}; ++c) logits[c] += ({ROW})[c];"
        lines += [f"  {line}" for line in source.with_row("wide", row, C, added)]
    if config.poolings:  # behind the columns of x
        width = sum(width for _, _, width in config.fields[n_single:])
        lines.append(f"  for (size_t c = 0; c < {C}; ++c) logits[c] += lists[{width} + c];")
    M, J = config.n_dense, config.wide_columns - config.n_dense
    if M:
        source.use(ADD_PRODUCT)
        W = source.weights("wide_W", p["wide_W"][:, :M].T)
        lines.append(f"  add_product(logits, {W}, dense, {M}, {C});")
    if J:  # a number and its place among the bins stand together
        W = source.weights("wide_numbers", p["wide_W"][:, M:].T)
        lines += [
            f"  for (size_t j = 0; j < {J}; ++j)",
            f"    for (size_t c = 0; c < {C}; ++c)",
            f"      logits[c] += {W}[j * {C} + c] * dense[{M} + 2 * j];",
        ]
    body, given = "\n".join(lines), parameter_of(config)
    source.write(
        f"""\
static void add_wide(const int32_t *ids, const double *dense{given}, double *logits) {{
  (void)ids;
  (void)dense;
{body}
}}"""
    )
    lists = ", lists" if config.poolings else ""
    return f"add_wide(ids, dense{lists}, logits + e * {C});"


def stack_of(config: NetworkConfig) -> int:
    """Return about how many bytes of the stack the network takes."""
    parts, D = topology(config), config.width
    hidden = max((sum(branch.hidden) for branch in parts.branches), default=0)
    cross = 3 * D + 2 * config.cross_rank + config.cross_experts
    columns = 2 * config.dense_columns + len(config.fields)
    inputs = columns + (config.numeric_frequencies * 2) + config.n_members * config.n_outputs
    lists = D + 2 * config.n_outputs if config.poolings else 0
    return 8 * (3 * D + parts.head_width(D) + max(hidden, cross) + inputs + lists)
