"""The kernels for people: NumPy in, NumPy out, forward above its backward.

Every function has its specification under the same name and with the same order of arguments in
:mod:`dcnfast.reference`. Arrays may be lists, strided, read-only or of mixed type: they are brought
to one C-contiguous array of one type before the kernel sees them, float32 if all are float32 and
float64 otherwise. Nothing is written into an argument.

Letters: B rows, D width, L cross layers, R rank, I and O inputs and outputs, H and C widths.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast import _core
from dcnfast.cpu import effective_threads

Array = npt.NDArray[Any]

__all__ = [
    "combine",
    "combine_backward",
    "cross_lowrank",
    "cross_lowrank_backward",
    "cross_matrix",
    "cross_matrix_backward",
    "cross_vector",
    "cross_vector_backward",
    "dense",
    "dense_backward",
    "log_loss",
    "softmax_loss",
    "squared_error",
]


def _prepare(function: str, **arguments: npt.ArrayLike) -> tuple[_core._Ops[Any], list[Array]]:
    """Return the kernels of the common type, and C-contiguous arrays of that type."""
    arrays = {name: np.asarray(value) for name, value in arguments.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8 or array.dtype == np.float16:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, want float32, float64 or integers"
            )
    single = all(array.dtype == np.float32 for array in arrays.values())
    kernels: _core._Ops[Any] = _core.ops_f32 if single else _core.ops_f64
    dtype = np.float32 if single else np.float64
    return kernels, [np.asarray(array, dtype, order="C") for array in arrays.values()]


def _scale(function: str, diag_scale: float) -> float:
    if not isinstance(diag_scale, int | float | np.number) or not 0 <= diag_scale < np.inf:
        raise ValueError(f"{function}: diag_scale is {diag_scale!r}, want a finite number >= 0")
    return float(diag_scale)


# ---- 3: cross


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
    k, (x0, w, b) = _prepare("cross_vector", x0=x0, w=w, b=b)
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
    k, (dxL, x0, w, b) = _prepare("cross_vector_backward", dxL=dxL, x0=x0, w=w, b=b)
    return k.cross_vector_backward(dxL, x0, w, b, effective_threads(n_jobs))


def cross_matrix(
    x0: npt.ArrayLike,
    W: npt.ArrayLike,
    b: npt.ArrayLike,
    diag_scale: float = 0.0,
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
    n_jobs : int or None, default=None
        Threads; None is all that the process may use. The result does not depend on it.

    Returns
    -------
    xL : ndarray of shape (B, D)

    Raises
    ------
    ValueError
        If a shape does not fit or diag_scale is negative.
    TypeError
        If an array is not of numbers.

    References
    ----------
    Wang et al., "DCN V2", 2021, eq. 1.
    """
    k, (x0, W, b) = _prepare("cross_matrix", x0=x0, W=W, b=b)
    return k.cross_matrix(x0, W, b, _scale("cross_matrix", diag_scale), effective_threads(n_jobs))


def cross_matrix_backward(
    dxL: npt.ArrayLike,
    x0: npt.ArrayLike,
    W: npt.ArrayLike,
    b: npt.ArrayLike,
    diag_scale: float = 0.0,
    *,
    n_jobs: int | None = None,
) -> tuple[Array, Array, Array]:
    """Differentiate :func:`cross_matrix`.

    Parameters
    ----------
    dxL : array-like of shape (B, D)
        Gradient of the loss in xL.
    x0, W, b, diag_scale, n_jobs
        As the forward got them.

    Returns
    -------
    dx0 : ndarray of shape (B, D)
    dW : ndarray of shape (L, D, D)
    db : ndarray of shape (L, D)
    """
    name = "cross_matrix_backward"
    k, (dxL, x0, W, b) = _prepare(name, dxL=dxL, x0=x0, W=W, b=b)
    return k.cross_matrix_backward(
        dxL, x0, W, b, _scale(name, diag_scale), effective_threads(n_jobs)
    )


