"""Columns of whole numbers that are read as categories, so that they have statistics in pairs.

In a table of ids a month, an hour or a zone is a name rather than an amount: how late a flight was
depends on which day it was, and the mean of that day's other flights tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

from dcnfast.estimators.automatic_statistics import has_many_rare_categories
from dcnfast.table.factor import Factor
from dcnfast.table.schema import FindCodes

MOST = 128  # values of such a column
ENOUGH = 50  # rows of each value in the mean: what they are can be learned without their order
FIRST = 1000  # rows that say of most columns that they are none


def find_codes(estimator: Any, sample_weight: Any) -> FindCodes | None:
    """Return what finds such columns in a table that is fitted, None where there are to be none.

    It takes the names of the numeric columns, the categorical columns, and the numeric ones, shape
    (n, m); it returns which of the latter. With ``warm_start`` they are those of the last fit.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
    sample_weight : array-like of shape (n,) or None
        As given: rows of weight 0 say nothing, and anything else is refused later.
    """
    by_type, statistics = estimator.categorical_features, estimator.target_statistics
    if not isinstance(by_type, str) or not isinstance(statistics, str):
        return None
    if estimator.warm_start and hasattr(estimator, "_model"):
        encoder = estimator.encoder_
        both = zip(encoder.fields, encoder.columns, strict=True)
        return partial(_as_before, {field.name for field, c in both if c.kinds == {"numbers"}})
    return partial(_find, sample_weight)


def _as_before(
    known: set[str], names: Sequence[str], _factors: Sequence[Factor], _numbers: Any
) -> list[int]:
    return [j for j, name in enumerate(names) if name in known]


def _find(
    sample_weight: Any, _names: Sequence[str], factors: Sequence[Factor], numbers: Any
) -> list[int]:
    if issparse(numbers):
        return []
    if (present := _present(sample_weight, len(numbers))) is not None:
        factors, numbers = [factor.take(present) for factor in factors], numbers[present]
    if not has_many_rare_categories(factors, len(numbers)):
        return []
    return [j for j, column in enumerate(numbers.T) if _are_codes(column)]


def _present(sample_weight: Any, n: int) -> npt.NDArray[np.bool_] | None:
    """Return which of n rows have a weight, None where all may have."""
    try:
        present = np.asarray(sample_weight) != 0
    except ValueError:  # no table of numbers
        return None
    return present if present.shape == (n,) and not present.all() else None


def _are_codes(column: npt.NDArray[Any]) -> bool:
    known = column[~np.isnan(column)]
    for rows in (known[:FIRST], known):
        if (rows != np.floor(rows)).any() or len(values := np.unique(rows)) > MOST:
            return False
    return 1 < len(values) <= len(known) / ENOUGH
