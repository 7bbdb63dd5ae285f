"""The isotonic layer in float64 NumPy: the specification of ``estimators/isotonic.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def shares_of_bins(z: Array, edges: Array) -> Array:
    """Return v (N, K): how far each logit reaches into each bin; the outer bins have no end."""
    v = np.clip(z[:, None] - edges[:-1], 0, np.diff(edges))
    v[:, 0] += np.minimum(z - edges[0], 0)
    v[:, -1] += np.maximum(z - edges[-1], 0)
    return np.asarray(v)


def isotonic(z: Array, edges: Array, w: Array, b: float) -> Array:
    """Return sum_i ReLU(w_i) v_i(z) + b, LiRank's layer without a part e_i for features."""
    return np.asarray(shares_of_bins(z, edges) @ np.maximum(w, 0) + b)


def isotonic_backward(z: Array, edges: Array, w: Array, dlogit: Array) -> tuple[Array, float]:
    """Return the gradients of w (K,) and b, of those of the calibrated logits (N,)."""
    return np.asarray((dlogit @ shares_of_bins(z, edges)) * (w > 0)), float(dlogit.sum())
