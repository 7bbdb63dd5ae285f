"""What later updates are held at: the parameters of now, each by its Fisher information.

LiRank (Borisyuk et al., 2024) calls it incremental training: strength * sum_i F_i (w_i - w_i')^2
with w' the parameters of before and F the diagonal of their Fisher information.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.training.batches import Rows
from dcnfast.training.lists import batches_of_lists
from dcnfast.training.state import Training

Array = npt.NDArray[Any]

ROWS_OF_A_BATCH = 32  # of one row each it would be exact, and take an update's time for each row


def remember(training: Training, rows: Rows, n_threads: int) -> bool:
    """Hold later updates at the parameters of now, as far as these rows speak for them.

    Where the training was held already, its rows count as many as they are.

    Parameters
    ----------
    training : Training
        At its end.
    rows : Rows
        That it was trained on.
    n_threads : int

    Returns
    -------
    remembered : bool
        False where the information is not finite, as of gradients that overflow: then the training
        is held as before.
    """
    state, n = training.state, len(rows)
    order, starts = np.random.default_rng(0).permutation(n), None  # they may come sorted
    if rows.group is not None:  # whole lists
        draws = np.random.RandomState(0)
        order, starts = batches_of_lists(rows.group, min(n, ROWS_OF_A_BATCH), draws)
    found: Array = state.fisher(rows.table, order, min(n, ROWS_OF_A_BATCH), n_threads, starts)
    before, known = state.prior, training.prior_rows
    if before is not None:
        found = (found * n + before[1] * known) / (n + known)
    anchor: Any = np.array(training.model.network.flat_parameters)
    with np.errstate(over="ignore"):
        found = found.astype(anchor.dtype, copy=False)
    if not np.isfinite(found).all():
        return False
    training.hold(anchor, found, n + known)
    return True
