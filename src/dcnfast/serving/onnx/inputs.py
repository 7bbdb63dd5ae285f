"""What a row of the table is in ONNX: an input for each column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dcnfast.encode.encoder import TableEncoder
from dcnfast.serving.onnx.categories import MISSING_OF, Missing, check_column, kind_of
from dcnfast.table.dates import Dates
from dcnfast.table.lists import ListColumns

Columns = tuple[Sequence[str], Sequence[bool], Dates, ListColumns]


@dataclass(frozen=True)
class OnnxInput:
    """An input of the graph: a column of the table, of shape (N, 1).

    Parameters
    ----------
    name : str
        That of the column.
    kind : {"double", "string", "int64", "uint64"}
        Type of its values in ONNX.
    missing : float, str or int
        The value that says that there is none.
    about : str
        What it is.
    """

    name: str
    kind: str
    missing: Missing
    about: str


def inputs_of(encoder: TableEncoder, columns: Columns, missing_text: str) -> list[OnnxInput]:
    """Return the inputs, in the order of the columns of the table.

    Raises
    ------
    TypeError
        If a column is of a kind that is not written as ONNX.
    ValueError
        If a name, or a value of a column, is one that ONNX cannot have.
    """
    names, mask, dates, lists = columns
    if lists:
        raise TypeError(
            f"to_onnx: the columns {[of.name for of in lists.columns]!r} are lists, which are not "
            "written as ONNX, want none"
        )
    categories = iter(encoder.columns)
    n_plain = len(names) - len(dates.made)
    found = [
        _category(name, next(categories), missing_text)
        if categorical
        else OnnxInput(name, "double", math.nan, "a number")
        for name, categorical in zip(names[:n_plain], mask[:n_plain], strict=True)
    ]
    for date in dates.columns:  # from left to right
        clock = f"the clock of {date.zone}" if date.zone else "a clock without time zone"
        about = f"a date: seconds since 1970-01-01 00:00:00 by {clock}"
        found.insert(date.place, OnnxInput(date.name, "int64", MISSING_OF["int64"], about))
    for of in found:
        _check_name(of.name)
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
