"""What encoding gives, and what the network reads: ids, dense columns and their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.vocabulary import MISSING


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table as the network reads it.

    Parameters
    ----------
    ids : ndarray of shape (n, F), int32
        Rows of the fields' tables, counted in each field from 0. C-contiguous.
    dense : ndarray of shape (n, M)
        Finite, C-contiguous.
    """

    ids: npt.NDArray[np.int32]
    dense: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.dense)

    def take(self, rows: Any) -> Encoded:
        """Return some of the rows: a slice, a mask or numbers."""
        return Encoded(np.ascontiguousarray(self.ids[rows]), np.ascontiguousarray(self.dense[rows]))


@dataclass(frozen=True, eq=False)
class Field:
    """A categorical field.

    Parameters
    ----------
    name : str
    size : int
        Rows of its table: row 0 for unknown, row 1 for missing, then the categories.
    counts : ndarray of shape (size,), int
        Training rows of each.
    """

    name: str
    size: int
    counts: npt.NDArray[np.int64]

    def is_unknown(self) -> npt.NDArray[np.bool_]:
        """Return which rows of the table stand for values that training has not seen."""
        unknown: npt.NDArray[np.bool_] = self.counts == 0
        unknown[MISSING] = False
        return unknown
