"""Stage 0: raw table -> columns, numeric and categorical, checked against what ``fit`` saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import hstack, issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import assert_all_finite, validate_data

from dcnfast.parallel import each
from dcnfast.table.dates import (
    NO_DATES,
    Dates,
    factors_and_days,
    find_dates,
    read_parts,
    warn_of_texts,
)
from dcnfast.table.factor import Factor
from dcnfast.table.lists import NO_LISTS, ListColumns, ListFactor, Rule, find_lists
from dcnfast.table.readers import Source, open_source, read_lists
from dcnfast.table.target import read_target

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
FindCodes = Callable[[Sequence[str], Sequence[Factor], Any], list[int]]


@dataclass(frozen=True, eq=False)
class Table:
    """A table, column by column.

    Parameters
    ----------
    names : tuple of str
        Of all columns; x0, x1, ... where they have none.
    is_categorical : ndarray of shape (n_features,), bool
    factors : tuple of Factor
        The categorical columns in order.
    numbers : ndarray or sparse matrix of shape (n, n_numeric), float32 or float64
        The other columns in order; finite or NaN, which means missing.
    argument : str
        What the table is called in messages.
    dates : Dates
        Which of the columns, the last ones, are made of dates.
    lists : tuple of ListFactor
        The columns of lists, which are not among the names.
    list_columns : ListColumns
        What they are.
    """

    names: tuple[str, ...]
    is_categorical: Mask
    factors: tuple[Factor, ...]
    numbers: Any
    argument: str = "X"
    dates: Dates = NO_DATES
    lists: tuple[ListFactor, ...] = ()
    list_columns: ListColumns = NO_LISTS

    def __len__(self) -> int:
        return int(self.numbers.shape[0])

    def take(self, rows: Any) -> Table:
        """Return some of the rows: a slice, a mask or numbers."""
        factors = tuple(factor.take(rows) for factor in self.factors)
        lists = tuple(factor.take(rows) for factor in self.lists)
        return replace(self, factors=factors, numbers=self.numbers[rows], lists=lists)

    @property
    def fields(self) -> tuple[Factor, ...]:
        """All categories: the columns of one value a row, then those of lists."""
        return (*self.factors, *self.lists)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of all these."""
        return (*self.categorical_names, *self.list_columns.names)

    @property
    def categorical_names(self) -> tuple[str, ...]:
        """Names of the categorical columns of one value a row."""
        return self._some(self.is_categorical)

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """Names of the numeric columns."""
        return self._some(~self.is_categorical)

    def _some(self, mask: Mask) -> tuple[str, ...]:
        return tuple(name for name, chosen in zip(self.names, mask, strict=True) if chosen)


def read_training_table(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    *,
    categorical_features: Any,
    y_numeric: bool,
    datetime_features: Any = None,
    list_features: Mapping[str, Rule] | None = None,
    find_codes: FindCodes | None = None,
) -> tuple[Table, Array]:
    """Validate X and y of ``fit``.

    Sets ``n_features_in_``, ``feature_names_in_`` and ``is_categorical_``.

    Parameters
    ----------
    estimator : estimator
        Its ``n_jobs`` threads share the columns.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    categorical_features : "from_dtype", array-like or None
        "from_dtype": columns of a frame that hold categories, an Enum, strings or bools; columns of
        objects with a string or a bool in them, or with nothing but missing; in arrays of strings
        all. Else a mask, indices or names of the categorical columns, or None for no column.
    y_numeric : bool
        Whether y holds numbers, one or several columns of them.
    datetime_features : bool, sequence of str, or None, default=None
        What of the dates in a frame becomes columns, see :mod:`dcnfast.table.dates`.
    list_features : dict of str to Rule or None, default=None
        How columns of lists are read and pooled; others that hold lists have the defaults of
        :class:`dcnfast.table.lists.Rule`.
    find_codes : callable or None, default=None
        Of the names of the numeric columns, the factors of the categorical ones, and the numbers:
        which of the numeric columns are categorical after all.

    Returns
    -------
    table : Table
    y : ndarray
    """
    parts = read_parts(datetime_features)
    by_type = isinstance(categorical_features, str) and categorical_features == "from_dtype"
    exact = not (by_type or categorical_features is None)
    source = open_source(estimator, X, exact=exact, takes_dates=bool(parts))
    validate_data(estimator, source.native, skip_check_array=True, y=y)
    y = read_target(estimator, source.native.shape[0], y, y_numeric)
    mask = source.categorical_by_type() if by_type else _chosen(categorical_features, source)
    dates = find_dates(parts, source.zones, _names(estimator, len(mask)))
    names = _names(estimator, len(mask))
    lists = find_lists(list_features or {}, source.lists, names)
    mask[list(lists.taken)] = False
    mask[lists.places] = True
    if both := [column.name for column in dates.columns if mask[column.place]]:
        raise ValueError(
            f"categorical_features has {both!r}, columns of dates, want them in datetime_features "
            "alone"
        )
    table = _read(estimator, source, mask, dates, lists, find_codes)
    if parts:
        warn_of_texts(table.categorical_names, table.factors)
    estimator.is_categorical_, estimator._dates, estimator._lists = mask, dates, lists
    return table, y


