"""What metrics are given: one number, label, weight or group a row, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NUMBERS = (bool, int, float, np.number, np.bool_)


@dataclass(frozen=True)
class Groups:
    """Which rows belong together.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        The number of each row's group; all numbers below ``n`` occur.
    n : int
    """

    codes: Ints
    n: int


def read_scores(y_pred: Any, *, probabilities: bool = False) -> Array:
    """Return y_pred as an array (n,) of float32 or float64.

    Parameters
    ----------
    y_pred : array-like of shape (n,)
    probabilities : bool, default=False
        Whether the numbers have to lie between 0 and 1.
    """
    scores = _column("y_pred", y_pred)
    if not scores.size:
        raise ValueError("y_pred has no rows, want at least one")
    if scores.dtype.kind not in "biuf":
        scores = _numbers("y_pred", scores)
    small = scores.dtype.kind == "f" and scores.dtype.itemsize <= 4
    scores = scores.astype(np.float32 if small else np.float64, copy=False)
    if np.isnan(scores.min()):
        row = int(np.isnan(scores).argmax())
        raise ValueError(f"y_pred has NaN in row {row}, want a number for each row")
    if probabilities and not (scores.min() >= 0 and scores.max() <= 1):
        row = int(((scores < 0) | (scores > 1)).argmax())
        raise ValueError(f"y_pred is {scores[row]} in row {row}, want probabilities in [0, 1]")
    return scores


def read_targets(y_true: Any, n: int) -> Floats:
    """Return 0, 1 or a rate for each row, shape (n,): rates as they are, of two labels the larger.

    Bools and numbers between 0 and 1 are what they are; else there have to be two labels.
    """
    y = _labels(y_true, n)
    if y.dtype.kind == "b":
        return y.astype(np.float64)
    if y.dtype.kind in "iuf" and y.min() >= 0 and y.max() <= 1:
        return y.astype(np.float64, copy=False)
    return _larger_of_two(y).astype(np.float64)


def read_positive(y_true: Any, n: int) -> npt.NDArray[np.bool_]:
    """Return which rows have the larger one of two labels, shape (n,)."""
    y = _labels(y_true, n)
    return y if y.dtype.kind == "b" else _larger_of_two(y)


def read_relevance(y_true: Any, n: int) -> Floats:
    """Return how relevant each row is, shape (n,), not negative."""
    y = _labels(y_true, n)
    if y.dtype.kind not in "biuf":
        y = _numbers("y_true", y)
    y = y.astype(np.float64, copy=False)
    if not (y.min() >= 0 and y.max() < np.inf):
        row = int((~((y >= 0) & (y < np.inf))).argmax())
        raise ValueError(f"y_true is {y[row]} in row {row}, want relevance of at least 0")
    return y


def read_weight(sample_weight: Any, n: int) -> Floats | None:
    """Return the weights of the rows, shape (n,); None where all are the same.

    They are in a unit, a power of two, in which the largest is between 0.5 and 1.
    """
    if sample_weight is None:
        return None
    weight = _numbers("sample_weight", _column("sample_weight", sample_weight))
    _check_length("sample_weight", weight, n)
    if not (np.isfinite(weight).all() and weight.min() >= 0):
        row = int((~(np.isfinite(weight) & (weight >= 0))).argmax())
        raise ValueError(
            f"sample_weight is {weight[row]} in row {row}, want finite numbers of at least 0"
        )
    if not weight.any():
        raise ValueError("sample_weight is 0 in all rows, want at least one above 0")
    if weight.min() == weight.max():
        return None
    return np.asarray(np.ldexp(weight, -np.frexp(weight.max())[1]))


def read_groups(group: Any, n: int) -> Groups:
    """Return the groups of the rows; None is one group."""
    if group is None:
        return Groups(np.zeros(n, np.int64), 1)
    values = _column("group", group)
    if len(values) != n:
        raise ValueError(
            f"group has {len(values)} values for {n} rows, want the group of each row; of sizes it "
            "is numpy.repeat(numpy.arange(len(sizes)), sizes)"
        )
    if (row := _first_missing(values)) is not None:
        raise ValueError(f"group is missing in row {row}, want one for each row")
    try:
        found, codes = np.unique(values, return_inverse=True)
    except TypeError:
        raise TypeError("group has values that have no order, want numbers or strings") from None
    return Groups(codes.astype(np.int64, copy=False), len(found))


def _column(name: str, values: Any) -> Array:
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked values, want an array without")
    array = np.asarray(values)
    if array.ndim != 1:
        hint = ": of two classes that is predict_proba(X)[:, 1]" if name == "y_pred" else ""
        raise ValueError(f"{name} has shape {array.shape}, want (n_samples,){hint}")
    return array


def _check_length(name: str, array: Array, n: int) -> None:
    if len(array) != n:
        raise ValueError(f"{name} has {len(array)} rows and y_pred {n}, want as many")


def _numbers(name: str, array: Array) -> Floats:
    if array.dtype.kind in "mMUS":
        raise TypeError(f"{name} has dtype {array.dtype}, want numbers")
    try:
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise TypeError(f"{name} has values that are not numbers, want numbers only") from None
    except OverflowError as error:
        raise ValueError(f"{name}: {error}") from None


def _labels(y_true: Any, n: int) -> Array:
    y = _column("y_true", y_true)
    _check_length("y_true", y, n)
    if (row := _first_missing(y)) is not None:
        raise ValueError(f"y_true is missing in row {row}, want a label for each row")
    if y.dtype.kind == "O" and all(issubclass(kind, NUMBERS) for kind in set(map(type, y))):
        return y.astype(np.float64)
    return y


def _first_missing(values: Array) -> int | None:
    """Return the first row with None, NaN, NaT or NA."""
    if values.dtype.kind == "O":
        missing = (
            value is None or type(value).__name__ == "NAType" or value != value
            for value in values.tolist()
        )
        return next((row for row, absent in enumerate(missing) if absent), None)
    if values.dtype.kind not in "fmM" or values[values.argmin()] == values[values.argmin()]:
        return None  # NumPy's least number is NaN where there is one, and NaT
    return int((values != values).argmax())


def _larger_of_two(y: Array) -> npt.NDArray[np.bool_]:
    """Return where the larger of two labels stands."""
    try:
        least, most = y.min(), y.max()
    except TypeError:  # of strings NumPy knows no least
        labels = sorted(set(y.tolist()), key=lambda label: (type(label).__name__, label))
        least, most = labels[0], labels[-1]
    positive: npt.NDArray[np.bool_] = y == most
    if least == most:
        raise ValueError(f"y_true has one label, {_shown(least)}, want two")
    rest = ~positive & (y != least)
    if rest.any():
        third = y[rest.argmax()]
        raise ValueError(
            f"y_true has {_shown(least)}, {_shown(third)} and {_shown(most)}, want two labels"
        )
    return positive


def _shown(label: Any) -> str:
    return repr(label.item() if isinstance(label, np.generic) else label)
