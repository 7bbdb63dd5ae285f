"""Stages 2, 4 and 5: embeddings, dense layers and the head, one kernel each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from dcnfast.network.config import Activation
from dcnfast.ops._arrays import Array, check_activation, prepare, prepare_ids

# ---- 2: embed


def embedding(ids: npt.ArrayLike, tables: Sequence[npt.ArrayLike]) -> Array:
    """Look up one row a field, and lay them side by side.

    Parameters
    ----------
    ids : array-like of int, shape (B, F)
        Row numbers, of each field in its own table.
    tables : sequence of F array-like of shape (V_f, K_f)
        One a field, of any widths.

    Returns
    -------
    x0 : ndarray of shape (B, D)
        D is the sum of the widths.

    Raises
    ------
    ValueError
        If a shape does not fit.
    TypeError
        If ids are not integers or a table is not of numbers.
    IndexError
        If an id is negative or not below V_f.
    """
    k, arrays = prepare("embedding", **_named(tables))
    return k.embedding(prepare_ids("embedding", ids, arrays), arrays)


def embedding_backward(
    dx0: npt.ArrayLike, ids: npt.ArrayLike, tables: Sequence[npt.ArrayLike]
) -> list[Array]:
    """Differentiate :func:`embedding` in the tables.

    Parameters
    ----------
    dx0 : array-like of shape (B, D)
        Gradient of the loss in x0.
    ids, tables
        As the forward got them.

    Returns
    -------
    list of F ndarray of shape (V_f, K_f)
        The sum over a row's occurrences, in their order in the batch; 0 where there are none.
    """
    name = "embedding_backward"
    k, (dx0, *arrays) = prepare(name, dx0=dx0, **_named(tables))
    return k.embedding_backward(dx0, prepare_ids(name, ids, arrays), arrays)


def _named(tables: Sequence[npt.ArrayLike]) -> dict[str, npt.ArrayLike]:
    return {f"tables[{f}]": table for f, table in enumerate(tables)}


# ---- 4: deep


def dense(
    h: npt.ArrayLike, W: npt.ArrayLike, b: npt.ArrayLike, activation: Activation = "identity"
) -> Array:
    """Apply one dense layer: act(h W^T + b).

    Parameters
    ----------
    h : array-like of shape (B, I)
        Input.
    W : array-like of shape (O, I)
        Weights as (out, in).
    b : array-like of shape (O,)
        Biases.
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
    k, (h, W, b) = prepare("dense", h=h, W=W, b=b)
    return k.dense(h, W, b, check_activation("dense", "activation", activation))


def dense_backward(
    dhn: npt.ArrayLike,
    h: npt.ArrayLike,
    W: npt.ArrayLike,
    b: npt.ArrayLike,
    activation: Activation = "identity",
) -> tuple[Array, Array, Array]:
    """Differentiate :func:`dense`.

    Parameters
    ----------
    dhn : array-like of shape (B, O)
        Gradient of the loss in hn.
    h, W, b, activation
        As the forward got them.

    Returns
    -------
    dh : ndarray of shape (B, I)
    dW : ndarray of shape (O, I)
    db : ndarray of shape (O,)
    """
    name = "dense_backward"
    k, (dhn, h, W, b) = prepare(name, dhn=dhn, h=h, W=W, b=b)
    return k.dense_backward(dhn, h, W, b, check_activation(name, "activation", activation))


def layer_norm(z: npt.ArrayLike, scale: npt.ArrayLike, shift: npt.ArrayLike) -> Array:
    """Normalise each row: (z - mean) / sqrt(variance + 1e-5) * scale + shift.

    Parameters
    ----------
    z : array-like of shape (B, O)
    scale, shift : array-like of shape (O,)

    Returns
    -------
    y : ndarray of shape (B, O)

    Raises
    ------
    ValueError
        If a shape does not fit.

    References
    ----------
    Ba, Kiros and Hinton, "Layer Normalization", 2016, eq. 4.
    """
    k, (z, scale, shift) = prepare("layer_norm", z=z, scale=scale, shift=shift)
    return k.layer_norm(z, scale, shift)


def layer_norm_backward(
    dy: npt.ArrayLike, z: npt.ArrayLike, scale: npt.ArrayLike, shift: npt.ArrayLike
) -> tuple[Array, Array, Array]:
    """Differentiate :func:`layer_norm`.

    Parameters
    ----------
    dy : array-like of shape (B, O)
        Gradient of the loss in y.
    z, scale, shift
        As the forward got them.

    Returns
    -------
    dz : ndarray of shape (B, O)
    dscale, dshift : ndarray of shape (O,)
    """
    k, (dy, z, scale, shift) = prepare("layer_norm_backward", dy=dy, z=z, scale=scale, shift=shift)
    return k.layer_norm_backward(dy, z, scale, shift)


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
    k, (x, h, W, b) = prepare("combine", x=x, h=h, W=W, b=b)
    return k.combine(x, h, W, b)


def combine_backward(
    dlogits: npt.ArrayLike,
    x: npt.ArrayLike,
    h: npt.ArrayLike,
    W: npt.ArrayLike,
    b: npt.ArrayLike,
) -> tuple[Array, Array, Array, Array]:
    """Differentiate :func:`combine`.

    Parameters
    ----------
    dlogits : array-like of shape (B, C)
        Gradient of the loss in the logits.
    x, h, W, b
        As the forward got them.

    Returns
    -------
    dx : ndarray of shape (B, D)
    dh : ndarray of shape (B, H)
    dW : ndarray of shape (C, D + H)
    db : ndarray of shape (C,)
    """
    k, (dlogits, x, h, W, b) = prepare("combine_backward", dlogits=dlogits, x=x, h=h, W=W, b=b)
    return k.combine_backward(dlogits, x, h, W, b)
