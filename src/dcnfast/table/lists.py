"""Columns of lists: each row has any number of categories, and perhaps a weight for each.

A list is a list, a tuple or an array of one dimension among Python's objects, a value of a column
of lists of polars or Arrow, or a text with a separator. A missing list has one item, a missing one;
so is told from an empty list, which has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.table.factor import Factor, factor_arrow, factor_objects, find_pyarrow
from dcnfast.table.objects import Named, is_list_type, is_missing

Offsets = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]
POOLINGS = ("mean", "sum", "sqrtn", "max")


@dataclass(frozen=True)
class Rule:
    """How a column of lists is read and pooled.

    Parameters
    ----------
    pooling : str
        One of ``POOLINGS``.
    separator : str or None
        Between the items of a text; None where the column has lists.
    weights : str or None
        The column with the items' weights.
    """

    pooling: str = "mean"
    separator: str | None = None
    weights: str | None = None


@dataclass(frozen=True)
class ListColumn:
    """A column of lists.

    Parameters
    ----------
    place : int
        Among the columns of the table.
    name : str
    rule : Rule
    weights : int or None
        Where the column of its weights stands.
    """

    place: int
    name: str
    rule: Rule
    weights: int | None = None


@dataclass(frozen=True)
class ListColumns:
    """Which columns are lists.

    Parameters
    ----------
    columns : tuple of ListColumn
    """

    columns: tuple[ListColumn, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields."""
        return tuple(column.name for column in self.columns)

    @property
    def places(self) -> list[int]:
        """Where lists stand in the table."""
        return [column.place for column in self.columns]

    @property
    def taken(self) -> dict[int, str]:
        """Name by place of all columns of lists, those of weights among them."""
        taken = {column.place: column.name for column in self.columns}
        for column in self.columns:
            if column.weights is not None and column.rule.weights is not None:
                taken[column.weights] = column.rule.weights
        return taken


NO_LISTS = ListColumns()


@dataclass(frozen=True, eq=False)
class ListFactor(Factor):
    """A column of lists of categories.

    Parameters
    ----------
    codes, values
        Of the items of all rows, one behind the other; see :class:`Factor`.
    offsets : ndarray of shape (n + 1,), int64
        Row i has the items from ``offsets[i]`` on, up to ``offsets[i + 1]``.
    weights : ndarray or None
        Of the items, not negative; None where all are 1.
    """

    offsets: Offsets
    weights: Weights | None = None

    def take(self, rows: Any) -> ListFactor:
        """Return some of the rows."""
        offsets, items = take_lists(self.offsets, rows)
        weights = None if self.weights is None else self.weights[items]
        return ListFactor(self.codes[items], self.values, offsets, weights)


def take_lists(offsets: Offsets, rows: Any) -> tuple[Offsets, npt.NDArray[np.int64]]:
    """Return the offsets of some of the rows, and the numbers of their items."""
    starts, lengths = offsets[:-1][rows], np.diff(offsets)[rows]
    ends = offsets_of(lengths)
    return ends, np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)


