"""Several labels a row: columns of 0 and 1, in which a label may be missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_consistent_length

from dcnfast.table.objects import is_missing_type

Floats = npt.NDArray[np.float64]


def has_several_columns(y: Any) -> bool:
    """Return whether y is of two dimensions, with more than one column."""
    shape = np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def read_labels(name: str, y: Any, n: int) -> Floats:
    """Return labels (n, L) as 0 and 1, NaN where one is missing.

    Parameters
    ----------
    name : str
        Of the estimator, for messages.
    y : array-like or DataFrame of shape (n, L)
        0, 1, False or True; NaN, None and NA are missing.
    n : int
        Rows of X.

    Raises
    ------
    ValueError
        If a value is another one, or there are not n rows.
    """
    given = np.asarray(y)
    check_consistent_length(np.empty(n), given)
    if given.dtype.kind not in "biuf":
        given = _numbers_of(name, given)
    labels = np.array(given, np.float64)
    missing = np.isnan(labels)
    wrong = ~missing & (labels != 0) & (labels != 1)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"{name}: y has {labels[row, column]:g} in row {row} of column {column}, want 0 or 1 "
            "in each of several columns, and NaN where a label is missing"
        )
    return labels


def _numbers_of(name: str, given: npt.NDArray[Any]) -> Floats:
    numbers = np.empty(given.shape)
    for place, value in np.ndenumerate(given):
        if is_missing_type(type(value)):
            numbers[place] = np.nan
        elif isinstance(value, str | bytes):
            raise ValueError(
                f"{name}: y has {str(value)!r} in row {place[0]} of column {place[1]}, want 0 or 1 "
                "in each of several columns; a single column may have labels of any kind"
            )
        else:
            try:
                numbers[place] = float(value)
            except (TypeError, ValueError, OverflowError):
                raise ValueError(
                    f"{name}: y has {value!r} in row {place[0]} of column {place[1]}, want 0 or 1"
                ) from None
    return numbers


def plain_labels(y: Any) -> Any:
    """Return integers and bools as NumPy has them, whatever holds them, and all else as it is.

    Of pandas' types that know missing values float64 would be made, which rounds large labels.
    """
    dtype: Any = getattr(y, "dtype", None)
    if isinstance(dtype, np.dtypes.StringDType):
        return y.astype(object)
    if isinstance(dtype, np.dtype) and dtype.kind == "O" and np.ndim(y) == 1:
        kinds = set(map(type, values := np.asarray(y).tolist()))
        whole = all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds)
        found = np.array(values) if kinds and (whole or kinds <= {bool, np.bool_}) else None
        return y if found is None or found.dtype.kind not in "iub" else found
    known = dtype is None or isinstance(dtype, np.dtype) or getattr(dtype, "kind", "O") not in "iub"
    return y if known or y.isna().any() else y.to_numpy(dtype=dtype.numpy_dtype)
