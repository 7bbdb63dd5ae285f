"""Columns of lists -> rows of the field's table, and what each item counts in its list."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoded import Items
from dcnfast.table.lists import ListFactor


def encode_lists(
    factor: ListFactor, rows_of_values: npt.NDArray[np.int32], pooling: str, dtype: npt.DTypeLike
) -> Items:
    """Return the items as the network reads them.

    Parameters
    ----------
    factor : ListFactor
    rows_of_values : ndarray
        The row of the field's table of each value, and at the end that of missing.
    pooling : str
        A mean is a sum with weights that add up to 1, "sqrtn" one with weights whose squares do.
        Where all weights of a list are 0, so is what is pooled.
    dtype : dtype
        Of the weights.

    Raises
    ------
    ValueError
        If a weight is too large for it.
    """
    ids = np.ascontiguousarray(rows_of_values[factor.codes], np.int32)  # -1 is the last, missing
    given, lengths = factor.weights, np.diff(factor.offsets)
    if pooling == "max":
        return Items(factor.offsets, ids, None)
    if pooling == "sum":
        share = given
    elif given is None:
        filled = np.maximum(lengths, 1).astype(np.float64)
        share = np.repeat(1 / (filled if pooling == "mean" else np.sqrt(filled)), lengths)
    else:
        share = _normalised(given, factor.offsets, pooling)
    if share is not None and (largest := share.max(initial=0)) > np.finfo(dtype).max:
        row = np.searchsorted(factor.offsets, share.argmax(), "right") - 1
        raise ValueError(
            f"X has the weight {largest:g} in a list of row {row}, want what {np.dtype(dtype)} "
            "holds"
        )
    return Items(factor.offsets, ids, None if share is None else share.astype(dtype))


def _normalised(
    weights: npt.NDArray[np.float64], offsets: npt.NDArray[np.int64], pooling: str
) -> npt.NDArray[np.float64]:
    """Return weights over their sum in each list, or over the root of the sum of squares."""
    lengths, there = np.diff(offsets), np.diff(offsets) > 0
    most = np.zeros(len(lengths))
    starts = offsets[:-1][there]
    if len(starts):
        most[there] = np.maximum.reduceat(weights, starts)
    most[most == 0] = 1
    scaled = weights / np.repeat(most, lengths)  # whose sums and squares do not overflow
    totals = np.zeros(len(lengths))
    if len(starts):
        squares = scaled if pooling == "mean" else scaled**2
        totals[there] = np.add.reduceat(squares, starts)
    totals[totals == 0] = 1
    share: npt.NDArray[np.float64] = scaled / np.repeat(
        totals if pooling == "mean" else np.sqrt(totals), lengths
    )
    return share
