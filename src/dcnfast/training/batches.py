"""Rows in the network's own types."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.model import Model
from dcnfast.training.lists import mean_one_of_lists

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
    group : ndarray of shape (N,), int64, or None, default=None
        Of losses that rank: rows of a group stand together, and are a list. Each weighs the mean of
        its rows' weights, and N over the lists in the mean.

    Attributes
    ----------
    table : compiled table
    ids, target : ndarray
        Read-only views of what ``table`` reads.
    dense, weight, group : ndarray
    """

    def __init__(
        self,
        model: Model,
        ids: npt.NDArray[np.int32],
        dense: Array,
        target: Array,
        weight: Array | None,
        group: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.table: Any = model.table(ids, dense, target, weight, group)
        self.ids, self.dense = self.table.ids, dense
        self.target: Array = self.table.target
        self.weight, self.group = weight, group

    def __len__(self) -> int:
        return len(self.table)


def mean_one(weight: Array, dtype: npt.DTypeLike, group: Array | None = None) -> Array | None:
    """Scale weights to mean 1, that of lists to 1 a list; equal weights of rows need no array."""
    if group is not None:
        return mean_one_of_lists(weight, group, dtype)
    if (weight == weight[0]).all():
        return None
    weight = weight / weight.max()
    return np.ascontiguousarray(weight / weight.mean(), dtype=dtype)
