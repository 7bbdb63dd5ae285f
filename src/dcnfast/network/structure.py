"""What is known beforehand of the weights of a matrix cross: symmetry, and blocks that stay 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from dcnfast.network.config import NetworkConfig

Array = npt.NDArray[Any]


def begin_structured(config: NetworkConfig, W: Array) -> None:
    """Make weights (L, D, D) as they were drawn symmetric, and 0 where they have to be, in place.

    Symmetric ones are those on and below the diagonal, so that their spread stays what it was.
    """
    if config.cross_symmetric:
        W[:] = np.tril(W) + np.tril(W, -1).swapaxes(1, 2)
    clear_forbidden(config, W)


def project_gradient(config: NetworkConfig, dW: Array) -> Array:
    """Return gradients (L, D, D) of weights that are tied: of a pair the mean, else 0."""
    if config.cross_symmetric:
        dW = (dW + dW.swapaxes(1, 2)) / 2
    dW = np.array(dW)
    clear_forbidden(config, dW)
    return dW


def clear_forbidden(config: NetworkConfig, W: Array) -> None:
    """Set the blocks (L, D, D) of forbidden pairs of columns to 0, in place."""
    ends = np.cumsum([0, *config.column_widths])
    pairs = config.cross_forbidden
    for a, b in zip(pairs[::2], pairs[1::2], strict=True):
        rows, columns = slice(ends[a], ends[a + 1]), slice(ends[b], ends[b + 1])
        W[:, rows, columns] = 0
        W[:, columns, rows] = 0