def cross_lowrank(
    x0: npt.ArrayLike,
    U: npt.ArrayLike,
    V: npt.ArrayLike,
    b: npt.ArrayLike,
    diag_scale: float = 0.0,
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
    n_jobs : int or None, default=None
        Threads; None is all that the process may use. The result does not depend on it.

    Returns
    -------
    xL : ndarray of shape (B, D)

    Raises
    ------
    ValueError
        If a shape does not fit or diag_scale is negative.
    TypeError
        If an array is not of numbers.

    References
    ----------
    Wang et al., "DCN V2", 2021, eq. 2.
    """
    k, (x0, U, V, b) = _prepare("cross_lowrank", x0=x0, U=U, V=V, b=b)
    return k.cross_lowrank(
        x0, U, V, b, _scale("cross_lowrank", diag_scale), effective_threads(n_jobs)
    )


def cross_lowrank_backward(
    dxL: npt.ArrayLike,
    x0: npt.ArrayLike,
    U: npt.ArrayLike,
    V: npt.ArrayLike,
    b: npt.ArrayLike,
    diag_scale: float = 0.0,
    *,
    n_jobs: int | None = None,
) -> tuple[Array, Array, Array, Array]:
    """Differentiate :func:`cross_lowrank`.

    Parameters
    ----------
    dxL : array-like of shape (B, D)
        Gradient of the loss in xL.
    x0, U, V, b, diag_scale, n_jobs
        As the forward got them.

    Returns
    -------
    dx0 : ndarray of shape (B, D)
    dU : ndarray of shape (L, D, R)
    dV : ndarray of shape (L, R, D)
    db : ndarray of shape (L, D)
    """
    name = "cross_lowrank_backward"
    k, (dxL, x0, U, V, b) = _prepare(name, dxL=dxL, x0=x0, U=U, V=V, b=b)
    return k.cross_lowrank_backward(
        dxL, x0, U, V, b, _scale(name, diag_scale), effective_threads(n_jobs)
    )


# ---- 4: deep


def dense(
    h: npt.ArrayLike, W: npt.ArrayLike, b: npt.ArrayLike, activation: str = "identity"
) -> Array:
    """Apply one dense layer: act(h W^T + b).

    Parameters
    ----------
    h : array-like of shape (B, I)
    W : array-like of shape (O, I)
    b : array-like of shape (O,)
    activation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, default="identity"
        gelu is the tanh form (Hendrycks and Gimpel, 2016).

    Returns
    -------
    hn : ndarray of shape (B, O)

    Raises
    ------
    ValueError
        If a shape does not fit or the activation is unknown.
    """
    k, (h, W, b) = _prepare("dense", h=h, W=W, b=b)
    return k.dense(h, W, b, str(activation))


def dense_backward(
    dhn: npt.ArrayLike,
    h: npt.ArrayLike,
    W: npt.ArrayLike,
    b: npt.ArrayLike,
    activation: str = "identity",
) -> tuple[Array, Array, Array]:
    """Differentiate :func:`dense`: dhn (B, O) -> dh (B, I), dW (O, I), db (O,)."""
    k, (dhn, h, W, b) = _prepare("dense_backward", dhn=dhn, h=h, W=W, b=b)
    return k.dense_backward(dhn, h, W, b, str(activation))


# ---- 5: combine


def combine(x: npt.ArrayLike, h: npt.ArrayLike, W: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """Combine both parts into logits: [x, h] W^T + b, without concatenating.

    Parameters
    ----------
    x : array-like of shape (B, D)
        Output of the cross part; D may be 0.
    h : array-like of shape (B, H)
        Output of the deep part; H may be 0.
    W : array-like of shape (C, D + H)
    b : array-like of shape (C,)

    Returns
    -------
    logits : ndarray of shape (B, C)

    Raises
    ------
    ValueError
        If a shape does not fit, or D + H is 0.
    """
    k, (x, h, W, b) = _prepare("combine", x=x, h=h, W=W, b=b)
    return k.combine(x, h, W, b)


def combine_backward(
    dlogits: npt.ArrayLike,
    x: npt.ArrayLike,
    h: npt.ArrayLike,
    W: npt.ArrayLike,
    b: npt.ArrayLike,
) -> tuple[Array, Array, Array, Array]:
    """Differentiate :func:`combine`: dlogits (B, C) -> dx (B, D), dh (B, H), dW, db."""
    k, (dlogits, x, h, W, b) = _prepare("combine_backward", dlogits=dlogits, x=x, h=h, W=W, b=b)
    return k.combine_backward(dlogits, x, h, W, b)


# ---- 6: loss


def _loss(
    name: str, logits: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None
) -> tuple[float, Array]:
    given = {"logits": logits, "target": target} | ({} if weight is None else {"weight": weight})
    k, (z, y, *w) = _prepare(name, **given)
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

    Returns
    -------
    loss : float
    dlogits : ndarray of shape (B, C)
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

    Returns
    -------
    loss : float
    dlogits : ndarray of shape (B, C)
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

    Returns
    -------
    loss : float
    dlogits : ndarray of shape (B, C)

    Raises
    ------
    IndexError
        If a class number is out of range.
    """
    return _loss("softmax_loss", logits, target, weight)
