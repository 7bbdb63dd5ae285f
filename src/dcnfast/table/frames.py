"""Frames of pandas, polars and pyarrow, column by column.

What is asked once for each type of column, not for each column, is in :class:`Kind`: a server reads
one row of many columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from dcnfast.table.dates import (
    DateColumn,
    Moments,
    moments,
    moments_of_objects,
    zone_of_objects,
)
from dcnfast.table.factor import (
    KINDS,
    Column,
    Factor,
    factor_array,
    factor_categories,
    factor_objects,
    factor_series,
    find_pyarrow,
    is_object,
)
from dcnfast.table.lists import Items, Lengths, lists_of_arrow, lists_of_objects
from dcnfast.table.objects import (
    Named,
    has_lists,
    listed,
    objects_are_categories,
    objects_to_floats,
)

Mask = npt.NDArray[np.bool_]

SMALL_FLOATS = (nw.Float32, getattr(nw, "Float16", nw.Float32))
BIG = (nw.Decimal, nw.Int128, nw.UInt128)  # no NumPy type holds them
FEW_ROWS = 256  # the values of so few are found in a list before a library has begun to look
_KNOWN: dict[Hashable, Kind] = {}  # by pandas' types, which take long to ask of a row alone
CELLS = 2**20  # read at a time: a column of many rows by itself, many columns of few rows at once


@dataclass(frozen=True)
class Kind:
    """A type of columns.

    Parameters
    ----------
    dtype : DType of narwhals
    storage : {"values", "objects", "categories", "intervals", "sparse", "long", "zoned", "date64"}
        "objects" may hold any Python object; the next five are pandas', "long" its long double,
        "zoned" dates of a time zone whose name narwhals cannot read; "date64" is Arrow's, which it
        does not know.
    """

    dtype: Any
    storage: str

    @cached_property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return self.storage in ("sparse", "long") or bool(self.dtype.is_numeric())

    @cached_property
    def is_category(self) -> bool:
        """Whether the values are categories, or objects that may be."""
        return self.storage in ("objects", "categories", "intervals") or self.dtype in KINDS

    @cached_property
    def is_date(self) -> bool:
        """Whether the values are dates, or dates with times of day."""
        dated = self.storage == "values" and self.dtype in (nw.Date, nw.Datetime)
        return dated or self.storage in ("zoned", "date64")

    @cached_property
    def is_list(self) -> bool:
        """Whether the values are lists, by their type."""
        return self.dtype in (nw.List, nw.Array)

    @cached_property
    def can_be_numbers(self) -> bool:
        """Whether the values can be read as numbers, or as objects that may be."""
        return self.is_number or self.dtype == nw.Boolean or self.storage == "objects"

    @cached_property
    def is_plain(self) -> bool:
        """Whether NumPy has a type for the values, which are numbers or bools."""
        plain = self.is_number or self.dtype == nw.Boolean
        return plain and self.storage == "values" and not isinstance(self.dtype, BIG)

    @cached_property
    def is_small_float(self) -> bool:
        """Whether float32 holds the values."""
        return self.storage == "values" and self.dtype in SMALL_FLOATS


class FrameSource:
    """Columns of a pandas, polars or pyarrow table."""

    is_named = True

    def __init__(self, estimator: str, frame: nw.DataFrame[Any], takes_dates: bool = False) -> None:
        self.native = frame.to_native()
        self.names = list(frame.columns)
        if twice := [name for name, count in Counter(self.names).items() if count > 1]:
            raise ValueError(f"{estimator}: X has columns of the same name: {listed(twice)}")
        for count, what in zip(frame.shape, ("sample", "feature"), strict=True):
            if not count:
                raise ValueError(
                    f"Found array with 0 {what}(s) (shape={frame.shape}) while a minimum of 1 is "
                    f"required by {estimator}."
                )
        self._n = frame.shape[0]
        self._is_pandas = frame.implementation.is_pandas()
        self._columns = None if self._is_pandas else _native_columns(frame)
        self._kinds = self._find_kinds(frame)
        self.lists: Sequence[int] = self._find_lists()
        self.zones: Mapping[int, str | None] = self._find_zones() if takes_dates else {}
        bad = [
            f"{self.names[j]!r} ({self._type_of(j)})"
            for j, kind in enumerate(self._kinds)
            if not (kind.is_number or kind.is_category or kind.is_list)
            and not (j in self.zones or self._is_empty(j))
        ]
        if bad:
            raise ValueError(
                f"{estimator}: X has columns that are neither numbers nor categories: "
                f"{', '.join(bad)}; {self._hint()}"
            )

    def categorical_by_type(self) -> Mask:
        """Look at the types, and at the values of objects."""
        return np.array(
            [
                objects_are_categories(self._list(j), self.names[j])
                if kind.storage == "objects" and j not in self.zones and j not in self.lists
                else not (kind.is_number or j in self.zones or j in self.lists)
                for j, kind in enumerate(self._kinds)
            ],
            dtype=np.bool_,
        )

    def factor(self, j: int) -> Factor:
        """Find the values in a column."""
        kind, name = self._kinds[j], self.names[j]
        if isinstance(kind.dtype, BIG):
            raise TypeError(
                f"X: column {name!r} has categories of type {kind.dtype}, want strings or integers "
                "of at most 64 bits"
            )
        if kind.storage == "categories":
            return factor_categories(self._native(j).array, name)
        if kind.storage == "intervals":
            return factor_categories(self._native(j).astype("category").array, name)
        if kind.storage in ("sparse", "long"):
            return factor_array(np.asarray(self._native(j)), name)
        if self._n <= FEW_ROWS and (kind.is_number or kind.is_category):
            return factor_objects(self._list(j), name)
        return factor_series(self._series(j), name)

    def list_items(self, j: int, what: Named) -> tuple[Lengths, Items]:
        """Return a column of lists."""
        if self._kinds[j].is_list and self._n > FEW_ROWS and find_pyarrow():
            return lists_of_arrow(self._series(j).to_arrow(), what)
        return lists_of_objects(self._list(j), what)

    def moments(self, column: DateColumn) -> Moments:
        """Return a column of dates and times, which may also have nothing in it."""
        j = column.place
        if j not in self.zones and not self._is_empty(j):
            raise ValueError(
                f"X: column {column.name!r} has type {self._type_of(j)}, want dates, as in fit"
            )
        if self._kinds[j].storage == "objects":
            return moments_of_objects(self._list(j), column)
        if self._kinds[j].storage == "zoned":
            return moments(
                nw.from_native(self._native(j).dt.tz_convert("UTC"), series_only=True), column
            )
        return moments(self._series(j), column)

    def _hint(self) -> str:
        """Return what to do with columns that nothing is made of."""
        if any(kind.is_date for kind in self._kinds):
            return "datetime_features makes columns of dates, of all else make numbers or strings"
        return "turn them into numbers, strings or several columns first"

    def numbers(self, columns: Sequence[int]) -> Any:
        """Return the columns, a null being NaN."""
        bad = [j for j in columns if not (self._kinds[j].can_be_numbers or self._is_empty(j))]
        if bad:
            shown = ", ".join(f"{self.names[j]!r} ({self._type_of(j)})" for j in bad)
            raise ValueError(
                f"X has columns that are not numeric: {shown}; want numbers, or categories that "
                "categorical_features names in fit"
            )
        if self._are_sparse(columns):
            matrix = self.native.iloc[:, columns].sparse.to_coo().tocsr()
            return matrix.astype(np.promote_types(matrix.dtype, np.float32), copy=False)
        small = all(self._kinds[j].is_small_float for j in columns)
        numbers: npt.NDArray[Any] = np.empty(
            (len(columns), self._n), np.float32 if small else np.float64
        )
        plain = [i for i, j in enumerate(columns) if self._is_pandas and self._kinds[j].is_plain]
        for places in _in_parts(plain, max(1, CELLS // self._n)):
            part = self.native.iloc[:, [columns[i] for i in places]]
            numbers[places] = part.to_numpy(dtype=numbers.dtype, na_value=np.nan).T
        for i in sorted(set(range(len(columns))) - set(plain)):
            numbers[i] = self._column_of_numbers(columns[i])
        return numbers.T

    def _column_of_numbers(self, j: int) -> npt.NDArray[Any]:
        kind = self._kinds[j]
        if kind.storage == "objects":
            return objects_to_floats(self._list(j), self.names[j])
        if kind.storage in ("sparse", "long"):
            return np.asarray(self._native(j))
        if kind.is_plain:
            numbers = np.asarray(self._native(j).to_numpy())
            if numbers.dtype.kind in "iuf":  # a null is NaN here
                return numbers
        return _to_floats(self._series(j))

    def _native(self, j: int) -> Any:
        return self.native.iloc[:, j] if self._columns is None else self._columns[j]

    def _list(self, j: int) -> list[Any]:
        if self._is_pandas and self._n <= FEW_ROWS and not self._kinds[j].is_plain:
            return self._few_values[j]
        native = self._native(j)
        values: list[Any] = native.to_pylist() if hasattr(native, "to_pylist") else native.to_list()
        return values

    @cached_property
    def _few_values(self) -> dict[int, list[Any]]:
        """Values of pandas' columns that are no plain numbers, of a few rows.

        To take each column out of the frame costs a server more than all else.
        """
        places = [j for j, kind in enumerate(self._kinds) if not kind.is_plain]
        values = self.native.iloc[:, places].to_numpy(dtype=object).T.tolist()
        return dict(zip(places, values, strict=True))

    def _series(self, j: int) -> Column:
        return nw.from_native(self._native(j), series_only=True)

    def _type_of(self, j: int) -> Any:
        dtype = self._series(j).dtype
        return getattr(self._native(j), "dtype", dtype) if dtype == nw.Unknown else dtype

    def _is_empty(self, j: int) -> bool:
        return bool(self._series(j).null_count() == self._n)

    def _are_sparse(self, columns: Sequence[int]) -> bool:
        """Return whether the columns can stay a sparse matrix."""
        if not columns or any(self._kinds[j].storage != "sparse" for j in columns):
            return False
        dtypes = self.native.dtypes.tolist()
        return all(dtypes[j].fill_value == 0 for j in columns)

    def _find_lists(self) -> list[int]:
        """Return the columns of lists, also of Python's."""
        return [
            j
            for j, kind in enumerate(self._kinds)
            if kind.is_list or (kind.storage == "objects" and has_lists(self._native(j)))
        ]

    def _find_zones(self) -> dict[int, str | None]:
        """Return the columns of dates, also of Python's, and their time zones."""
        zones = {}
        for j, kind in enumerate(self._kinds):
            if kind.is_date:
                zoned = kind.storage == "zoned"
                zones[j] = (
                    str(self._native(j).dtype.tz) if zoned
                    else getattr(self._series(j).dtype, "time_zone", None)
                )  # fmt: skip
            elif kind.storage == "objects" and j not in self.lists:
                is_date, zone = zone_of_objects(self._list(j))
                if is_date:
                    zones[j] = zone
        return zones

    def _find_kinds(self, frame: nw.DataFrame[Any]) -> list[Kind]:
        types = _types(frame)
        known = {key: _KNOWN[key] for key in set(types) if key in _KNOWN}
        for j, key in enumerate(types):
            if key not in known:
                known[key] = _kind_of(self._series(j))
                if self._is_pandas and _says_all(key):
                    _KNOWN[key] = known[key]
        return [known[key] for key in types]


