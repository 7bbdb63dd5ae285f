"""An isotonic layer behind the network: logits in, calibrated logits out, in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

Array = npt.NDArray[Any]

LARGEST_LOGIT = 1e150  # within these, and for such slopes, what comes out is finite
STEEPEST = 1e6


@dataclass(frozen=True, eq=False)
class IsotonicLayer:
    """A line from bin to bin that never falls: sum_i w_i v_i + b.

    v_i is how far the logit reaches into bin i. Below the first edge and above the last one the
    lines of the outer bins go on.

    Parameters
    ----------
    edges : ndarray of shape (K + 1,)
        Ascending.
    slopes : ndarray of shape (K,)
        w, not negative.
    intercept : float
        b, what the first edge becomes.
    """

    edges: Array
    slopes: Array
    intercept: float

    @cached_property
    def starts(self) -> Array:
        """What the lower edge of each bin becomes, added up so that rounding keeps the order."""
        rises = self.slopes[:-1] * np.diff(self.edges[:-1])
        return np.cumsum(np.concatenate([[self.intercept], rises]))

    def __call__(self, z: Array) -> Array:
        """Return calibrated logits, for one the same bits as for many."""
        z = np.clip(z, -LARGEST_LOGIT, LARGEST_LOGIT)
        k = np.searchsorted(self.edges[1:-1], z, side="right")
        return np.asarray(self.starts[k] + self.slopes[k] * (z - self.edges[k]))


class IsotonicLoss:
    """The log-loss of rows behind a layer, and its gradient.

    Parameters
    ----------
    z : ndarray of shape (n,)
        Logits.
    hit : ndarray of shape (n,)
        0 or 1.
    weight : ndarray of shape (n,)
        Positive.
    edges : ndarray of shape (K + 1,)
    """

    def __init__(self, z: Array, hit: Array, weight: Array, edges: Array) -> None:
        self.z, self.hit, self.weight, self.edges = z, hit, weight / weight.sum(), edges
        self.k = np.searchsorted(edges[1:-1], z, side="right")
        self.n = len(z)

    def __call__(self, at: Array) -> tuple[float, Array]:
        """Return loss and gradient at (b, w_1 .. w_K).

        Beside the loss of the n rows each slope is held at 1, as strongly as one row would: bins
        that say little stay as they were, and rows that are told apart without error give a line
        that ends.
        """
        b, w = float(at[0]), at[1:]
        K = len(w)
        y = IsotonicLayer(self.edges, w, b)(self.z)
        loss = (
            self.weight @ (np.logaddexp(0, y) - self.hit * y) + 0.5 * ((w - 1) ** 2).sum() / self.n
        )
        dlogit = self.weight * (expit(y) - self.hit)
        inside = np.bincount(self.k, dlogit * (self.z - self.edges[self.k]), minlength=K)
        of_bin = np.bincount(self.k, dlogit, minlength=K)
        above = np.append(np.cumsum(of_bin[:0:-1])[::-1], 0.0)  # rows of the bins behind each
        dw = inside + np.diff(self.edges) * above + (w - 1) / self.n
        return float(loss), np.concatenate([[dlogit.sum()], dw])


def fit_isotonic(z: Array, hit: Array, weight: Array, n_bins: int) -> IsotonicLayer:
    """Return the layer with the least loss of rows; see :class:`IsotonicLoss`.

    The problem is convex, so w >= 0 is a bound and needs no ReLU. Each bin has equally many of the
    rows, but that equal logits are not divided.
    """
    z = np.clip(z.astype(np.float64), -LARGEST_LOGIT, LARGEST_LOGIT)
    edges = np.unique(np.quantile(z, np.linspace(0, 1, n_bins + 1)))
    if len(edges) == 1:
        edges = np.array([edges[0], np.nextafter(edges[0], np.inf) + 1])
    start = np.concatenate([edges[:1], np.ones(len(edges) - 1)])  # what comes out is what goes in
    found = minimize(
        IsotonicLoss(z, hit, weight, edges), start, jac=True, method="L-BFGS-B",
        bounds=[(-LARGEST_LOGIT, LARGEST_LOGIT), *[(0, STEEPEST)] * (len(start) - 1)],
        options={"maxiter": 2000, "ftol": 1e-13, "gtol": 1e-9, "maxcor": 30},
    )  # fmt: skip
    return IsotonicLayer(edges, found.x[1:], float(found.x[0]))