def read_table(estimator: BaseEstimator, X: Any) -> Table:
    """Validate X of ``predict`` against what ``fit`` saw."""
    mask: Mask = estimator.is_categorical_
    if _is_plain(estimator, X) and np.isfinite(X).all():
        return Table(tuple(f"x{j}" for j in range(len(mask))), mask, (), X)
    dates: Dates = getattr(estimator, "_dates", NO_DATES)
    source = open_source(estimator, X, exact=bool(mask.any()), takes_dates=bool(dates))
    validate_data(estimator, source.native, skip_check_array=True, reset=False)
    if new := [source.names[j] for j in source.zones if j not in dates.places]:
        raise ValueError(f"X has dates in the columns {new!r}, which had none in fit")
    lists: ListColumns = getattr(estimator, "_lists", NO_LISTS)
    if new := [source.names[j] for j in source.lists if j not in lists.taken]:
        raise TypeError(f"X has lists in the columns {new!r}, which had none in fit")
    return _read(estimator, source, mask, dates, lists)


def _is_plain(estimator: BaseEstimator, X: Any) -> bool:
    """Return whether X is an array that all checks pass, but for what is not finite.

    A server predicts one row at a time, and the checks cost more than the prediction.
    """
    return (
        type(X) is np.ndarray
        and X.dtype in (np.float32, np.float64)
        and X.shape[1:] == (estimator.n_features_in_,)
        and len(X) > 0
        and X.dtype.isnative
        and not estimator.is_categorical_.any()
        and not getattr(estimator, "_dates", None)
        and not hasattr(estimator, "feature_names_in_")
    )


def read_validation_table(
    estimator: BaseEstimator, X_val: Any, y_val: Any, *, y_numeric: bool
) -> tuple[Table, Array]:
    """Validate X_val and y_val of ``fit``, after X and y.

    Parameters
    ----------
    estimator : estimator
    X_val : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
    y_val : array-like of shape (n_samples,) or (n_samples, n_outputs)
    y_numeric : bool
        Whether y holds numbers, one or several columns of them.
    """
    table, y = read_further_table(estimator, X_val, y_val, y_numeric=y_numeric)
    return replace(table, argument="X_val"), y


def read_further_table(
    estimator: BaseEstimator, X: Any, y: Any, *, y_numeric: bool
) -> tuple[Table, Array]:
    """Validate X and y of ``partial_fit`` against what the first rows were.

    Parameters
    ----------
    estimator : estimator
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    y_numeric : bool
        Whether y holds numbers, one or several columns of them.
    """
    table = read_table(estimator, X)
    return table, read_target(estimator, len(table), y, y_numeric)


def _read(
    estimator: BaseEstimator,
    source: Source,
    mask: Mask,
    dates: Dates,
    lists: ListColumns,
    find_codes: FindCodes | None = None,
) -> Table:
    """Read the columns; what ``find_codes`` finds is marked in ``mask``."""
    apart = {*dates.places, *lists.taken}
    plain = np.array([j not in apart for j in range(len(mask))], dtype=np.bool_)
    columns, n = np.flatnonzero(mask & plain).tolist(), source.native.shape[0]
    numeric = np.flatnonzero(~mask & plain).tolist()
    factors = tuple(each(source.factor, columns, n, estimator.n_jobs))
    numbers, numeric_names = source.numbers(numeric), [source.names[j] for j in numeric]
    _refuse_infinity(numbers, numeric_names)
    if find_codes and (found := find_codes(numeric_names, factors, numbers)):
        of_codes = each(partial(_factor, source), [numeric[j] for j in found], n, estimator.n_jobs)
        found = [j for j, factor in zip(found, of_codes, strict=True) if factor is not None]
        codes = [numeric[j] for j in found]
        mask[codes] = True
        known = dict(zip((*columns, *codes), (*factors, *filter(None, of_codes)), strict=True))
        factors = tuple(known[j] for j in sorted(known))
        numbers = np.delete(numbers, found, axis=1)
    names = [name for name, p in zip(_names(estimator, len(mask)), plain, strict=True) if p]
    table = Table(tuple(names), mask[plain], factors, numbers)
    if lists:
        read = each(partial(read_lists, source), lists.columns, n, estimator.n_jobs)
        table = replace(table, lists=tuple(read), list_columns=lists)
    return _with_parts_of_dates(table, source, dates) if dates else table


