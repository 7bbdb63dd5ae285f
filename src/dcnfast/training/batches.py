"""Rows in the network's own types."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoded import Encoded, Items
from dcnfast.network.model import Model

Array = npt.NDArray[Any]


class Rows:
    """Rows as the engine reads them: C-contiguous, of one dtype, and checked once.

    Parameters
    ----------
    model : Model
        Other models with the same fields, columns and outputs can read them, too.
    ids : ndarray of shape (N, F), int32
        Copied, so that nobody changes them after they are checked; so are class numbers.
    dense : ndarray of shape (N, M)
    target : ndarray of shape (N, C), for softmax (N, 1) with class numbers
    weight : ndarray of shape (N,) or None
        With mean 1, so that a batch of B rows divides by B and every row counts the same in any
        batch.
    lists : tuple of Items, default=()
        Of the fields that are lists; what they name is copied as well.

    Attributes
    ----------
    table : compiled table
    ids, target : ndarray
        Read-only views of what ``table`` reads.
    dense, weight : ndarray
    """

    def __init__(
        self,
        model: Model,
        ids: npt.NDArray[np.int32],
        dense: Array,
        target: Array,
        weight: Array | None,
        lists: tuple[Items, ...] = (),
    ) -> None:
        self.table: Any = model.table(ids, dense, target, weight, lists)
        self.ids, self.dense, self.lists = self.table.ids, dense, lists
        self.target: Array = self.table.target
        self.weight = weight

    @property
    def encoded(self) -> Encoded:
        """The rows without targets."""
        return Encoded(self.ids, self.dense, self.lists)

    def __len__(self) -> int:
        return len(self.table)


def mean_one(weight: Array, dtype: npt.DTypeLike) -> Array | None:
    """Scale weights to mean 1; equal weights need no array at all."""
    if (weight == weight[0]).all():
        return None
    weight = weight / weight.max()
    return np.ascontiguousarray(weight / weight.mean(), dtype=dtype)
