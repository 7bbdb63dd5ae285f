"""What may be a table: a frame, an array, an array of objects, lists, a sparse matrix.

Each has a source, which gives columns of categories as a
:class:`~dcnfast.table.factor.Factor` and the numeric columns as one array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
from narwhals.exceptions import DuplicateError
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array

from dcnfast.table.dates import DateColumn, Moments, moments_of_objects, zone_of_objects
from dcnfast.table.factor import Factor, factor_array, factor_objects, find_pyarrow
from dcnfast.table.frames import FrameSource
from dcnfast.table.lists import (
    Items,
    Lengths,
    ListColumn,
    ListFactor,
    factor_lists,
    lists_of_objects,
    lists_of_texts,
    read_weights,
)
from dcnfast.table.objects import (
    Named,
    has_lists,
    objects_are_categories,
    objects_to_floats,
)

Mask = npt.NDArray[np.bool_]


class Source(Protocol):
    """Columns of a table."""

    native: Any  # what scikit-learn looks at: shape and names
    names: list[Any]
    is_named: bool  # by the table itself
    zones: Mapping[int, str | None]  # of the columns of dates, by place
    lists: Sequence[int]  # the columns of lists

    def categorical_by_type(self) -> Mask:
        """Return which columns are categorical if nobody says so."""

    def factor(self, j: int) -> Factor:
        """Return a column of categories."""

    def list_items(self, j: int, what: Named) -> tuple[Lengths, Items]:
        """Return the lengths of a column's lists, -1 for missing, and all their items."""

    def moments(self, column: DateColumn) -> Moments:
        """Return a column of dates and times."""

    def numbers(self, columns: Sequence[int]) -> Any:
        """Return numeric columns (n, M), an array or CSR, in float32 or float64."""


def open_source(
    estimator: BaseEstimator, X: Any, *, exact: bool, takes_dates: bool = False
) -> Source:
    """Find out what kind of a table it is.

    Parameters
    ----------
    estimator : estimator
        Named in messages.
    X : array-like, sparse matrix or DataFrame of shape (n, n_features)
    exact : bool
        Whether numbers in lists may be categories, which float64 could round.
    takes_dates : bool, default=False
        Whether columns of dates in a frame are no error.
    """
    name = type(estimator).__name__
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise ValueError(f"{name}: X has dtype {X.dtype}, want numbers or categories")
    if isinstance(X, list | tuple) and len(X) and isinstance(X[0], Mapping):
        raise TypeError(f"{name}: X is a list of dicts, want a DataFrame: pandas.DataFrame(X)")
    if type(X) is dict:  # a DOK matrix is one too
        raise TypeError(f"{name}: X is a dict, want an array or a DataFrame")
    if np.ma.is_masked(X):
        raise ValueError(f"{name}: X is an array with masked values, want one without")
    frame = _as_frame(name, X)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(f"{name}: X is a LazyFrame, want a DataFrame: collect it first")
    if isinstance(frame, nw.DataFrame):
        return FrameSource(name, frame, takes_dates)
    if isinstance(X, list | tuple) and (exact or np.asarray(X).dtype.kind in "US"):
        X = np.asarray(X, dtype=object)  # else one word makes all columns words
    X = check_array(
        X, accept_sparse="csr", dtype=None, ensure_all_finite=False, estimator=estimator,
        input_name="X",
    )  # fmt: skip
    if issparse(X):
        return SparseSource(X)
    if X.dtype.kind in "biuf":
        return ArraySource(X)
    return ObjectSource(X, takes_dates)


class ArraySource:
    """Columns of an array of numbers or bools: nothing says that one is categorical."""

    is_named = False
    zones: Mapping[int, str | None] = MappingProxyType({})
    lists: Sequence[int] = ()

    def __init__(self, X: Any) -> None:
        self.native = X
        self.names = [f"x{j}" for j in range(X.shape[1])]

    def categorical_by_type(self) -> Mask:
        """Return that no column is."""
        return np.zeros(len(self.names), np.bool_)

    def factor(self, j: int) -> Factor:
        """Find the values in a column."""
        return factor_array(self.native[:, j], self.names[j])

    def list_items(self, j: int, what: Named) -> tuple[Lengths, Items]:
        """Refuse: numbers are no lists."""
        del j
        raise TypeError(f"{what} is one of numbers, want lists, as in fit")

    def moments(self, column: DateColumn) -> Moments:
        """Refuse: numbers are no dates."""
        raise ValueError(f"X: column {column.name!r} is one of numbers, want dates, as in fit")

    def numbers(self, columns: Sequence[int]) -> Any:
        """Return the columns without a copy if all are wanted and float."""
        X = self.native if len(columns) == len(self.names) else self.native[:, columns]
        with np.errstate(over="ignore"):  # of a longdouble; the check for infinity says it
            return X.astype(_float_type([X.dtype]), copy=False)


