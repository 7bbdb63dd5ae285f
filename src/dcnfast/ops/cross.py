"""Stage 3: L cross layers at once, cut into tiles and spread over threads."""

from __future__ import annotations

import numpy.typing as npt

from dcnfast.cpu import effective_threads
from dcnfast.network.config import Activation
from dcnfast.ops._arrays import Array, check_activation, check_scale, prepare


def cross_vector(
    x0: npt.ArrayLike, w: npt.ArrayLike, b: npt.ArrayLike, *, n_jobs: int | None = None
) -> Array:
    """Apply L cross layers in vector form: x_{l+1} = x0 (x_l . w_l) + b_l + x_l.

    All layers are computed at once by the closed form x_l = a_l x0 + c_l.

    Parameters
    ----------
    x0 : array-like of shape (B, D)
        The stacked input.
    w, b : array-like of shape (L, D)
        Weights and biases.
    n_jobs : int or None, default=None
        Threads; None is all that the process may use. The result does not depend on it.

    Returns
    -------
    xL : ndarray of shape (B, D)

    Raises
    ------
    ValueError
        If a shape does not fit.
    TypeError
        If an array is not of numbers.

    References
    ----------
    Wang et al., "Deep & Cross Network for Ad Click Predictions", 2017, eq. 3.
    """
    k, (x0, w, b) = prepare("cross_vector", x0=x0, w=w, b=b)
    return k.cross_vector(x0, w, b, effective_threads(n_jobs))


def cross_vector_backward(
    dxL: npt.ArrayLike,
    x0: npt.ArrayLike,
    w: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    n_jobs: int | None = None,
) -> tuple[Array, Array, Array]:
    """Differentiate :func:`cross_vector`.

    Parameters
    ----------
    dxL : array-like of shape (B, D)
        Gradient of the loss in xL.
    x0, w, b, n_jobs
        As the forward got them.

    Returns
    -------
    dx0 : ndarray of shape (B, D)
    dw, db : ndarray of shape (L, D)
    """
    k, (dxL, x0, w, b) = prepare("cross_vector_backward", dxL=dxL, x0=x0, w=w, b=b)
    return k.cross_vector_backward(dxL, x0, w, b, effective_threads(n_jobs))


def cross_matrix(
    x0: npt.ArrayLike,
    W: npt.ArrayLike,
    b: npt.ArrayLike,
    diag_scale: float = 0.0,
    preactivation: Activation = "identity",
    *,
    n_jobs: int | None = None,
) -> Array:
    """Apply L cross layers in matrix form: x_{l+1} = x0 * (W_l x_l + b_l + diag_scale x_l) + x_l.

    Parameters
    ----------
    x0 : array-like of shape (B, D)
        The stacked input.
    W : array-like of shape (L, D, D)
        Weights as (out, in): W_l x_l is ``x @ W[l].T``.
    b : array-like of shape (L, D)
        Biases.
    diag_scale : float, default=0.0
        Added to the diagonal of every W_l, as in TensorFlow Recommenders; not negative.
    preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, default="identity"
        Activation of W_l x_l + b_l, before ``diag_scale * x_l`` is added.
    n_jobs : int or None, default=None
        Threads; None is all that the process may use. The result does not depend on it.

    Returns
    -------
    xL : ndarray of shape (B, D)

    Raises
    ------
    ValueError
        If a shape does not fit, diag_scale is negative or the preactivation is unknown.
    TypeError
        If an array is not of numbers.

    References
    ----------
    Wang et al., "DCN V2", 2021, eq. 1.

    Examples
    --------
    >>> import numpy as np
    >>> from dcnfast import ops
    >>> ops.cross_matrix([[0.1, 0.2, 0.3]], W=np.ones((1, 3, 3)), b=np.zeros((1, 3))).round(2)
    array([[0.16, 0.32, 0.48]])
    """
    name = "cross_matrix"
    k, (x0, W, b) = prepare(name, x0=x0, W=W, b=b)
    scale = check_scale(name, diag_scale)
    act = check_activation(name, "preactivation", preactivation)
    return k.cross_matrix(x0, W, b, scale, act, effective_threads(n_jobs))