def _native_columns(frame: nw.DataFrame[Any]) -> list[Any]:
    native = frame.to_native()
    if frame.implementation.is_polars():
        return list(native.get_columns())
    if frame.implementation.is_pyarrow():
        return list(native.columns)
    return list(frame.iter_columns())


def _types(frame: nw.DataFrame[Any]) -> list[Hashable]:
    """Return for each column what is the same in columns of the same kind."""
    native = frame.to_native()
    if frame.implementation.is_pandas():
        told_by_class = ("CategoricalDtype", "IntervalDtype")  # the hash of all categories is slow
        dtypes: list[Hashable] = native.dtypes.tolist()
        return [type(d) if type(d).__name__ in told_by_class else d for d in dtypes]
    if frame.implementation.is_polars():
        return [dtype if isinstance(dtype, type) else type(dtype) for dtype in native.dtypes]
    if frame.implementation.is_pyarrow():
        return [kind.id for kind in native.schema.types]
    return list(range(len(frame.columns)))


def _says_all(dtype: Hashable) -> bool:
    """Return whether the type of pandas' column says what is in it, and is one of a few."""
    plain = isinstance(dtype, np.dtype) and dtype.kind in "biuf"
    return plain or type(dtype).__name__ == "StringDtype"


def _kind_of(series: Column) -> Kind:
    if is_object(series):
        return Kind(series.dtype, "objects")
    native: Any = getattr(series.to_native(), "dtype", None)
    pandas = {"CategoricalDtype": "categories", "IntervalDtype": "intervals"}
    storage = pandas.get(type(native).__name__, "values")
    if series.dtype == nw.Unknown and type(native).__name__ == "DatetimeTZDtype":
        return Kind(series.dtype, "zoned")
    if series.dtype == nw.Unknown and str(native or series.to_native().type).startswith("date64"):
        return Kind(series.dtype, "date64")
    if type(native).__name__ == "SparseDtype" and native.subtype.kind in "biuf":
        storage = "sparse"
    elif series.dtype == nw.Unknown and isinstance(native, np.dtype) and native.kind == "f":
        storage = "long"
    return Kind(series.dtype, storage)


def _in_parts(items: list[int], size: int) -> Iterable[list[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _to_floats(column: Column) -> npt.NDArray[Any]:
    if isinstance(column.dtype, BIG):
        column = column.cast(nw.Float64)
    elif column.dtype == nw.Boolean:
        column = column.cast(nw.Int8)
    elif not column.dtype.is_numeric():  # nothing in it
        return np.full(len(column), np.nan)
    numbers: npt.NDArray[Any] = np.asarray(column.to_numpy())
    if numbers.dtype.kind in "iuf":  # a null is NaN here
        return numbers
    numbers = column.fill_null(0).to_numpy().astype(np.float64)
    numbers[column.is_null().to_numpy()] = np.nan
    return numbers
