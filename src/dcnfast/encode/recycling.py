"""Which categories give their rows to new ones, where ``max_categories`` has no room for more.

The use of a category is the number of rows that named it, each of which counts half as much for
every ``max_categories`` rows that came since: LRFU (Lee et al., 2001), between counts of all times
and the time of the last row alone. What was frequent once has to go when it is no more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Uses = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]

MOST_HALVINGS = 32  # in one call, so that the calls before are told apart


def uses_of(counts: Counts) -> Uses:
    """Return the uses of the first rows, by rows of the table."""
    return counts.astype(np.float32)


def used_again(uses: Uses, rows: Ids, counts: Counts, half_life: int) -> Uses:
    """Return the uses after further rows.

    Parameters
    ----------
    uses : ndarray of shape (size,)
    rows : ndarray of shape (n,)
        Of the table, which may come several times.
    counts : ndarray of shape (n,)
        How many rows named each.
    half_life : int
        After so many rows, one counts half as much.
    """
    halvings = min(MOST_HALVINGS, int(counts.sum()) / half_life)
    other = uses * np.float32(0.5**halvings)  # rounded, so that every libm says the same
    np.add.at(other, rows, counts.astype(np.float32))
    return other


def least_used(uses: Uses, may_go: npt.NDArray[np.bool_], n: int) -> Ids:
    """Return the n rows that are used least, or all that may go; of equals the first.

    Parameters
    ----------
    uses, may_go : ndarray of shape (size,)
    n : int
    """
    rows = np.flatnonzero(may_go).astype(np.int32)
    if n <= 0 or len(rows) <= n:
        return rows[: max(n, 0)]
    own = uses[rows]
    limit = np.partition(own, n - 1)[n - 1]
    taken = own < limit
    taken[np.flatnonzero(own == limit)[: n - int(taken.sum())]] = True
    chosen: Ids = rows[taken]
    return chosen
