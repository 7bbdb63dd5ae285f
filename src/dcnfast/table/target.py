"""Stage 0: the targets of the rows, checked before anything is learned of them."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import assert_all_finite, check_X_y

from dcnfast.table.labels import has_several_columns, plain_labels, read_labels
from dcnfast.table.objects import is_missing_type, is_nan, one_of_each_type

Array = npt.NDArray[Any]

TIMES = (np.datetime64, np.timedelta64, date, time, timedelta)


def read_target(estimator: BaseEstimator, n: int, y: Any, y_numeric: bool) -> Array:
    """Return n checked targets: numbers, classes, or a column of labels each."""
    name = type(estimator).__name__
    if isinstance(y, str | bytes):
        raise ValueError(
            f"{name}: y is the string {y!r}, want an array-like of {n} targets: the column itself "
            "and not its name"
        )
    if issparse(y):
        raise TypeError(f"{name}: y is a sparse matrix, want a dense array: y.toarray()")
    if np.ma.is_masked(y):
        raise ValueError(f"{name}: y is an array with masked values, want one without")
    y = y if y_numeric else plain_labels(y)
    several = not y_numeric and has_several_columns(y)
    _refuse_what_is_no_target(name, np.asarray(y), y_numeric, may_miss=several)
    if several:
        return read_labels(name, y, n)
    try:
        with np.errstate(invalid="ignore"):  # the check for infinity adds up what may be 1e308
            _, y = check_X_y(
                np.zeros((n, 1)), y, multi_output=y_numeric, y_numeric=y_numeric,
                estimator=estimator,
            )  # fmt: skip
            assert_all_finite(y, input_name="y")  # a None among objects is NaN only as a number
    except OverflowError as error:
        raise ValueError(f"{name}: y: {error}") from None
    return np.asarray(y)


def _refuse_what_is_no_target(name: str, y: Array, y_numeric: bool, may_miss: bool) -> None:
    """Raise ValueError for dates, durations, missing values and words, whatever holds them."""
    wanted = "numbers" if y_numeric else "numbers or labels"
    hint = "say how many, of which unit, such as (y - y.min()) / numpy.timedelta64(1, 'D')"
    if y.dtype.kind in "mM":
        raise ValueError(f"{name}: y has dtype {y.dtype}, want {wanted}: {hint}")
    for row, value in one_of_each_type(y):
        kind = type(value)
        if is_missing_type(kind) or is_nan(value):
            if may_miss:
                continue
            raise ValueError(
                f"{name}: y has {value!r} in row {row}, want a target for each row: leave out the "
                "rows that have none"
            )
        if isinstance(value, TIMES) or kind.__module__.partition(".")[0] == "pandas":
            raise ValueError(f"{name}: y has {value!r} in row {row}, want {wanted}: {hint}")
        if y_numeric and isinstance(value, str | bytes):
            raise ValueError(
                f"{name}: y is not numeric: could not convert string to float: {value!r} in row "
                f"{row}, want numbers: DCNClassifier is for labels, y.astype(float) for numbers in "
                "strings"
            )
