"""The whole model in ONNX: one graph, and the file that has it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dcnfast import _core
from dcnfast.encode.encoder import TableEncoder
from dcnfast.network.collision import without_factors
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.serving.answers import Answers
from dcnfast.serving.onnx.answer import answered, output_names
from dcnfast.serving.onnx.deep import network
from dcnfast.serving.onnx.encode import encoded
from dcnfast.serving.onnx.graph import ML, Graph, import_onnx
from dcnfast.serving.onnx.inputs import Columns, OnnxInput, inputs_of
from dcnfast.serving.onnx.lists import pooled
from dcnfast.serving.onnx.numbers import clipped
from dcnfast.serving.whole_file import replace_file

OPSETS = {"": 20, ML: 4}
IR_VERSION = 9  # of the release of ONNX that has these operators, 1.15

WRITTEN = {
    "fields", "poolings", "table_of", "collision_weights", "n_dense", "numeric_embedding",
    "numeric_bins", "numeric_scales", "numeric_width", "numeric_frequencies", "n_members",
    "learned_scale", "wide", "wide_numeric", "cross", "cross_layers", "cross_rank", "diag_scale",
    "cross_bias", "preactivation", "hidden", "activation", "structure", "cross_experts", "gating",
    "shared_gate",
    "cross_linear", "cross_factor", "cross_symmetric", "cross_forbidden", "cross_heads",
    "shared_heads", "parametric_activation", "layer_norm", "n_outputs", "loss", "loss_constants",
    "dtype",
}  # fmt: skip
OF_TRAINING = {
    "dropout", "cross_dropout", "label_smoothing", "alpha_embedding", "alpha_cross", "alpha_deep",
    "branch_loss",
    "embedding_penalty", "ema_decay", "sparse_adam", "deterministic", "frozen",
}  # fmt: skip


@dataclass(frozen=True)
class OnnxFile:
    """What ``to_onnx`` wrote.

    Parameters
    ----------
    n_bytes : int
        Size of the file.
    parameter_bytes : int
        Of these, what the learned numbers of the model take.
    n_nodes : int
        Operators of the graph.
    opsets : dict of str to int
        Versions of the sets of operators, by domain.
    inputs : tuple of OnnxInput
        In the order of the columns of ``fit``; behind them how many items lists have.
    outputs : tuple of str
        Names.
    """

    n_bytes: int
    parameter_bytes: int
    n_nodes: int
    opsets: dict[str, int]
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]


def write_onnx(
    path: str | os.PathLike[str],
    encoder: TableEncoder,
    model: Model,
    columns: Columns,
    target: Answers,
    *,
    missing_text: str = "",
) -> OnnxFile:
    """Write a fitted model as a file of ONNX.

    Parameters
    ----------
    path : str or path
    encoder : TableEncoder
    model : Model
    columns : tuple of (sequence of str, sequence of bool, Dates, ListColumns)
        Names of all columns but those of lists, which of them are categorical, and which are made
        of dates; and the columns of lists.
    target : Answers
    missing_text : str, default=""
        Which text says that a category is missing.

    Raises
    ------
    ImportError
        If onnx is not installed.
    OSError
        If the file cannot be written.
    TypeError, ValueError
        If something of the model cannot be written as ONNX.
    """
    model = without_factors(model)
    onnx, config, answer = import_onnx(), model.config, target.described()
    inputs = inputs_of(encoder, columns, missing_text)
    _check(config)
    names = [of.name for of in inputs]
    outputs = output_names(answer, set(names))
    g = Graph(config.dtype, [*names, *outputs])
    logits = _finite_logits(g, encoder, model, inputs, columns)
    helper = onnx.helper
    graph = helper.make_graph(
        g.nodes, "dcnfast", [_described(onnx, of) for of in inputs],
        answered(g, answer, logits, config.n_members, outputs), g.initializers,
    )  # fmt: skip
    made = helper.make_model(
        graph, ir_version=IR_VERSION, producer_name="dcnfast", producer_version=_core.version,
        opset_imports=[helper.make_opsetid(*of) for of in OPSETS.items()],
    )  # fmt: skip
    raw = made.SerializeToString(deterministic=True)
    replace_file(path, [raw])
    size = model.n_parameters * np.dtype(config.dtype).itemsize
    return OnnxFile(len(raw), size, len(g.nodes), dict(OPSETS), tuple(inputs), tuple(outputs))


def _check(config: NetworkConfig) -> None:
    """Raise TypeError for what a network has that the stages do not know."""
    for field in fields(NetworkConfig):
        known = field.name in WRITTEN or field.name in OF_TRAINING
        if not known and getattr(config, field.name) != field.default:
            raise TypeError(
                f"to_onnx: the network has {field.name}={getattr(config, field.name)!r}, which is "
                f"not written as ONNX, want {field.default!r}"
            )


def _described(onnx: Any, of: OnnxInput) -> Any:
    kind = getattr(onnx.TensorProto, of.kind.upper())
    about = f"{of.about}; {of.missing!r} is missing"
    return onnx.helper.make_tensor_value_info(of.name, kind, of.shape, doc_string=about)


def _finite_logits(
    g: Graph, encoder: TableEncoder, model: Model, inputs: list[OnnxInput], columns: Columns
) -> str:
    """Return logits; of rows where they overflow those at the border of the training rows."""
    config, p, scaler = model.config, model.averages, encoder.scaler
    ids, dense = encoded(g, encoder, inputs, columns)
    lists = pooled(g, encoder, config, p, inputs, columns[3])
    logits = network(g, config, p, ids, dense, lists)
    if not scaler.clips and config.dense_columns:
        wild = _is_wild(g, logits, config)
        some = g.cast(g.op("ReduceMax", g.cast(wild, np.int32), keepdims=0), np.bool_)
        near, same = g.branch(), g.branch()
        asked = network(near, config, p, ids, clipped(near, scaler, dense), lists)
        both = near.op("Where", wild, asked, logits), same.op("Identity", logits)
        logits = g.when(some, (near, both[0]), (same, both[1]))
    largest = np.asarray(np.finfo(g.dtype).max)
    logits = g.op("Where", g.op("IsNaN", logits), g.number(0), logits)
    return g.between(logits, -largest, largest)


def _is_wild(g: Graph, logits: str, config: NetworkConfig) -> str:
    """Return which rows have a logit that is not finite, as (N, 1)."""
    wild = g.op("Or", g.op("IsNaN", logits), g.op("IsInf", logits))
    axes = np.array([0, 2] if config.n_members > 1 else [1])
    found = g.op("ReduceMax", g.cast(wild, np.int32), axes, keepdims=0)
    return g.cast(g.op("Unsqueeze", found, np.array([1])), np.bool_)
