"""Stage 1 in ONNX, categories: the rows of the fields' tables that texts and numbers have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dcnfast.encode.vocabulary import FIRST, MISSING, UNKNOWN, Buckets, Vocabulary, kinds_of
from dcnfast.serving.onnx.graph import ML, Graph
from dcnfast.table.factor import factor_objects

Missing = float | str | int

# What says that a value is missing, by the type of an input. That of int64 is what NumPy's NaT is.
MISSING_OF: dict[str, Missing] = {
    "double": math.nan, "int64": -(2**63), "uint64": 2**64 - 1,
}  # fmt: skip
EXACT = 2**53  # integers that doubles tell apart


def kind_of(name: str, column: object) -> str:
    """Return the type of the input of a column of categories: "string", "int64", ...

    Raises
    ------
    TypeError
        If the column is of a kind that is not written as ONNX.
    ValueError
        If its values are.
    """
    return _of_column(name, column)[0](name, column)


def rows_of(
    g: Graph, name: str, column: object, value: str, missing: Missing, absent: int = MISSING
) -> str:
    """Return the rows of a field's table, of values of any shape; ``absent`` of what is missing."""
    return _of_column(name, column)[1](g, column, value, missing, absent)


def check_column(name: str, column: object, missing: Missing) -> None:
    """Raise ValueError if a category cannot be given, or is what says that one is missing."""
    for value in _rows_by_value(column) if isinstance(column, Vocabulary) else ():
        if value == missing and isinstance(value, str) == isinstance(missing, str):
            other = "; missing_text chooses another text" if isinstance(value, str) else ""
            raise ValueError(
                f"to_onnx: column {name!r} has the category {value!r}, which says in ONNX that a "
                f"value is missing, want none{other}"
            )
        if isinstance(value, str):
            check_text(value, f"column {name!r} has the category")


def check_text(text: str, what: str) -> None:
    """Raise ValueError for a text that UTF-8 does not have."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"to_onnx: {what} {text!r}, want Unicode that UTF-8 has") from None


def look_up(g: Graph, value: str, rows: dict[Any, int], missing: Missing, absent: int) -> str:
    """Return the rows of texts, integers or numbers; UNKNOWN of all others."""
    at = [*rows.values(), absent]
    if isinstance(missing, str):
        g.count_bytes(sum(len(text.encode()) + 12 for text in rows))
        keys: dict[str, Any] = {"keys_strings": [*rows, missing]}
        known: dict[str, Any] = {"values_int64s": at, "default_int64": UNKNOWN}
    elif isinstance(missing, int):
        g.count_bytes(12 * len(rows))
        whole = np.array([int(key) % 2**64 for key in (*rows, missing)], np.uint64)
        keys = {"keys_int64s": whole.view(np.int64).tolist()}
        known = {"values_int64s": at, "default_int64": UNKNOWN}
    else:
        g.count_bytes(16 * len(rows))
        made = g.onnx.numpy_helper.from_array
        keys = {"keys_tensor": made(np.array([float(key) for key in (*rows, missing)]))}
        known = {
            "values_tensor": made(np.array(at, np.int64)),
            "default_tensor": made(np.array([UNKNOWN], np.int64)),
        }
    return g.op("LabelEncoder", value, domain=ML, **keys, **known)


# ---- vocabularies


def _kind_of_vocabulary(name: str, column: Vocabulary) -> str:
    values = list(_rows_by_value(column))
    kinds = column.kinds or kinds_of(factor_objects(values, name).values)
    if kinds <= {"strings"}:  # or nothing at all
        return "string"
    if "strings" in kinds:
        raise TypeError(
            f"to_onnx: column {name!r} has strings and numbers, want one of them: an input of ONNX "
            "has values of one type"
        )
    whole = [int(value) for value in values if abs(value) < 2**64 and value == int(value)]
    if len(whole) < len(values):
        if any(abs(value) > EXACT for value in whole):
            raise ValueError(
                f"to_onnx: column {name!r} has fractions, and integers beyond {EXACT}, which a "
                "double rounds, want one of them"
            )
        return "double"
    if max(whole, default=0) < 2**63:
        return "int64"
    if min(whole) < 0:
        raise ValueError(
            f"to_onnx: column {name!r} has the integers {min(whole)} and {max(whole)}, want those "
            "of int64, or those of uint64"
        )
    return "uint64"


def _rows_of_vocabulary(
    g: Graph, column: Vocabulary, value: str, missing: Missing, absent: int
) -> str:
    if missing == MISSING_OF["uint64"]:
        value = g.cast(value, np.int64)  # the same bits
    return look_up(g, value, _rows_by_value(column), missing, absent)


def _rows_by_value(column: Vocabulary) -> dict[Any, int]:
    """Return the rows of all values, of those too that came after ``fit``."""
    return column.known()


# ---- buckets


def _kind_of_buckets(name: str, column: Buckets) -> str:
    if column.kinds != {"numbers"}:
        raise ValueError(
            f"to_onnx: column {name!r} has hash_buckets and strings, want integers there, or no "
            "hash_buckets: ONNX has no operator that hashes a text"
        )
    if column.fractions:
        raise ValueError(
            f"to_onnx: column {name!r} has hash_buckets and numbers that are no integers of 64 "
            "bits, want integers there, or no hash_buckets: ONNX has no operator that takes the "
            "bits of a double"
        )
    return "int64"


def _rows_of_buckets(g: Graph, column: Buckets, value: str, missing: Missing, absent: int) -> str:
    """Hash as ``hash_values`` does, in integers of 64 bits that wrap."""
    z = g.cast(value, np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        moved = g.op("BitShift", z, np.array(shift, np.uint64), direction="RIGHT")
        z = g.op("BitwiseXor", z, moved)
        if factor > 1:
            z = g.op("Mul", z, np.array(factor, np.uint64))
    bucket = g.cast(g.op("Mod", z, np.array(column.n_buckets, np.uint64)), np.int64)
    row = g.op("Add", bucket, np.array(FIRST))
    is_missing = g.op("Equal", value, np.array(missing, np.int64))
    return g.op("Where", is_missing, np.array(absent), row)


# what finds the rows of a field -> the type of its input; the nodes that find them
_COLUMNS: dict[type, tuple[Callable[..., str], Callable[..., str]]] = {
    Vocabulary: (_kind_of_vocabulary, _rows_of_vocabulary),
    Buckets: (_kind_of_buckets, _rows_of_buckets),
}


def _of_column(name: str, column: object) -> tuple[Callable[..., str], Callable[..., str]]:
    if type(column) not in _COLUMNS:
        raise TypeError(
            f"to_onnx: column {name!r} is encoded by {type(column).__name__}, which is not written "
            f"as ONNX, want one of {[known.__name__ for known in _COLUMNS]!r}"
        )
    return _COLUMNS[type(column)]
