"""What encoding gives, and what the network reads: ids, dense columns and their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dcnfast.encode.vocabulary import MISSING
from dcnfast.table.lists import take_lists


class Items(NamedTuple):
    """A column of lists as the network reads it.

    Parameters
    ----------
    offsets : ndarray of shape (n + 1,), int64
        Row i has the items from ``offsets[i]`` on, up to ``offsets[i + 1]``.
    ids : ndarray of shape (n_items,), int32
        Rows of the field's table.
    weights : ndarray of shape (n_items,) or None
        What each is multiplied by before all are added up; None where that is 1.
    """

    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    weights: npt.NDArray[Any] | None

    def take(self, rows: Any) -> Items:
        """Return some of the rows: a slice, a mask or numbers."""
        offsets, items = take_lists(self.offsets, rows)
        weights = None if self.weights is None else self.weights[items]
        return Items(offsets, self.ids[items], weights)

    def rows(self) -> npt.NDArray[np.int64]:
        """Return the row of each item."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table as the network reads it.

    Parameters
    ----------
    ids : ndarray of shape (n, F), int32
        Rows of the fields' tables, counted in each field from 0. C-contiguous.
    dense : ndarray of shape (n, M)
        Finite, C-contiguous.
    lists : tuple of Items
        Of the fields that are lists, which come behind the others.
    """

    ids: npt.NDArray[np.int32]
    dense: npt.NDArray[Any]
    lists: tuple[Items, ...] = ()

    def __len__(self) -> int:
        return len(self.dense)

    def take(self, rows: Any) -> Encoded:
        """Return some of the rows: a slice, a mask or numbers."""
        return Encoded(
            np.ascontiguousarray(self.ids[rows]),
            np.ascontiguousarray(self.dense[rows]),
            tuple(items.take(rows) for items in self.lists),
        )

    def by_field(self) -> list[npt.NDArray[np.int32]]:
        """Return all ids of each field."""
        return [*self.ids.T, *(items.ids for items in self.lists)]


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
