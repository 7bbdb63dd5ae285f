"""The columns of an array or a sparse matrix, read a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

Floats = npt.NDArray[np.float64]
Blocks = Callable[[], Iterator[tuple[slice, Floats]]]

BLOCK = 32768  # numbers; a quarter of a MB
SOME_ROWS = 200_000  # rows that ranks are found in


def blocks(X: Any) -> Iterator[tuple[slice, Floats]]:
    """Yield the rows of an array or a sparse matrix, a few at a time, as float64 copies.

    Column after column, as they are worked on.
    """
    n, m = X.shape
    step = max(1, BLOCK // max(1, m))
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        part = X[rows].toarray() if issparse(X) else X[rows]
        yield rows, np.array(part, dtype=np.float64, order="F")


def least_and_largest(parts: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Return the least and the largest number of each column, 0 where there is none."""
    ends = [
        (np.fmin.reduce(part, initial=np.nan), np.fmax.reduce(part, initial=np.nan))
        for part in parts
    ]
    low, high = (np.array(end) for end in zip(*ends, strict=True))
    return np.nan_to_num(np.fmin.reduce(low)), np.nan_to_num(np.fmax.reduce(high))


def some_rows(n: int, weight: Floats | None) -> npt.NDArray[np.intp]:
    """Return at most ``SOME_ROWS`` rows that have weight, the same in every fit."""
    present = np.arange(n) if weight is None else np.flatnonzero(weight)
    few = np.linspace(0, len(present) - 1, min(len(present), SOME_ROWS))
    return present[few.astype(np.intp)]
