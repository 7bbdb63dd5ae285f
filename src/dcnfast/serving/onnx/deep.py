"""Stages 4 and 5 in ONNX: hidden layers, and the logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.branches import Branch, topology
from dcnfast.network.config import NetworkConfig
from dcnfast.serving.onnx.activations import activated, normalized
from dcnfast.serving.onnx.cross import crossed, product
from dcnfast.serving.onnx.embed import first_rows, stacked
from dcnfast.serving.onnx.graph import Graph
from dcnfast.serving.onnx.lists import Pooled
from dcnfast.serving.onnx.numbers import Dense

Parameters = Mapping[str, npt.NDArray[Any]]
NO_LISTS = Pooled()


def network(
    g: Graph,
    config: NetworkConfig,
    p: Parameters,
    ids: str,
    dense: Dense,
    lists: Pooled = NO_LISTS,
) -> str:
    """Return logits (N, C); of several members (E, N, C)."""
    parts = topology(config)
    x0 = stacked(g, config, p, ids, dense, lists.x)
    xL = crossed(g, config, p, x0)
    inputs = {"x0": x0, "xL": xL}
    reached = [xL] if parts.cross_to_head else []
    reached += [_branch(g, config, branch, p, inputs[branch.input]) for branch in parts.branches]
    head_W, head_b = p["head_W"].swapaxes(-1, -2), p["head_b"]
    logits = g.op("MatMul", g.beside(reached), g.weight("head_W", head_W))
    bias = head_b[:, None] if config.n_members > 1 else head_b
    logits = g.op("Add", logits, g.weight("head_b", bias))
    return g.chain("Add", logits, *_wide(g, config, p, ids, dense), *lists.linear)


def _branch(g: Graph, config: NetworkConfig, branch: Branch, p: Parameters, x: str) -> str:
    """Return the units of the last layer of a deep part."""
    for i in range(len(branch.hidden)):

        def of_layer(vector: str, i: int = i) -> str:
            name = f"{branch.name}_{vector}_{i}"
            return g.weight(name, p[name])

        name = f"{branch.name}_W_{i}"
        z = g.op("Add", product(g, name, p[name], x), of_layer("b"))
        if config.layer_norm:
            z = normalized(g, z, of_layer("scale"), of_layer("shift"))
        x = activated(g, config.activation, z)
        if config.parametric_activation:  # (1 - a) z + a act(z)
            moved = g.op("Mul", of_layer("a"), g.op("Sub", x, z))
            x = g.op("Add", z, moved)
    return x


def _wide(g: Graph, config: NetworkConfig, p: Parameters, ids: str, dense: Dense) -> list[str]:
    """Return what the linear part adds to the logits, but for lists."""
    parts = list[str]()
    n_single = len(config.fields) - len(config.poolings)
    if config.wide and n_single:
        first = first_rows(config, of_all=True)[:n_single]
        rows = g.op("Add", ids, np.array(first))
        found = g.op("Gather", g.weight("wide", p["wide"]), rows)
        parts.append(g.op("ReduceSum", found, np.array([1]), keepdims=0))
    M = config.n_dense
    if config.wide and M:
        parts.append(product(g, "wide_W", p["wide_W"][:, :M], dense.plain))
    if config.wide_columns > M:
        parts.append(product(g, "wide_numbers", p["wide_W"][:, M:], dense.scaled))
    return parts