def _factor(source: Source, column: int) -> Factor | None:
    """Return a column of numbers as categories, None where they are such as can be none."""
    try:
        return source.factor(column)
    except (TypeError, ValueError):  # decimals, or integers of 128 bits
        return None


def _names(estimator: BaseEstimator, n: int) -> tuple[str, ...]:
    names = getattr(estimator, "feature_names_in_", None)
    return tuple(f"x{j}" for j in range(n)) if names is None else tuple(names)


def _with_parts_of_dates(table: Table, source: Source, dates: Dates) -> Table:
    """Return the table with what is made of dates behind its other columns."""
    factors, days = list(table.factors), []
    for column in dates.columns:
        of_column = factors_and_days(source.moments(column), column, dates.parts)
        factors += of_column[0]
        days += of_column[1]
    numbers = table.numbers
    if days:
        beside = np.column_stack(days)
        both = [numbers, beside]
        numbers = hstack(both).tocsr() if issparse(numbers) else np.hstack(both)
    mask = np.append(table.is_categorical, [c for _, c in dates.made]).astype(np.bool_)
    return replace(
        table,
        names=(*table.names, *(name for name, _ in dates.made)),
        is_categorical=mask,
        factors=tuple(factors),
        numbers=numbers,
        dates=dates,
    )


def _refuse_infinity(numbers: Any, names: list[Any]) -> None:
    """Raise ValueError in scikit-learn's words, and say which columns."""
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            assert_all_finite(numbers, allow_nan=True, input_name="X")
    except ValueError as error:
        infinite = abs(numbers) == np.inf
        columns = np.unique(infinite.nonzero()[1])
        listed = ", ".join(repr(names[j]) for j in columns)
        raise ValueError(f"{error}\nColumns with infinity: {listed}") from None


def _chosen(categorical_features: Any, source: Source) -> Mask:
    """Return the mask, with HistGradientBoosting's meaning and messages."""
    mask = np.zeros(len(source.names), bool)
    if categorical_features is None:
        return mask
    chosen = np.asarray(categorical_features)
    if chosen.size == 0:
        return mask
    kinds = {type(item).__name__ for item in chosen.tolist()} if chosen.ndim == 1 else {"no list"}
    if len(kinds) != 1 or not kinds <= {"bool", "int", "str"}:
        raise ValueError(
            "categorical_features must be an array-like of bool, int or str, got: "
            f"{categorical_features!r}"
        )
    if kinds == {"str"}:
        return _named(chosen.tolist(), source, mask)
    if kinds == {"bool"}:
        if len(chosen) != len(mask):
            raise ValueError(
                "categorical_features set as a boolean mask must have shape (n_features,), got: "
                f"{chosen.shape}"
            )
        return chosen.astype(bool)
    if chosen.max() >= len(mask) or chosen.min() < 0:
        raise ValueError(
            "categorical_features set as integer indices must be in [0, n_features - 1], got: "
            f"{categorical_features!r} with {len(mask)} features"
        )
    mask[chosen] = True
    return mask


def _named(chosen: list[str], source: Source, mask: Mask) -> Mask:
    if not source.is_named:
        raise ValueError(
            "categorical_features should be passed as an array of integers or as a boolean mask "
            "when the model is fitted on data without feature names."
        )
    for name in chosen:
        if name not in source.names:
            raise ValueError(
                f"categorical_features has an item value '{name}' which is not a valid feature "
                f"name of the training data. Observed feature names: {source.names}"
            )
        mask[source.names.index(name)] = True
    return mask
