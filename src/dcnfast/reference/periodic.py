"""Periodic embeddings of numbers in float64 NumPy.

Letters: B rows, J numbers, F frequencies, O learned outputs, K columns of x0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dcnfast.reference.kernels import Array

MISSING_PLACE = -1e9
TURN = 2 * np.pi


def _there(pairs: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pairs[:, :, 1:] != MISSING_PLACE)


def periodic(pairs: Array, w: Array, phase: Array, W: Array, b: Array, missing: Array) -> Array:
    """Embed numbers: (z, W^T cos(2 pi w z + phase) + b), or the vector for a missing one.

    pairs (B,J,2): z and its place, which tells whether it is missing; w, phase (J,F); W (J,F,K-1),
    b (J,K-1), missing (J,K) -> (B, J K). Holzmüller et al., 2024, "PBLD".
    """
    z = pairs[:, :, :1]
    out = np.einsum("bjf,jfo->bjo", np.cos(TURN * w * z + phase), W) + b
    x = np.concatenate([z, out], axis=2)
    return np.asarray(np.where(_there(pairs), x, missing).reshape(len(pairs), -1))


def periodic_backward(
    dx: Array, pairs: Array, w: Array, phase: Array, W: Array, b: Array, missing: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Return dw, dphase (J,F), dW (J,F,K-1), db (J,K-1), dmissing (J,K)."""
    del b  # it is linear in it
    z, there = pairs[:, :, :1], _there(pairs)
    d = dx.reshape(len(dx), *missing.shape)
    angle, dout = TURN * w * z + phase, (d * there)[:, :, 1:]
    dangle = -np.sin(angle) * np.einsum("bjo,jfo->bjf", dout, W)
    dW = np.einsum("bjf,bjo->jfo", np.cos(angle), dout)
    dw = (TURN * dangle * z).sum(axis=0)
    return dw, dangle.sum(axis=0), dW, dout.sum(axis=0), (d * ~there).sum(axis=0)


def periodic_relu(pairs: Array, w: Array, W: Array, b: Array, missing: Array) -> Array:
    """Embed numbers: max(0, W^T (sin 2 pi w z, cos 2 pi w z) + b), or the vector for a missing one.

    W (J,2F,K), b, missing (J,K), the others as in :func:`periodic`. Gorishniy et al., 2022, section
    3.3, "PLR".
    """
    angle = TURN * w * pairs[:, :, :1]
    waves = np.concatenate([np.sin(angle), np.cos(angle)], axis=2)
    x = np.maximum(np.einsum("bjf,jfk->bjk", waves, W) + b, 0)
    return np.asarray(np.where(_there(pairs), x, missing).reshape(len(pairs), -1))


def periodic_relu_backward(
    dx: Array, pairs: Array, w: Array, W: Array, b: Array, missing: Array
) -> tuple[Array, Array, Array, Array]:
    """Return dw (J,F), dW (J,2F,K), db, dmissing (J,K)."""
    z, there, F = pairs[:, :, :1], _there(pairs), w.shape[1]
    d = dx.reshape(len(dx), *missing.shape)
    sin, cos = np.sin(TURN * w * z), np.cos(TURN * w * z)
    waves = np.concatenate([sin, cos], axis=2)
    dout = d * there * (np.einsum("bjf,jfk->bjk", waves, W) + b > 0)
    dwaves = np.einsum("bjk,jfk->bjf", dout, W)
    dangle = cos * dwaves[:, :, :F] - sin * dwaves[:, :, F:]
    dW = np.einsum("bjf,bjk->jfk", waves, dout)
    return (TURN * dangle * z).sum(axis=0), dW, dout.sum(axis=0), (d * ~there).sum(axis=0)
