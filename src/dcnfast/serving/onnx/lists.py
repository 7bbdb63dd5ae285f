"""Stage 2 in ONNX for columns of lists: rows of a table that each list names, pooled.

Lists come as (N, M), one a row, with anything behind their items, and how many they have. In front
of them is a place for the one item of a missing list, so that no axis is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.vocabulary import MISSING, UNKNOWN
from dcnfast.network.config import NetworkConfig
from dcnfast.serving.onnx.categories import rows_of
from dcnfast.serving.onnx.embed import first_rows
from dcnfast.serving.onnx.graph import ML, Graph
from dcnfast.serving.onnx.inputs import OnnxInput
from dcnfast.table.lists import ListColumn, ListColumns

Parameters = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Pooled:
    """What lists are pooled to.

    Parameters
    ----------
    x : tuple of str
        Of each column of lists its columns of x, (N, K).
    linear : tuple of str
        Of each what it adds to the logits, (N, C); () without a linear part.
    """

    x: tuple[str, ...] = ()
    linear: tuple[str, ...] = ()


@dataclass(frozen=True)
class Items:
    """A column of lists as the network reads it.

    Parameters
    ----------
    ids : str
        Rows of the field's table, (N, 1 + M).
    count : str
        How many items each list has, below 0 if it is missing, (N, 1).
    there : str
        Whether there is an item in a place, (N, 1 + M).
    share : str
        What each is multiplied by before all are added up, 0 where there is none; "" if the
        greatest number is wanted.
    """

    ids: str
    count: str
    there: str
    share: str


def pooled(
    g: Graph,
    encoder: TableEncoder,
    config: NetworkConfig,
    p: Parameters,
    inputs: Sequence[OnnxInput],
    lists: ListColumns,
) -> Pooled:
    """Return what the lists of each row are pooled to."""
    n_single = len(config.fields) - len(lists.columns)
    rows, of_all = first_rows(config), first_rows(config, of_all=True)
    x, linear = list[str](), list[str]()
    for field, how in enumerate(lists.columns, n_single):
        items = _items(g, encoder.columns[field], how, inputs)
        name = f"embedding_{config.fields[field][2]}"
        x.append(_pool(g, g.weight(name, p[name]), rows[field], items))
        if config.wide:
            linear.append(_pool(g, g.weight("wide", p["wide"]), of_all[field], items))
    return Pooled(tuple(x), tuple(linear))


def _items(g: Graph, column: object, how: ListColumn, inputs: Sequence[OnnxInput]) -> Items:
    of = inputs[how.place]
    if how.rule.separator is not None:
        values, count = _split(g, of, how.rule.separator)
    else:
        values = of.name
        count = next(found.name for found in inputs if found.counts == of.name)
    missing = MISSING if how.rule.separator is None else UNKNOWN  # no item of a text is
    rows = rows_of(g, how.name, column, values, of.missing, missing)
    ids = _with_place(g, rows, MISSING)
    absent = g.op("Less", count, np.array(0))
    places = g.op("Range", np.array(0), _length(g, ids), np.array(1))
    first = g.op("Where", absent, np.array(0), np.array(1))
    last = g.op("Where", absent, np.array(0), count)
    there = g.op("And", g.op("GreaterOrEqual", places, first), g.op("LessOrEqual", places, last))
    share = ""
    if how.rule.pooling != "max":
        weights = "" if how.weights is None else inputs[how.weights].name
        share = _share(g, there, weights, how.rule.pooling)
    return Items(ids, count, there, share)


def _split(g: Graph, of: OnnxInput, separator: str) -> tuple[str, str]:
    """Return the items of texts (N, 1) as (N, M), and how many there are."""
    split, n = g.ops("StringSplit", of.name, n_results=2, delimiter=separator)
    absent = g.op(
        "LabelEncoder", of.name, domain=ML, keys_strings=[of.missing], values_int64s=[1],
        default_int64=0,
    )  # fmt: skip
    count = g.op("Where", g.cast(absent, np.bool_), np.array(-1), n)
    return g.op("Squeeze", split, np.array([1])), count


def _with_place(g: Graph, values: str, first: float) -> str:
    """Return (N, M) with a column in front of it."""
    kind = np.int64 if isinstance(first, int) else np.float64
    return g.op("Pad", values, np.array([0, 1, 0, 0]), np.array(first, kind))


def _length(g: Graph, value: str) -> str:
    """Return the size of the last axis, a number."""
    shape = g.op("Shape", value, start=1)
    return g.op("Squeeze", shape, np.array([0]))


def _share(g: Graph, there: str, weights: str, pooling: str) -> str:
    """Return what items are multiplied by, in doubles: see ``encode_lists``."""
    axis, none = np.array([1]), np.array(0.0)
    if not weights:
        share = g.cast(there, np.float64)
        if pooling != "sum":
            n = g.op("Max", g.op("ReduceSum", share, axis), np.array(1.0))
            share = g.op("Div", share, n if pooling == "mean" else g.op("Sqrt", n))
        return g.cast(share, g.dtype)
    share = g.op("Where", there, _with_place(g, weights, 1.0), none)
    if pooling != "sum":  # whose sums and squares do not overflow
        share = g.op("Div", share, _or_one(g, g.op("ReduceMax", share, axis)))
        squares = share if pooling == "mean" else g.op("Mul", share, share)
        total = _or_one(g, g.op("ReduceSum", squares, axis))
        share = g.op("Div", share, total if pooling == "mean" else g.op("Sqrt", total))
    return g.cast(share, g.dtype)


def _or_one(g: Graph, number: str) -> str:
    return g.op("Where", g.op("Equal", number, np.array(0.0)), np.array(1.0), number)


def _pool(g: Graph, table: str, first_row: int, items: Items) -> str:
    """Return the sum of the items' rows times their shares, or the maximum (N, K); 0 of none."""
    e = g.op("Gather", table, g.op("Add", items.ids, np.array(first_row)))
    if items.share:
        product = g.op("MatMul", g.op("Unsqueeze", items.share, np.array([1])), e)
        return g.op("Squeeze", product, np.array([1]))
    lowest = g.number(-np.finfo(g.dtype).max)
    e = g.op("Where", g.op("Unsqueeze", items.there, np.array([2])), e, lowest)
    most = g.op("ReduceMax", e, np.array([1]), keepdims=0)
    return g.op("Where", g.op("Equal", items.count, np.array(0)), g.number(0), most)