class SparseSource(ArraySource):
    """Columns of a CSR matrix, all numeric."""

    def factor(self, j: int) -> Factor:
        """Refuse: a matrix of zeros and numbers holds no categories."""
        raise ValueError(
            f"categorical_features has column {self.names[j]!r} of a sparse X, want numeric "
            "columns only in a sparse matrix"
        )


class ObjectSource(ArraySource):
    """Columns of an array of strings or objects."""

    def __init__(self, X: Any, takes_dates: bool) -> None:
        super().__init__(X)
        self.lists = [j for j in range(X.shape[1]) if has_lists(X[:, j])]
        found = [zone_of_objects(self._list(j)) for j in range(X.shape[1] * takes_dates)]
        self.zones = {j: zone for j, (is_date, zone) in enumerate(found) if is_date}

    def categorical_by_type(self) -> Mask:
        """Look at the values."""
        return np.array(
            [
                j not in self.zones
                and j not in self.lists
                and objects_are_categories(self._list(j), name)
                for j, name in enumerate(self.names)
            ],
            dtype=np.bool_,
        )

    def factor(self, j: int) -> Factor:
        """Find the values in a column."""
        return factor_objects(self._list(j), self.names[j])

    def list_items(self, j: int, what: Named) -> tuple[Lengths, Items]:
        """Return a column of lists."""
        return lists_of_objects(self._list(j), what)

    def moments(self, column: DateColumn) -> Moments:
        """Return a column of dates and times, which may also have nothing in it."""
        return moments_of_objects(self._list(column.place), column)

    def numbers(self, columns: Sequence[int]) -> Any:
        """Return the columns as float64."""
        parts = [objects_to_floats(self._list(j), self.names[j]) for j in columns]
        return _stack(parts, len(self.native))

    def _list(self, j: int) -> list[Any]:
        column: list[Any] = self.native[:, j].tolist()
        return column


def read_lists(source: Source, column: ListColumn) -> ListFactor:
    """Return a column of lists, with its weights if it has any."""
    j, name, separator = column.place, column.name, column.rule.separator
    what = Named(name)
    if separator is None:
        lengths, items = source.list_items(j, what)
    elif j in source.lists:
        raise TypeError(f"{what} has lists, want texts with {separator!r} between their items")
    else:
        lengths, items = lists_of_texts(source.factor(j), separator, what)
    factor = factor_lists(lengths, items, what)
    if column.weights is None or column.rule.weights is None:
        return factor
    weights = Named(column.rule.weights)
    of_weights = source.list_items(column.weights, weights)
    return replace(factor, weights=read_weights(lengths, of_weights, name, weights))


def _as_frame(name: str, X: Any) -> Any:
    """Return a frame of narwhals; of pyarrow for other tables of Arrow's; else X."""
    try:
        known = nw.from_native(X, pass_through=True, allow_series=True)
    except DuplicateError as error:
        raise ValueError(f"{name}: X has columns of the same name: {error}") from error
    if isinstance(known, nw.DataFrame | nw.LazyFrame):
        return known
    if not (hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")):
        return X
    if isinstance(known, nw.Series) and known.dtype != nw.Struct:
        return X
    pa = find_pyarrow()
    if pa is None:
        raise TypeError(
            f"{name}: X is a {type(X).__name__}, want a DataFrame, or pyarrow installed"
        )
    try:
        return nw.from_native(pa.table(X))
    except (pa.ArrowException, TypeError, ValueError):  # one column, which is no table
        return X


def _float_type(dtypes: Iterable[np.dtype[Any]]) -> type:
    small = all(dtype.kind == "f" and dtype.itemsize <= 4 for dtype in dtypes)
    return np.float32 if small else np.float64


def _stack(parts: list[npt.NDArray[Any]], n: int) -> npt.NDArray[Any]:
    """Put columns side by side; each stays in one piece of memory."""
    stacked: npt.NDArray[Any] = np.empty((len(parts), n), _float_type(part.dtype for part in parts))
    for row, part in zip(stacked, parts, strict=True):
        row[:] = part
    return stacked.T
