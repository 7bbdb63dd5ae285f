"""Losses of branches in float64 NumPy (FCN, arXiv 2407.13349): stages 5 to 7 where they differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dcnfast.reference.kernels import Array, combine_backward


def branch_logits(logits: Array, x: Array, h: Array, W: Array) -> tuple[Array, Array]:
    """Return logits of the cross part alone, and of the deep part alone; their mean is ``logits``.

    The bias and the linear part are of both: 2 W_c x + r and 2 W_d h + r. x (B,D), h (B,H),
    W (C, D + H).
    """
    D = x.shape[1]
    away = x @ W[:, :D].T - h @ W[:, D:].T
    return logits + away, logits - away


def branch_loss(
    loss_of: Callable[[Array], tuple[float, Array]], three: tuple[Array, Array, Array], n: int
) -> tuple[float, Array]:
    """Return L + max(0, L_C - L) L_C + max(0, L_D - L) L_D, times n, and gradients (3,B,C).

    Parameters
    ----------
    loss_of : callable
        The sum over the n rows of a batch, and its gradient, of logits (B,C).
    three : tuple of ndarray of shape (B, C)
        Logits that predict, and those of each branch alone.
    n : int

    Returns
    -------
    loss : float
    gradients : ndarray
        In what both branches have, in W_c x, and in W_d h.
    """
    sums, gradients = zip(*(loss_of(logits) for logits in three), strict=True)
    both, *alone = (loss / n for loss in sums)
    worse = [loss > both for loss in alone]
    total = both + sum(w * (loss - both) * loss for w, loss in zip(worse, alone, strict=True))
    slope = 1 - sum(w * loss for w, loss in zip(worse, alone, strict=True))
    own = slope * gradients[0]
    c, d = (
        w * (2 * loss - both) * g for w, loss, g in zip(worse, alone, gradients[1:], strict=True)
    )
    return total * n, np.stack([own + c + d, own + 2 * c, own + 2 * d])


def branch_backward(
    dlogits: Array, x: Array, h: Array, W: Array, b: Array
) -> tuple[Array, Array, Array, Array]:
    """Return dx, dh, dW, db of such gradients (3,B,C)."""
    D = x.shape[1]
    dx, _, of_cross, _ = combine_backward(dlogits[1], x, h, W, b)
    _, dh, of_deep, _ = combine_backward(dlogits[2], x, h, W, b)
    return dx, dh, np.hstack([of_cross[:, :D], of_deep[:, D:]]), dlogits[0].sum(axis=0)
