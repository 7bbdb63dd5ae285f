"""Columns of Python objects: which may be there, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

INTERVAL = re.compile(r"([(\[])(\S+), (\S+)([)\]])")
REAL = (int, float, np.integer, np.floating, np.bool_, Decimal)


def is_missing_type(kind: type) -> bool:
    """Return whether all values of the type mean that there is none."""
    return kind is type(None) or (_is_pandas(kind) and kind.__name__ in ("NAType", "NaTType"))


def is_list_type(kind: type) -> bool:
    """Return whether values of the type are lists of values."""
    return issubclass(kind, (list, tuple, np.ndarray))


def is_missing(value: Any) -> bool:
    """Return whether a value, which is no list, means that there is none."""
    return is_missing_type(type(value)) or bool(value != value)


def has_lists(column: Iterable[Any]) -> bool:
    """Return whether the first value that is not missing is a list."""
    for value in column:
        if is_list_type(type(value)):
            return True
        if not (is_missing_type(type(value)) or (isinstance(value, float) and value != value)):
            return False
    return False


@dataclass(frozen=True)
class Named:
    """What messages call a column, of a table or of one row.

    Parameters
    ----------
    name : object
        That of the column.
    of_row : bool, default=False
        Whether it is a single row's, in which no row has a number.
    """

    name: object
    of_row: bool = False

    def __str__(self) -> str:
        return f"{'row:' if self.of_row else 'X: column'} {self.name!r}"

    def row(self, number: int) -> str:
        """Return in which row something is, for the end of a message."""
        return "" if self.of_row else f" in row {number}"


def refuse_lists(
    column: list[Any], kinds: Iterable[type], name: object, of_row: bool = False
) -> None:
    """Raise TypeError if there is a list among the values."""
    if lists := tuple(kind for kind in kinds if is_list_type(kind)):
        what, kind = Named(name, of_row), lists[0].__name__
        if of_row:
            raise TypeError(f"{what} has a value of type {kind}, want one value, as in fit")
        row = next(i for i, value in enumerate(column) if isinstance(value, lists))
        raise TypeError(
            f"{what} has values of type {kind}, as in row {row}, and others; want one value a row, "
            "or lists in all rows"
        )


def is_interval_type(kind: type) -> bool:
    """Return whether the type is pandas' Interval, which stands for its text."""
    return kind.__name__ == "Interval" and _is_pandas(kind)


def interval_text(interval: Any) -> str:
    """Return "(0, 30]" or the like; equal intervals have equal texts, also (0.0, 30.0]."""
    left, right = _short(interval.left), _short(interval.right)
    opening, closing = "[" if interval.closed_left else "(", "]" if interval.closed_right else ")"
    return f"{opening}{left}, {right}{closing}"


def texts_of_interval(text: str) -> list[str]:
    """Return how else the text may be written if it is that of an interval of numbers."""
    found = INTERVAL.fullmatch(text)
    if not found:
        return []
    opening, left, right, closing = found.groups()
    try:
        ends = float(left), float(right)
    except ValueError:
        return []
    forms = [(_short(ends[0]), _short(ends[1])), ends]
    return [f"{opening}{first}, {last}{closing}" for first, last in forms]


def refuse_types(
    kinds: Iterable[type], name: object, allowed: tuple[type, ...], of_row: bool = False
) -> None:
    """Raise TypeError unless all values are missing or of an allowed type."""
    bad = [
        kind.__name__
        for kind in kinds
        if not (issubclass(kind, allowed) or is_missing_type(kind))
        or issubclass(kind, (complex, np.complexfloating, np.timedelta64))
    ]
    if bad:
        raise TypeError(
            f"{Named(name, of_row)} has values of type {', '.join(sorted(bad))}; "
            "every argument must be a string, a real number, a bool or missing"
        )


def objects_are_categories(column: list[Any], name: Any) -> bool:
    """Return whether there is a string, bool or interval, or nothing; numbers alone are numeric."""
    kinds = [kind for kind in set(map(type, column)) if not is_missing_type(kind)]
    refuse_lists(column, kinds, name)
    rest = [kind for kind in kinds if not is_interval_type(kind)]
    refuse_types(rest, name, (str, *REAL))
    words = any(issubclass(kind, (str, bool, np.bool_)) for kind in rest)
    return words or len(rest) < len(kinds) or not kinds


def objects_to_floats(column: list[Any], name: Any) -> npt.NDArray[Any]:
    """Return the numbers as float64, NaN for missing."""
    kinds = set(map(type, column))
    refuse_lists(column, kinds, name)
    refuse_types(kinds, name, (str, *REAL))
    if words := [value for value in column if isinstance(value, str)]:
        raise ValueError(
            f"X: column {name!r} is not numeric: could not convert string to float: {words[0]!r}; "
            "want numbers, or the column named in categorical_features"
        )
    numbers = [None if is_missing_type(type(value)) else value for value in column]
    try:
        return np.array(numbers, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"X: column {name!r} has an integer too large for a float64") from None


def one_of_each_type(y: npt.NDArray[Any]) -> list[tuple[int, Any]]:
    """Return the first value of every type, and the first NaN, among objects; and their rows."""
    if y.dtype.kind not in "OUS" or not y.size or not y.ndim:
        return []
    rows = y.reshape(len(y), -1).tolist()
    if y.dtype.kind != "O":
        return [(0, rows[0][0])]
    first: dict[tuple[type, bool], tuple[int, Any]] = {}
    for i in reversed(range(len(rows))):
        first |= {(type(value), is_nan(value)): (i, value) for value in rows[i]}
    return list(first.values())


def is_nan(value: Any) -> bool:
    """Return whether a value is the float that is not equal to itself."""
    return isinstance(value, float) and value != value


def listed(names: Iterable[Any]) -> str:
    """Return the names for a message."""
    return ", ".join(map(repr, names))


def _short(end: Any) -> Any:
    """Return a whole number without its decimal point."""
    return int(end) if hasattr(end, "is_integer") and end.is_integer() else end


def _is_pandas(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "pandas"
