"""Columns of categories, each as codes into the values that occur in it.

A value is a string, a bool, or a number of 64 bits; bools and numbers are the same value where
Python calls them equal (``1 == 1.0 == True``), a string never equals a number. pandas' intervals
are their text. Missing are None, NaN, a null of Arrow, and pandas' NA and NaT. How a backend finds
the values does not matter: their order has no meaning here, the vocabulary sorts them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from dcnfast.table.objects import (
    Named,
    interval_text,
    is_interval_type,
    is_missing_type,
    refuse_lists,
    refuse_types,
)

Codes = npt.NDArray[np.int32]
Column = Any  # a Series of narwhals, whose stable types are not its types
KINDS = (nw.String, nw.Categorical, nw.Enum, nw.Boolean)  # of categories, beside numbers, objects


@dataclass(frozen=True, eq=False)
class Factor:
    """A column of categories.

    Parameters
    ----------
    codes : ndarray of shape (n,), int32
        Where a row's value is in ``values``; -1 is missing.
    values : ndarray
        Of bools, numbers, or objects (str, bool, int, float); none of them missing.
    """

    codes: Codes
    values: npt.NDArray[Any]

    def take(self, rows: Any) -> Factor:
        """Return some of the rows."""
        return Factor(self.codes[rows], self.values)

    def counts(self) -> npt.NDArray[np.int64]:
        """Return how many rows have each of the values, and at the end how many have none."""
        n = len(self.values)
        return np.bincount(np.where(self.codes < 0, n, self.codes), minlength=n + 1)


@cache
def find_pyarrow() -> ModuleType | None:
    """Return pyarrow if there is one: it finds the values of a column several times faster."""
    try:
        return import_module("pyarrow")
    except ImportError:
        return None


def factor_series(series: Column, name: object) -> Factor:
    """Find the values in a column of a frame."""
    dtype = series.dtype
    if is_object(series):
        return factor_objects(series.to_list(), name)
    if not (dtype.is_numeric() or dtype in KINDS):  # read as there is nothing in it
        return Factor(np.full(len(series), -1, np.int32), np.empty(0, object))
    if pa := find_pyarrow():
        try:
            return _factor_arrow(pa, series.to_arrow(), name)
        except pa.ArrowException:  # categories of a type that Arrow does not have
            return factor_objects(series.to_list(), name)
    if dtype == nw.Boolean or dtype.is_integer():
        missing = series.is_null()
        filled = series.fill_null(False if dtype == nw.Boolean else 0).to_numpy()
        return factor_array(filled, name, missing.to_numpy())
    if dtype.is_float():
        return factor_array(series.to_numpy(), name)
    return factor_objects(series.to_list(), name)


def is_object(series: Column) -> bool:
    """Return whether any Python object may be in the column; narwhals looks at 100 rows of it."""
    native = getattr(series.to_native(), "dtype", None)
    return series.dtype == nw.Object or (isinstance(native, np.dtype) and native.kind == "O")


def factor_categories(array: Any, name: object) -> Factor:
    """Find the values in pandas' categorical array; those that do not occur may be of any type."""
    codes, categories = array.codes.astype(np.int32), array.categories
    if len(codes) < len(categories):  # the time of a row does not depend on the categories
        used, places = np.unique(codes, return_inverse=True)
        used = used[used >= 0]
        codes = (places - (len(codes) and codes.min() < 0)).astype(np.int32)
        categories = categories[used]
    else:
        used = Factor(codes, categories).counts()[:-1] > 0
        if not used.all():
            codes, categories = _renumber(codes, used), categories[used]
    dtype = categories.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biu":
        return Factor(codes, categories.to_numpy())
    if type(dtype).__name__ == "StringDtype":
        return Factor(codes, categories.to_numpy(dtype=object))
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":  # a list of them may be one of integers
        refuse_types([dtype.type], name, ())
    return _of_objects(codes, categories.tolist(), name)


def _of_objects(codes: Codes, values: list[Any], name: object) -> Factor:
    """Return a factor whose values are objects, some of which may be equal or missing."""
    seen = factor_objects(values, name)
    return Factor(np.append(seen.codes, -1).astype(np.int32)[codes], seen.values)