def offsets_of(lengths: npt.NDArray[np.int64]) -> Offsets:
    """Return where lists of these lengths begin, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def find_lists(
    rules: Mapping[str, Rule], found: Sequence[int], names: Sequence[str]
) -> ListColumns:
    """Return the columns of lists of a training table.

    Parameters
    ----------
    rules : dict of str to Rule
        Of columns by name.
    found : sequence of int
        Columns that hold lists, by place.
    names : sequence of str
        Of all columns.
    """
    places = {name: j for j, name in enumerate(names)}
    if unknown := [name for name in rules if name not in places]:
        raise ValueError(f"list_features names {unknown!r}, want columns of X: {list(names)!r}")
    weights = {rule.weights for rule in rules.values() if rule.weights is not None}
    if unknown := [name for name in weights if name not in places or name in rules]:
        raise ValueError(
            f"list_features has the weights {unknown!r}, want other columns of X, with lists of "
            "numbers"
        )
    chosen = {places[name] for name in rules} | set(found)
    columns = []
    for j in sorted(chosen - {places[name] for name in weights}):
        rule = rules.get(names[j], Rule())
        of_weights = None if rule.weights is None else places[rule.weights]
        columns.append(ListColumn(j, names[j], rule, of_weights))
    return ListColumns(tuple(columns))


# ---- a column of lists -> the length of each list, -1 where it is missing, and all items

Items = Any  # a list of Python's, or an array of Arrow
Lengths = npt.NDArray[np.int64]


def lists_of_objects(column: Sequence[Any], what: Named) -> tuple[Lengths, list[Any]]:
    """Read lists, tuples and arrays; anything else that is not missing is an error.

    Parameters
    ----------
    column : sequence
    what : Named
        For messages.
    """
    lengths, parts = np.empty(len(column), np.int64), []
    for i, value in enumerate(column):
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = value.tolist()
        if isinstance(value, list | tuple):
            lengths[i] = len(value)
            parts.append(value)
        elif not is_list_type(type(value)) and is_missing(value):
            lengths[i] = -1
        else:
            shown = f"an array of shape {value.shape}" if is_list_type(type(value)) else repr(value)
            raise TypeError(
                f"{what} has {shown}{what.row(i)}, want a list of values, as list_features or fit "
                "has it"
            )
    items = list(chain.from_iterable(parts))
    if any(is_list_type(kind) for kind in set(map(type, items))):
        row = next(i for i, value in enumerate(column) if _is_nested(value))
        raise TypeError(f"{what} has a list with lists{what.row(row)}, want one of values")
    return lengths, items


def _is_nested(value: Any) -> bool:
    """Return whether a list, or a missing one, has lists in it."""
    is_list = is_list_type(type(value))
    return is_list and any(is_list_type(kind) for kind in set(map(type, value)))


def lists_of_arrow(array: Any, what: Named) -> tuple[Lengths, Any]:
    """Read lists of Arrow, of any of its types of lists."""
    pa = find_pyarrow()
    assert pa is not None
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    kind = array.type.value_type
    if pa.types.is_nested(kind):
        raise TypeError(f"{what} has lists of {kind}, such as in row 0, want lists of values")
    if pa.types.is_fixed_size_list(array.type) or not hasattr(array, "offsets"):
        array = array.cast(pa.large_list(kind))
    compute = __import__("pyarrow.compute", fromlist=["compute"])
    lengths = compute.list_value_length(array).cast(pa.int64()).fill_null(-1)
    return lengths.to_numpy(zero_copy_only=False), array.flatten()


def lists_of_texts(factor: Factor, separator: str, what: Named) -> tuple[Lengths, list[str]]:
    """Split a column of texts; the empty text is an empty list."""
    split = []
    for code, value in enumerate(factor.values.tolist()):
        if not isinstance(value, str):
            row = int((factor.codes == code).argmax())
            raise TypeError(
                f"{what} has {value!r}{what.row(row)}, want texts with {separator!r} between items"
            )
        split.append(value.split(separator) if value else [])
    codes = factor.codes.tolist()
    lengths = np.array([*map(len, split), -1], np.int64)[factor.codes]
    return lengths, [item for code in codes if code >= 0 for item in split[code]]


# ---- and what becomes of them


def factor_lists(lengths: Lengths, items: Items, what: Named) -> ListFactor:
    """Find the values among the items; a missing list gets one item, which is missing."""
    if isinstance(items, list):
        factor = factor_objects(items, what.name, of_row=what.of_row)
        _refuse_mixed(lengths, factor, what)
    else:
        factor = factor_arrow(items, what.name)
    if not (lengths < 0).any():
        return ListFactor(factor.codes, factor.values, offsets_of(lengths))
    filled = np.where(lengths < 0, 1, lengths)
    codes = np.full(filled.sum(), -1, np.int32)
    codes[np.repeat(lengths >= 0, filled)] = factor.codes
    return ListFactor(codes, factor.values, offsets_of(filled))


def _refuse_mixed(lengths: Lengths, factor: Factor, what: Named) -> None:
    """Raise TypeError for a list with both strings and numbers in it."""
    is_text = np.array([isinstance(value, str) for value in factor.values], np.bool_)
    if is_text.all() or not is_text.any():
        return
    rows = np.repeat(np.arange(len(lengths)), np.maximum(lengths, 0))
    there = factor.codes >= 0
    text = is_text[factor.codes[there]]
    both = np.intersect1d(rows[there][text], rows[there][~text])
    if len(both):
        raise TypeError(
            f"{what} has a list of strings and numbers{what.row(both[0])}, want one or the other"
        )


def read_weights(
    lengths: Lengths, of_weights: tuple[Lengths, Items], name: str, what: Named
) -> Weights:
    """Return the weight of each item, 1 for a missing list; not negative, as many as items.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Of the lists, -1 where missing.
    of_weights : tuple of (ndarray, list or array of Arrow)
        The same of the column of weights, and its items.
    name : str
        Of the column of lists.
    what : Named
        The column of weights.
    """
    n_weights, items = of_weights
    weights = f"{what}, the weights of {name!r},"
    differ = np.maximum(n_weights, 0) != np.maximum(lengths, 0)
    if differ.any():
        row = int(differ.argmax())
        raise ValueError(
            f"{weights} has {max(int(n_weights[row]), 0)}{what.row(row)}, want "
            f"{max(int(lengths[row]), 0)}, as many as items"
        )
    rows = np.repeat(np.arange(len(lengths)), np.maximum(lengths, 0))
    found = _numbers(items, rows, weights, what)
    bad = ~((found >= 0) & (found < np.inf))
    if bad.any():
        item = int(bad.argmax())
        raise ValueError(
            f"{weights} has {found[item]:g}{what.row(rows[item])}, want finite numbers, not "
            "negative"
        )
    if not (lengths < 0).any():
        return found
    filled = np.where(lengths < 0, 1, lengths)
    padded: Weights = np.ones(filled.sum())
    padded[np.repeat(lengths >= 0, filled)] = found
    return padded


def _numbers(items: Items, rows: npt.NDArray[Any], weights: str, what: Named) -> Weights:
    if not isinstance(items, list):
        items = items.to_numpy(zero_copy_only=False)
        if items.dtype.kind in "iuf":
            return np.asarray(items, np.float64)
        items = items.tolist()
    for item, value in enumerate(items):
        if isinstance(value, str | bytes):
            raise TypeError(f"{weights} has {value!r}{what.row(rows[item])}, want numbers")
    try:
        return np.array([np.nan if is_missing(value) else value for value in items], np.float64)
    except OverflowError:
        raise ValueError(f"{weights} has an integer that no float64 holds") from None


def lists_of_row(row: Sequence[Any], column: ListColumn) -> ListFactor:
    """Return the list of a single row, with its weights if it has any."""
    name, rule = column.name, column.rule
    what, value = Named(name, of_row=True), row[column.place]
    if rule.separator is None:
        lengths, items = lists_of_objects([value], what)
    else:
        texts = factor_objects([value], name, of_row=True)
        lengths, items = lists_of_texts(texts, rule.separator, what)
    factor = factor_lists(lengths, items, what)
    if column.weights is None or rule.weights is None:
        return factor
    weights = Named(rule.weights, of_row=True)
    of_weights = lists_of_objects([row[column.weights]], weights)
    return replace(factor, weights=read_weights(lengths, of_weights, name, weights))
