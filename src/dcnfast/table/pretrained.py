"""Embeddings that somebody has already: a frame or a pair of ids and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from dcnfast.table.factor import factor_array, factor_objects, factor_series


@dataclass(frozen=True, eq=False)
class Pretrained:
    """Vectors by category.

    Parameters
    ----------
    places : dict
        Of each category among the vectors.
    vectors : ndarray of shape (n, K), float64
        Finite.
    """

    places: dict[Any, int]
    vectors: npt.NDArray[np.float64]

    @property
    def width(self) -> int:
        """How many numbers a category has."""
        return int(self.vectors.shape[1])


def read_pretrained(given: Mapping[str, Any] | None) -> dict[str, Pretrained]:
    """Return the vectors of each column that is named.

    Parameters
    ----------
    given : dict of str to (frame or (ids, vectors)), or None
        A frame has the categories in the column of that name, and numbers in the others; "count",
        as of an embedding frame, is none of them.
    """
    read = {}
    for name, table in (given or {}).items():
        where = f"pretrained_embeddings[{name!r}]"
        if isinstance(table, tuple | list) and len(table) == 2:
            ids, vectors = table
            values = _values(ids, where)
        else:
            values, vectors = _of_frame(table, name, where)
        read[name] = Pretrained(*_checked(values, vectors, where))
    return read


def _of_frame(table: Any, name: str, where: str) -> tuple[list[Any], Any]:
    frame = nw.from_native(table, pass_through=True, eager_only=True)
    if not isinstance(frame, nw.DataFrame):
        raise TypeError(
            f"{where} is a {type(table).__name__}, want a DataFrame or a pair of ids and vectors"
        )
    if name not in frame.columns:
        raise ValueError(f"{where} has no column {name!r}, want one with the categories")
    factor = factor_series(frame[name], name)
    named = [*factor.values.tolist(), None]  # -1 is the last
    values = [named[code] for code in factor.codes.tolist()]
    numbers = [column for column in frame.columns if column not in (name, "count")]
    if bad := [column for column in numbers if not frame[column].dtype.is_numeric()]:
        raise TypeError(f"{where} has columns {bad!r} that are no numbers, want numbers")
    return values, frame.select(numbers).to_numpy() if numbers else np.empty((len(values), 0))


def _values(ids: Any, where: str) -> list[Any]:
    array = ids if isinstance(ids, np.ndarray) else np.asarray(list(ids), dtype=object)
    if array.ndim != 1:
        raise ValueError(f"{where} has ids of shape {array.shape}, want (n,)")
    plain = array.dtype.kind in "biuf"
    factor = factor_array(array, where) if plain else factor_objects(array.tolist(), where)
    named = [*factor.values.tolist(), None]
    return [named[code] for code in factor.codes.tolist()]


def _checked(
    values: list[Any], vectors: Any, where: str
) -> tuple[dict[Any, int], npt.NDArray[np.float64]]:
    try:
        array = np.asarray(vectors, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{where} has vectors that are no numbers: {error}") from None
    if array.ndim != 2 or len(array) != len(values) or not array.shape[1]:
        raise ValueError(
            f"{where} has vectors of shape {array.shape} for {len(values)} ids, want "
            f"({len(values)}, K)"
        )
    if not np.isfinite(array).all():
        row = int((~np.isfinite(array)).any(axis=1).argmax())
        raise ValueError(f"{where} has {values[row]!r} with NaN or infinity, want finite numbers")
    places: dict[Any, int] = {}
    for place, value in enumerate(values):
        if value is None or value in places:
            said = "a missing id" if value is None else f"the id {value!r} twice"
            raise ValueError(f"{where} has {said}, want each category once")
        places[value] = place
    return places, array
