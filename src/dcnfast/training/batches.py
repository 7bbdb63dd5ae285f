"""Rows in the network's own types, and how many of them make a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model

Array = npt.NDArray[Any]

AUTOMATIC_MEMBERS = 8
MULTIPLY_ADDS = 5e12  # of a fit: about half a minute on two cores with AVX-512
STEPS, EPOCHS = 5_000, 10  # that a fit takes, about: so many steps on few rows, and some epochs


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
    ) -> None:
        self.table: Any = model.table(ids, dense, target, weight)
        self.ids, self.dense = self.table.ids, dense
        self.target: Array = self.table.target
        self.weight = weight

    def __len__(self) -> int:
        return len(self.table)


def mean_one(weight: Array, dtype: npt.DTypeLike) -> Array | None:
    """Scale weights to mean 1; equal weights need no array at all."""
    if (weight == weight[0]).all():
        return None
    weight = weight / weight.max()
    return np.ascontiguousarray(weight / weight.mean(), dtype=dtype)


def automatic_batch_size(n: int) -> int:
    """Resolve ``batch_size="auto"``: a power of two, about a hundred batches an epoch.

    But batches of 64 to 1024 rows, and at least four of them: small tables need the steps. Up to 64
    rows make one batch, so that there a row's weight is the same as its repetition.
    """
    if n <= 64:
        return n
    size = max(64.0, min(1024.0, n / 100))
    return int(2 ** np.floor(np.log2(min(size, n / 4))))


def automatic_members(one: NetworkConfig, n_rows: int) -> int:
    """Resolve ``n_members="auto"``: as many as are trained in reasonable time, up to eight.

    Parameters
    ----------
    one : NetworkConfig
        Of one member.
    n_rows : int
        To train on.
    """
    rows = STEPS * automatic_batch_size(n_rows) + EPOCHS * n_rows
    of_a_member = 3 * one.multiply_adds() * rows  # forward, and back to inputs and weights
    return int(max(1, min(AUTOMATIC_MEMBERS, MULTIPLY_ADDS // of_a_member)))
