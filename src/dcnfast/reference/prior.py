"""What holds parameters where an earlier training left them, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcnfast.reference.kernels import Array


def pull(parameters: Array, anchor: Array, fisher: Array, strength: float) -> tuple[float, Array]:
    """Return the penalty strength * sum F (w - anchor)^2, and its gradient.

    Parameters
    ----------
    parameters, anchor, fisher : ndarray, of one shape
    strength : float
    """
    away = parameters - anchor
    return float(strength * (fisher * away**2).sum()), 2 * strength * fisher * away


def fisher(gradients: Sequence[Array], rows: Sequence[int]) -> Array:
    """Return the diagonal of the Fisher information, from gradients of batches.

    Of batches of one row it is the mean of their squares over the rows.

    Parameters
    ----------
    gradients : sequence of ndarray
        Of the mean loss of each batch.
    rows : sequence of int
        Of each batch.
    """
    sums = [(n * g) ** 2 for g, n in zip(gradients, rows, strict=True)]
    return np.asarray(np.sum(sums, axis=0) / np.sum(rows))
