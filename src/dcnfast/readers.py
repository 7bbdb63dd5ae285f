"""What may be a table: a frame, an array, an array of objects, lists, a sparse matrix.

Each has a source, which gives columns of categories as a :class:`~dcnfast.factor.Factor` and the
numeric columns as one array.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array

from dcnfast.factor import (
    KINDS,
    Column,
    Factor,
    factor_array,
    factor_objects,
    factor_series,
    is_missing_type,
    is_object,
    refuse_types,
)

Mask = npt.NDArray[np.bool_]
REAL = (int, float, np.integer, np.floating, np.bool_, Decimal)
BIG = (nw.Decimal, nw.Int128, nw.UInt128)  # no NumPy type holds them


class Source(Protocol):
    """Columns of a table."""

    native: Any  # what scikit-learn looks at: shape and names
    names: list[Any]

    def categorical_by_type(self) -> Mask:
        """Return which columns are categorical if nobody says so."""

    def factor(self, j: int) -> Factor:
        """Return a column of categories."""

    def numbers(self, columns: Sequence[int]) -> Any:
        """Return numeric columns (n, M), an array or CSR, in float32 or float64."""


def open_source(estimator: BaseEstimator, X: Any, *, exact: bool) -> Source:
    """Find out what kind of a table it is.

    Parameters
    ----------
    estimator : estimator
        Named in messages.
    X : array-like, sparse matrix or DataFrame of shape (n, n_features)
    exact : bool
        Whether numbers in lists may be categories, which float64 could round.
    """
    name = type(estimator).__name__
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise ValueError(f"{name}: X has dtype {X.dtype}, want numbers or categories")
    if type(X) is dict:  # a DOK matrix is one too
        raise TypeError(f"{name}: X is a dict, want an array or a DataFrame")
    if np.ma.is_masked(X):
        raise ValueError(f"{name}: X is an array with masked values, want one without")
    frame = nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(f"{name}: X is a LazyFrame, want a DataFrame: collect it first")
    if isinstance(frame, nw.DataFrame):
        return FrameSource(name, frame)
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
    return ObjectSource(X)


class FrameSource:
    """Columns of a pandas, polars or pyarrow table."""

    def __init__(self, estimator: str, frame: nw.DataFrame[Any]) -> None:
        self.native = frame.to_native()
        self.names = list(frame.columns)
        if twice := [name for name, count in Counter(self.names).items() if count > 1]:
            raise ValueError(f"{estimator}: X has columns of the same name: {_listed(twice)}")
        for count, what in zip(frame.shape, ("sample", "feature"), strict=True):
            if not count:
                raise ValueError(
                    f"Found array with 0 {what}(s) (shape={frame.shape}) while a minimum of 1 is "
                    f"required by {estimator}."
                )
        self.columns = list(frame.iter_columns())
        bad = [
            f"{name!r} ({column.dtype})"
            for name, column in zip(self.names, self.columns, strict=True)
            if not (_is_number(column) or _is_category(column))
        ]
        if bad:
            raise ValueError(
                f"{estimator}: X has columns that are neither numbers nor categories: "
                f"{', '.join(bad)}; turn them into numbers, strings or several columns first"
            )

    def categorical_by_type(self) -> Mask:
        """Look at the types, and at the values of objects."""
        return np.array(
            [
                _objects_are_categories(column.to_list(), name)
                if is_object(column)
                else not _is_number(column)
                for name, column in zip(self.names, self.columns, strict=True)
            ],
            dtype=np.bool_,
        )

    def factor(self, j: int) -> Factor:
        """Find the values in a column."""
        column, name = self.columns[j], self.names[j]
        if isinstance(column.dtype, BIG):
            raise TypeError(
                f"X: column {name!r} has categories of type {column.dtype}, want strings or "
                "integers of at most 64 bits"
            )
        return factor_series(column, name)

    def numbers(self, columns: Sequence[int]) -> Any:
        """Return the columns, a null being NaN."""
        bad = [j for j in columns if not _can_be_numbers(self.columns[j])]
        if bad:
            listed = ", ".join(f"{self.names[j]!r} ({self.columns[j].dtype})" for j in bad)
            raise ValueError(
                f"X has columns that are not numeric: {listed}; want numbers, or the columns named "
                "in categorical_features"
            )
        parts = [_to_floats(self.columns[j], self.names[j]) for j in columns]
        return _stack(parts, len(self.columns[0]))


class ArraySource:
    """Columns of an array of numbers or bools: nothing says that one is categorical."""

    def __init__(self, X: Any) -> None:
        self.native = X
        self.names = [f"x{j}" for j in range(X.shape[1])]

    def categorical_by_type(self) -> Mask:
        """Return that no column is."""
        return np.zeros(len(self.names), np.bool_)

    def factor(self, j: int) -> Factor:
        """Find the values in a column."""
        return factor_array(self.native[:, j], self.names[j])

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

    def categorical_by_type(self) -> Mask:
        """Look at the values."""
        columns = [(self._list(j), name) for j, name in enumerate(self.names)]
        return np.array([_objects_are_categories(*column) for column in columns], dtype=np.bool_)

    def factor(self, j: int) -> Factor:
        """Find the values in a column."""
        return factor_objects(self._list(j), self.names[j])

    def numbers(self, columns: Sequence[int]) -> Any:
        """Return the columns as float64."""
        parts = [_objects_to_floats(self._list(j), self.names[j]) for j in columns]
        return _stack(parts, len(self.native))

    def _list(self, j: int) -> list[Any]:
        column: list[Any] = self.native[:, j].tolist()
        return column


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(repr, names))


def _is_number(column: Column) -> bool:
    return bool(column.dtype.is_numeric())


def _is_category(column: Column) -> bool:
    return column.dtype in KINDS or is_object(column) or _is_empty(column)


def _is_empty(column: Column) -> bool:
    return bool(column.null_count() == len(column))


def _objects_are_categories(column: list[Any], name: Any) -> bool:
    """Return whether there is a string or bool, or nothing at all; numbers alone are numeric."""
    kinds = [kind for kind in set(map(type, column)) if not is_missing_type(kind)]
    refuse_types(kinds, name, (str, *REAL))
    return not kinds or any(issubclass(kind, (str, bool, np.bool_)) for kind in kinds)


def _can_be_numbers(column: Column) -> bool:
    if _is_number(column) or column.dtype == nw.Boolean or is_object(column):
        return True
    return _is_empty(column)


def _to_floats(column: Column, name: Any) -> npt.NDArray[Any]:
    if is_object(column):
        return _objects_to_floats(column.to_list(), name)
    if isinstance(column.dtype, BIG):
        column = column.cast(nw.Float64)
    elif column.dtype == nw.Boolean:
        column = column.cast(nw.Int8)
    elif not _is_number(column):
        return np.full(len(column), np.nan)
    numbers: npt.NDArray[Any] = np.asarray(column.to_numpy())
    if numbers.dtype.kind in "iuf":  # a null is NaN here
        return numbers
    numbers = column.fill_null(0).to_numpy().astype(np.float64)
    numbers[column.is_null().to_numpy()] = np.nan
    return numbers


def _objects_to_floats(column: list[Any], name: Any) -> npt.NDArray[Any]:
    refuse_types(set(map(type, column)), name, (str, *REAL))
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


def _float_type(dtypes: Iterable[np.dtype[Any]]) -> type:
    small = all(dtype.kind == "f" and dtype.itemsize <= 4 for dtype in dtypes)
    return np.float32 if small else np.float64


def _stack(parts: list[npt.NDArray[Any]], n: int) -> npt.NDArray[Any]:
    """Put columns side by side; each stays in one piece of memory."""
    stacked: npt.NDArray[Any] = np.empty((len(parts), n), _float_type(part.dtype for part in parts))
    for row, part in zip(stacked, parts, strict=True):
        row[:] = part
    return stacked.T
