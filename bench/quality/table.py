"""A table before it is split: categories are strings, NaN where missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
Folder = str | Path | None


@dataclass(frozen=True)
class Table:
    """A table before it is split; classes are numbered from 0."""

    X: pd.DataFrame
    y: Array
    classes: int = 0  # 0: numbers are predicted

    @property
    def task(self) -> str:
        return "classification" if self.classes else "regression"


def make_table(X: pd.DataFrame, y: Any, classes: bool, codes: tuple[str, ...] = ()) -> Table:
    """Turn ``codes`` and all that is no number into strings, and classes into numbers from 0."""
    X = X.reset_index(drop=True)
    for name in X.columns:
        if name in codes or not pd.api.types.is_numeric_dtype(X[name]):
            X[name] = _strings(X[name])
    if not classes:
        return Table(X, np.asarray(y, np.float64))
    names, numbers = np.unique(np.asarray(y), return_inverse=True)
    return Table(X, numbers, len(names))


def _strings(column: pd.Series) -> pd.Series:
    known = column.notna()
    found = pd.Series(np.nan, index=column.index, dtype=object, name=column.name)
    found[known] = [str(value) for value in column[known]]
    return found
