"""What a row of the table is in ONNX: an input for each column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.vocabulary import Buckets, Vocabulary
from dcnfast.serving.onnx.categories import (
    MISSING_OF,
    Missing,
    check_column,
    check_text,
    kind_of,
)
from dcnfast.table.dates import Dates
from dcnfast.table.lists import ListColumn, ListColumns

Columns = tuple[Sequence[str], Sequence[bool], Dates, ListColumns]


@dataclass(frozen=True)
class OnnxInput:
    """An input of the graph: a column of the table, or how many items the lists of one have.

    Parameters
    ----------
    name : str
        That of the column.
    kind : {"double", "string", "int64", "uint64"}
        Type of its values in ONNX.
    missing : float, str or int
        The value that says that there is none, in lists that of an item. No weight may be missing.
    about : str
        What it is.
    shape : tuple of (str, int or str), default=("rows", 1)
        Of lists and weights ("rows", "items"), a list a row, with anything behind its items.
    counts : str, default=""
        The name of the column of lists whose items are counted.
    """

    name: str
    kind: str
    missing: Missing
    about: str
    shape: tuple[str, int | str] = ("rows", 1)
    counts: str = ""


def inputs_of(encoder: TableEncoder, columns: Columns, missing_text: str) -> list[OnnxInput]:
    """Return the inputs, in the order of the columns of the table; behind them sizes of lists.

    Raises
    ------
    TypeError
        If a column is of a kind that is not written as ONNX.
    ValueError
        If a name, or a value of a column, is one that ONNX cannot have.
    """
    names, mask, dates, lists = columns
    categories = iter(encoder.columns)
    n_plain = len(names) - len(dates.made)
    found = [
        _category(name, next(categories), missing_text)
        if categorical
        else OnnxInput(name, "double", math.nan, "a number")
        for name, categorical in zip(names[:n_plain], mask[:n_plain], strict=True)
    ]
    others = dict[int, OnnxInput]()
    for date in dates.columns:
        clock = f"the clock of {date.zone}" if date.zone else "a clock without time zone"
        about = f"a date: seconds since 1970-01-01 00:00:00 by {clock}"
        others[date.place] = OnnxInput(date.name, "int64", MISSING_OF["int64"], about)
    of_lists = encoder.columns[len(encoder.columns) - len(lists.columns) :]
    for how, column in zip(lists.columns, of_lists, strict=True):
        others[how.place] = _list_of(how, column, missing_text)
        if how.weights is not None:
            about, shape = f"the weights of the items of {how.name!r}", ("rows", _items(how))
            weights = str(how.rule.weights)
            others[how.weights] = OnnxInput(weights, "double", math.nan, about, shape)
    for place in sorted(others):  # from left to right
        found.insert(place, others[place])
    for of in found:
        _check_name(of.name)
    return [*found, *_counts(lists, {of.name for of in found})]


def _list_of(how: ListColumn, column: Vocabulary | Buckets, missing_text: str) -> OnnxInput:
    """Return the input of a column of lists: of their items, or of texts that are split."""
    name, separator = how.name, how.rule.separator
    of = _category(name, column, missing_text)
    if separator is None:
        about = f"a list of categories, {of.about.split(', ')[1]} each"
        return replace(of, about=about, shape=("rows", _items(how)))
    if of.kind != "string":
        raise TypeError(
            f"to_onnx: column {name!r} has lists in one text and shares embeddings with numbers, "
            "want one of them: an input of ONNX has values of one type"
        )
    check_text(separator, f"column {name!r} has the separator")
    if not missing_text:
        raise ValueError(
            f"to_onnx: column {name!r} has lists in one text, of which '' is an empty one and says "
            "in ONNX that a value is missing; missing_text chooses another text"
        )
    return replace(of, about=f"a list of categories in one text, with {separator!r} between them")


def _items(how: ListColumn) -> str:
    return f"items of {how.name}"


def _counts(lists: ListColumns, taken: set[str]) -> list[OnnxInput]:
    """Return inputs of how many items the lists have that come as such."""
    found = []
    for how in lists.columns:
        if how.rule.separator is not None:
            continue
        name = f"{how.name}_count"
        while name in taken:
            name += "_"
        taken.add(name)
        about = f"how many items the list of {how.name!r} has"
        found.append(OnnxInput(name, "int64", -1, about, counts=how.name))
    return found


def _category(name: str, column: object, missing_text: str) -> OnnxInput:
    kind = kind_of(name, column)
    missing = missing_text if kind == "string" else MISSING_OF[kind]
    check_column(name, column, missing)
    about = {"string": "a text", "double": "a number"}.get(kind, "an integer")
    return OnnxInput(name, kind, missing, f"a category, {about}")


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"to_onnx: the column {name!r} has a name that is no Unicode, want one that UTF-8 has"
        ) from None
    if not name:
        raise ValueError("to_onnx: a column has the name '', want a name: inputs of ONNX have one")