def factor_array(
    column: npt.NDArray[Any], name: object, missing: npt.NDArray[np.bool_] | None = None
) -> Factor:
    """Find the values in a column of an array, NaN being missing."""
    kind = column.dtype.kind
    if kind not in "biuf":
        return factor_objects(column.tolist(), name)
    if kind == "f":  # longdouble has no 64 bits, and NaN has many
        column = column.astype(np.float64)
        absent = np.isnan(column)
        missing = absent if missing is None else absent | missing
    if pa := find_pyarrow():
        native = np.ascontiguousarray(column, column.dtype.newbyteorder("="))
        return _factor_arrow(pa, pa.array(native, mask=missing), name)
    values, places = np.unique(column, return_inverse=True)
    codes: Codes = places.astype(np.int32)
    if missing is None:
        return Factor(codes, values)
    codes[missing] = -1
    return _only_used(codes, values)


def factor_objects(column: list[Any], name: object, *, of_row: bool = False) -> Factor:
    """Find the values among Python objects, of a table or of a single row."""
    kinds = set(map(type, column))
    refuse_lists(column, kinds, name, of_row)
    intervals = {kind for kind in kinds if is_interval_type(kind)}
    allowed = (str, bool, np.bool_, int, float, np.number)
    refuse_types(kinds - intervals, name, allowed, of_row)
    if intervals:
        column = [interval_text(value) if type(value) in intervals else value for value in column]
    places: defaultdict[Any, int] = defaultdict()
    places.default_factory = places.__len__
    codes = np.fromiter(map(places.__getitem__, column), np.int32, len(column))
    if kinds == {str}:  # as a server's rows often are: nothing is missing
        return Factor(codes, np.array(list(places), object))
    values = [value.item() if isinstance(value, np.generic) else value for value in places]
    present = np.fromiter(map(_is_present, values), bool, len(values))
    kept = np.empty(int(present.sum()), object)
    kept[:] = [value for value, there in zip(values, present, strict=True) if there]
    for value in kept:
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            what = Named(name, of_row)
            raise ValueError(f"{what} has the integer {value}, want at most 64 bits")
    return Factor(_renumber(codes, present), kept)


def _is_present(value: Any) -> bool:
    return not is_missing_type(type(value)) and value == value


def _renumber(codes: Codes, kept: npt.NDArray[np.bool_]) -> Codes:
    """Give the kept values numbers from 0; the others become missing, as -1 stays."""
    numbers = np.where(kept, np.cumsum(kept) - 1, -1)
    return np.append(numbers, -1).astype(np.int32)[codes]


def _only_used(codes: Codes, values: npt.NDArray[Any]) -> Factor:
    used = Factor(codes, values).counts()[:-1] > 0
    return Factor(codes, values) if used.all() else Factor(_renumber(codes, used), values[used])


def factor_arrow(array: Any, name: object) -> Factor:
    """Find the values in an array of Arrow."""
    pa = find_pyarrow()
    assert pa is not None
    if array.null_count == len(array):  # of any type, such as null
        return Factor(np.full(len(array), -1, np.int32), np.empty(0, object))
    try:
        return _factor_arrow(pa, array, name)
    except pa.ArrowException:  # of a type that Arrow does not count
        return factor_objects(array.to_pylist(), name)


def _factor_arrow(pa: ModuleType, array: Any, name: object) -> Factor:
    """Find the values with Arrow, where both an index and a value of a dictionary may be null."""
    if pa.types.is_dictionary(array.type):
        if isinstance(array, pa.ChunkedArray):
            array = array.unify_dictionaries().combine_chunks()
    else:
        array = _one_chunk(pa, array).dictionary_encode()
    codes = array.indices.cast(pa.int64()).fill_null(-1).to_numpy().astype(np.int32)
    values = _one_chunk(pa, array.dictionary)
    kept = np.bincount(codes + 1, minlength=len(values) + 1)[1:] > 0
    if values.null_count:
        kept &= values.is_valid().to_numpy(zero_copy_only=False)
    if not kept.all():  # a dictionary may be larger than the column, polars' usually is
        codes, values = _renumber(codes, kept), values.take(pa.array(np.flatnonzero(kept)))
    found = values.to_numpy(zero_copy_only=False)
    if found.dtype.kind in "biu":
        return Factor(codes, found)
    if found.dtype.kind == "f":
        there = ~np.isnan(found)
        return Factor(_renumber(codes, there), found[there].astype(np.float64))
    if pa.types.is_large_string(values.type):
        return Factor(codes, found)
    if found.dtype.kind in "mM":  # a list of them may be one of integers
        refuse_types([found.dtype.type], name, ())
    return _of_objects(codes, found.tolist(), name)


def _one_chunk(pa: ModuleType, array: Any) -> Any:
    """Return one array; strings with offsets of 64 bits, for 2 GB of them are not rare."""
    kind = array.type
    if pa.types.is_string(kind) or kind == pa.string_view():
        array = array.cast(pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
