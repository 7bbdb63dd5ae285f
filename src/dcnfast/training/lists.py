"""Lists in batches: the rows of a group, which are compared, come in one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.loss import LONGEST_LIST

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lists:
    """Runs of rows of one group.

    Parameters
    ----------
    firsts, sizes : ndarray of shape (n_lists,)
        Where each begins, and of how many rows it is.
    """

    firsts: Ints
    sizes: Ints

    @property
    def parts(self) -> Ints:
        """In how many parts each comes: of at most ``LONGEST_LIST`` rows."""
        return -(-self.sizes // LONGEST_LIST)

    def n_batches(self, batch_size: int) -> int:
        """Return how many batches of about that size there are, the same in every epoch."""
        return int(min(-(-self.sizes.sum() // batch_size), self.parts.sum()))


def lists_of(group: Array) -> Lists:
    """Return the lists of rows of these groups."""
    firsts = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1]).astype(np.int64)
    return Lists(firsts, np.diff(np.append(firsts, len(group))))


def weights_of_lists(weight: Array, group: Array) -> Array:
    """Return for each row the mean weight of its list, times the mean size of the lists.

    So the mean over rows of lists' losses times these is a mean over lists.
    """
    lists = lists_of(group)
    means = np.add.reduceat(weight, lists.firsts) / lists.sizes
    return np.repeat(means * (len(group) / len(means)), lists.sizes)


def mean_one_of_lists(weight: Array, group: Array, dtype: npt.DTypeLike) -> Array:
    """Return the same, with weights whose mean over the lists is 1."""
    of_rows = weights_of_lists(weight / weight.max(), group)
    firsts = lists_of(group).firsts
    size = len(group) / len(firsts)
    return np.ascontiguousarray(of_rows * (size / of_rows[firsts].mean()), dtype)


def batches_of_lists(
    group: Array, batch_size: int, random_state: np.random.RandomState | None
) -> tuple[Ints, Ints]:
    """Return an order of the rows, and where its batches begin.

    A batch has whole lists, of about ``batch_size`` rows together and of one list at least. Of more
    than ``LONGEST_LIST`` rows a list comes in parts, which are drawn anew each time.

    Parameters
    ----------
    group : ndarray of shape (n,)
    batch_size : int
    random_state : RandomState or None
        Draws the order of the lists, and the parts; None keeps the order.
    """
    lists, n = lists_of(group), len(group)
    parts = lists.parts
    place = np.arange(n) - np.repeat(lists.firsts, lists.sizes)
    if random_state is not None:
        for number in np.flatnonzero(parts > 1):
            first, size = lists.firsts[number], lists.sizes[number]
            place[first : first + size] = random_state.permutation(size)
    part = np.repeat(np.cumsum(parts) - parts, lists.sizes)
    part += place % np.repeat(parts, lists.sizes)
    P = int(parts.sum())
    drawn = np.arange(P) if random_state is None else random_state.permutation(P)
    turn = np.empty(P, np.int64)
    turn[drawn] = np.arange(P)
    order = np.argsort(turn[part], kind="stable").astype(np.int64, copy=False)
    ends = np.cumsum(np.bincount(part, minlength=P)[drawn])
    n_batches = lists.n_batches(batch_size)
    k = np.arange(1, n_batches)
    cuts = np.searchsorted(ends, k * (n / n_batches)) + 1  # parts in the first k batches
    cuts = np.minimum(np.maximum.accumulate(cuts - k) + k, P - n_batches + k)
    starts = np.concatenate([[0], ends[cuts - 1], [n]]).astype(np.int64)
    return order, starts
