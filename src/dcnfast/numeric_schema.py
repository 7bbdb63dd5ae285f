"""What schema.py did before there were categories; goes when the estimators read tables."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import assert_all_finite, validate_data

DTYPES = [np.float64, np.float32]


def refuse_dates_and_masks(estimator: BaseEstimator, name: str, array: Any) -> None:
    """Raise ValueError for what would be read as something that it is not."""
    if isinstance(array, np.ndarray) and array.dtype.kind in "mM":
        raise ValueError(
            f"{type(estimator).__name__}: {name} has dtype {array.dtype}, want numbers"
        )
    if np.ma.is_masked(array):
        raise ValueError(
            f"{type(estimator).__name__}: {name} is an array with masked values, want one without"
        )


def _refuse_what_is_no_number(estimator: BaseEstimator, X: Any) -> None:
    """Refuse what would fail on its first value, or be read as something that it is not."""
    refuse_dates_and_masks(estimator, "X", X)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return
    bad = [
        f"{name!r} ({dtype})"
        for name, dtype in frame.schema.items()
        if not (dtype.is_numeric() or dtype in (nw.Boolean, nw.Object))
    ]
    if bad:
        raise ValueError(
            f"{type(estimator).__name__}: X has columns that are not numeric: {', '.join(bad)}; "
            "want numeric columns only, encode the others first"
        )


def read_training_table(
    estimator: BaseEstimator, X: Any, y: Any, *, y_numeric: bool
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Validate X and y of ``fit``; sets ``n_features_in_`` and ``feature_names_in_``.

    Parameters
    ----------
    estimator : estimator
    X : array-like or DataFrame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    y_numeric : bool
        Whether y holds numbers, one or several columns of them.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), float32 or float64
    y : ndarray
    """
    _refuse_what_is_no_number(estimator, X)
    refuse_dates_and_masks(estimator, "y", y)
    with np.errstate(invalid="ignore"):  # the check for infinity adds up what may be 1e308
        X, y = validate_data(
            estimator, X, y, dtype=DTYPES, order="C", multi_output=y_numeric, y_numeric=y_numeric
        )
        assert_all_finite(y, input_name="y")  # a None among objects is NaN only as a number
    return X, y


def read_table(estimator: BaseEstimator, X: Any) -> npt.NDArray[Any]:
    """Validate X of ``predict`` against what ``fit`` saw."""
    _refuse_what_is_no_number(estimator, X)
    with np.errstate(invalid="ignore"):
        return np.asarray(validate_data(estimator, X, dtype=DTYPES, order="C", reset=False))