def cross_matrix_backward(
    dxL: npt.ArrayLike,
    x0: npt.ArrayLike,
    W: npt.ArrayLike,
    b: npt.ArrayLike,
    diag_scale: float = 0.0,
    preactivation: Activation = "identity",
    *,
    n_jobs: int | None = None,
) -> tuple[Array, Array, Array]:
    """Differentiate :func:`cross_matrix`.

    Parameters
    ----------
    dxL : array-like of shape (B, D)
        Gradient of the loss in xL.
    x0, W, b, diag_scale, preactivation, n_jobs
        As the forward got them.

    Returns
    -------
    dx0 : ndarray of shape (B, D)
    dW : ndarray of shape (L, D, D)
    db : ndarray of shape (L, D)
    """
    name = "cross_matrix_backward"
    k, (dxL, x0, W, b) = prepare(name, dxL=dxL, x0=x0, W=W, b=b)
    scale = check_scale(name, diag_scale)
    act = check_activation(name, "preactivation", preactivation)
    return k.cross_matrix_backward(dxL, x0, W, b, scale, act, effective_threads(n_jobs))


def cross_lowrank(
    x0: npt.ArrayLike,
    U: npt.ArrayLike,
    V: npt.ArrayLike,
    b: npt.ArrayLike,
    diag_scale: float = 0.0,
    preactivation: Activation = "identity",
    *,
    n_jobs: int | None = None,
) -> Array:
    """Apply L cross layers of low rank: the matrix form with W_l = U_l V_l.

    Parameters
    ----------
    x0 : array-like of shape (B, D)
        The stacked input.
    U : array-like of shape (L, D, R)
        Left factors.
    V : array-like of shape (L, R, D)
        Right factors: ``W[l] = U[l] @ V[l]``.
    b : array-like of shape (L, D)
        Biases.
    diag_scale : float, default=0.0
        As in :func:`cross_matrix`.
    preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, default="identity"
        As in :func:`cross_matrix`.
    n_jobs : int or None, default=None
        Threads; None is all that the process may use. The result does not depend on it.

    Returns
    -------
    xL : ndarray of shape (B, D)

    Raises
    ------
    ValueError
        If a shape does not fit, diag_scale is negative or the preactivation is unknown.
    TypeError
        If an array is not of numbers.

    References
    ----------
    Wang et al., "DCN V2", 2021, eq. 2.
    """
    name = "cross_lowrank"
    k, (x0, U, V, b) = prepare(name, x0=x0, U=U, V=V, b=b)
    scale = check_scale(name, diag_scale)
    act = check_activation(name, "preactivation", preactivation)
    return k.cross_lowrank(x0, U, V, b, scale, act, effective_threads(n_jobs))


def cross_lowrank_backward(
    dxL: npt.ArrayLike,
    x0: npt.ArrayLike,
    U: npt.ArrayLike,
    V: npt.ArrayLike,
    b: npt.ArrayLike,
    diag_scale: float = 0.0,
    preactivation: Activation = "identity",
    *,
    n_jobs: int | None = None,
) -> tuple[Array, Array, Array, Array]:
    """Differentiate :func:`cross_lowrank`.

    Parameters
    ----------
    dxL : array-like of shape (B, D)
        Gradient of the loss in xL.
    x0, U, V, b, diag_scale, preactivation, n_jobs
        As the forward got them.

    Returns
    -------
    dx0 : ndarray of shape (B, D)
    dU : ndarray of shape (L, D, R)
    dV : ndarray of shape (L, R, D)
    db : ndarray of shape (L, D)
    """
    name = "cross_lowrank_backward"
    k, (dxL, x0, U, V, b) = prepare(name, dxL=dxL, x0=x0, U=U, V=V, b=b)
    scale = check_scale(name, diag_scale)
    act = check_activation(name, "preactivation", preactivation)
    return k.cross_lowrank_backward(dxL, x0, U, V, b, scale, act, effective_threads(n_jobs))
