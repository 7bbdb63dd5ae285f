"""Stage 6: losses from logits, each with its gradient."""

from __future__ import annotations

import numpy.typing as npt

from dcnfast.ops._arrays import Array, prepare


def _loss(
    name: str, logits: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None
) -> tuple[float, Array]:
    given = {"logits": logits, "target": target} | ({} if weight is None else {"weight": weight})
    k, (z, y, *w) = prepare(name, **given)
    loss: tuple[float, Array] = getattr(k, name)(z, y, w[0] if w else None)
    return loss


def squared_error(
    logits: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> tuple[float, Array]:
    """Sum over rows of the mean squared error over the C outputs, and its gradient.

    Parameters
    ----------
    logits, target : array-like of shape (B, C)
    weight : array-like of shape (B,) or None, default=None
        Of the rows; None is 1 for each.

    Returns
    -------
    loss : float
    dlogits : ndarray of shape (B, C)
        Gradient of the loss in the logits.
    """
    return _loss("squared_error", logits, target, weight)


def log_loss(
    logits: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> tuple[float, Array]:
    """Sum over rows and outputs of the binary log-loss of log-odds, and its gradient.

    Parameters
    ----------
    logits, target : array-like of shape (B, C)
        Targets lie in [0, 1].
    weight : array-like of shape (B,) or None, default=None
        Of the rows; None is 1 for each.

    Returns
    -------
    loss : float
    dlogits : ndarray of shape (B, C)
        Gradient of the loss in the logits.
    """
    return _loss("log_loss", logits, target, weight)


def softmax_loss(
    logits: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> tuple[float, Array]:
    """Sum over rows of the multiclass log-loss, and its gradient.

    Parameters
    ----------
    logits : array-like of shape (B, C)
    target : array-like of shape (B, 1)
        Class numbers from 0 to C - 1.
    weight : array-like of shape (B,) or None, default=None
        Of the rows; None is 1 for each.

    Returns
    -------
    loss : float
    dlogits : ndarray of shape (B, C)
        Gradient of the loss in the logits.

    Raises
    ------
    IndexError
        If a class number is out of range.
    """
    return _loss("softmax_loss", logits, target, weight)


def poisson_loss(
    logits: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> tuple[float, Array]:
    """Sum over rows and outputs of half the Poisson deviance of log means, and its gradient.

    What only the targets decide is left out: exp(z) - y z remains. Beyond logits of 88 (float32) or
    709 (float64) exp stays at its largest number.

    Parameters
    ----------
    logits, target : array-like of shape (B, C)
        Targets are counts or rates, not negative.
    weight : array-like of shape (B,) or None, default=None
        Of the rows; None is 1 for each.

    Returns
    -------
    loss : float
    dlogits : ndarray of shape (B, C)
        Gradient of the loss in the logits.
    """
    return _loss("poisson_loss", logits, target, weight)
