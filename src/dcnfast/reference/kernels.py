"""The kernels in float64 NumPy: the specification, and the oracle of the tests.

They cannot be fast and do not try. One function per kernel pair, named and ordered as in
``src/cpp/kernel_table.hpp`` and :mod:`dcnfast.ops`, forward above its backward. Every backward
takes the gradient of the output, then what its forward took, and returns the gradients in that
order. :mod:`dcnfast.reference.network` puts them together.

Letters: B rows, V rows of a table, K its width, M dense columns, D width of x0, L cross layers,
R rank, I and O inputs and outputs of a dense layer, H width of the last one, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Array = npt.NDArray[np.float64]
Ids = npt.NDArray[np.integer[Any]]

# ---- 2: embed


def embedding(ids: Ids, tables: Sequence[Array]) -> Array:
    """Look up one row a field. ids (B,F), F tables (V,K) of any widths -> x0 (B,D)."""
    rows = [E[ids[:, f]] for f, E in enumerate(tables)]
    return np.concatenate([np.zeros((len(ids), 0)), *rows], axis=1)


def embedding_backward(dx0: Array, ids: Ids, tables: Sequence[Array]) -> list[Array]:
    """Return F times dE (V,K): each row's occurrences, added up in the order of the batch."""
    ends = np.cumsum([E.shape[1] for E in tables], dtype=int)
    dE = [np.zeros_like(E) for E in tables]
    for f, end in enumerate(ends):
        np.add.at(dE[f], ids[:, f], dx0[:, end - tables[f].shape[1] : end])
    return dE


# ---- 3: cross


def cross_vector_layer(x0: Array, x: Array, w: Array, b: Array) -> Array:
    """Wang et al. 2017, eq. 3. x0, x (B,D), w (D), b (D) -> the next x (B,D)."""
    return x0 * (x @ w)[:, None] + b + x


def cross_vector(x0: Array, w: Array, b: Array) -> Array:
    """All layers, one by one. x0 (B,D), w (L,D), b (L,D) -> xL (B,D)."""
    x = x0
    for w_l, b_l in zip(w, b, strict=True):
        x = cross_vector_layer(x0, x, w_l, b_l)
    return x


def cross_vector_backward(dxL: Array, x0: Array, w: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return dx0 (B,D), dw (L,D), db (L,D)."""
    xs = [cross_vector(x0, w[:l], b[:l]) for l in range(len(w))]
    dx, dx0, dw, db = dxL, np.zeros_like(x0), np.zeros_like(w), np.zeros_like(b)
    for l in reversed(range(len(w))):
        s = (xs[l] @ w[l])[:, None]  # x_{l+1} = x0 s + b_l + x_l
        ds = (dx * x0).sum(axis=1, keepdims=True)
        dx0 = dx0 + dx * s
        dw[l] = (ds * xs[l]).sum(axis=0)
        db[l] = dx.sum(axis=0)
        dx = dx + ds * w[l]
    return dx0 + dx, dw, db


def cross_matrix_layer(
    x0: Array,
    x: Array,
    W: Array,
    b: Array,
    diag_scale: float = 0.0,
    preactivation: str = "identity",
) -> Array:
    """Wang et al. 2021, eq. 1. x0, x (B,D), W (D,D) as (out, in), b (D) -> the next x (B,D).

    As in TensorFlow Recommenders, ``diag_scale * x`` is added after the activation.
    """
    return x0 * (activate(x @ W.T + b, preactivation) + diag_scale * x) + x


def cross_matrix(
    x0: Array, W: Array, b: Array, diag_scale: float = 0.0, preactivation: str = "identity"
) -> Array:
    """All layers, one by one. x0 (B,D), W (L,D,D), b (L,D) -> xL (B,D)."""
    x = x0
    for W_l, b_l in zip(W, b, strict=True):
        x = cross_matrix_layer(x0, x, W_l, b_l, diag_scale, preactivation)
    return x


def cross_matrix_backward(
    dxL: Array,
    x0: Array,
    W: Array,
    b: Array,
    diag_scale: float = 0.0,
    preactivation: str = "identity",
) -> tuple[Array, Array, Array]:
    """Return dx0 (B,D), dW (L,D,D), db (L,D)."""
    xs = [cross_matrix(x0, W[:l], b[:l], diag_scale, preactivation) for l in range(len(W))]
    dx, dx0, dW, db = dxL, np.zeros_like(x0), np.zeros_like(W), np.zeros_like(b)
    for l in reversed(range(len(W))):
        z = xs[l] @ W[l].T + b[l]  # x_{l+1} = x0 (act(z) + diag_scale x_l) + x_l
        dx0 = dx0 + dx * (activate(z, preactivation) + diag_scale * xs[l])
        dz = activate_backward(dx * x0, z, preactivation)
        dW[l] = dz.T @ xs[l]
        db[l] = dz.sum(axis=0)
        dx = dx + dz @ W[l] + diag_scale * dx * x0
    return dx0 + dx, dW, db


def cross_lowrank(
    x0: Array,
    U: Array,
    V: Array,
    b: Array,
    diag_scale: float = 0.0,
    preactivation: str = "identity",
) -> Array:
    """Wang et al. 2021, eq. 2: W_l = U_l V_l. U (L,D,R), V (L,R,D), b (L,D) -> xL (B,D)."""
    return cross_matrix(x0, U @ V, b, diag_scale, preactivation)


def cross_lowrank_backward(
    dxL: Array,
    x0: Array,
    U: Array,
    V: Array,
    b: Array,
    diag_scale: float = 0.0,
    preactivation: str = "identity",
) -> tuple[Array, Array, Array, Array]:
    """Return dx0 (B,D), dU (L,D,R), dV (L,R,D), db (L,D)."""
    dx0, dW, db = cross_matrix_backward(dxL, x0, U @ V, b, diag_scale, preactivation)
    return dx0, dW @ V.transpose(0, 2, 1), U.transpose(0, 2, 1) @ dW, db


def cross_gated_layer(x0: Array, x: Array, W: Array, V: Array, b: Array) -> Array:
    """x0 * (W x + b) * sigmoid(V x) + x. x0, x (B,D), W, V (D,D) as (out, in), b (D) -> (B,D)."""
    return np.asarray(x0 * (x @ W.T + b) * expit(x @ V.T) + x)


def cross_gated(x0: Array, W: Array, V: Array, b: Array) -> Array:
    """All layers, of Wang, F. et al. 2023, eq. 2. x0 (B,D), W, V (L,D,D), b (L,D) -> xL (B,D)."""
    x = x0
    for W_l, V_l, b_l in zip(W, V, b, strict=True):
        x = cross_gated_layer(x0, x, W_l, V_l, b_l)
    return x


def cross_gated_backward(
    dxL: Array, x0: Array, W: Array, V: Array, b: Array
) -> tuple[Array, Array, Array, Array]:
    """DxL (B,D), then as `cross_gated` -> dx0 (B,D), dW, dV (L,D,D), db (L,D)."""
    xs = [cross_gated(x0, W[:l], V[:l], b[:l]) for l in range(len(W))]
    dx, dx0 = dxL, np.zeros_like(x0)
    dW, dV, db = np.zeros_like(W), np.zeros_like(V), np.zeros_like(b)
    for l in reversed(range(len(W))):
        z, s = xs[l] @ W[l].T + b[l], expit(xs[l] @ V[l].T)
        dx0 += dx * z * s
        dz, dv = dx * x0 * s, dx * x0 * z * s * (1 - s)
        dW[l], dV[l], db[l] = dz.T @ xs[l], dv.T @ xs[l], dz.sum(axis=0)
        dx = dx + dz @ W[l] + dv @ V[l]
    return dx0 + dx, dW, dV, db


# ---- 4: deep

_GELU_C = np.sqrt(2 / np.pi)
_GELU_K = 0.044715


def _gelu(z: Array) -> Array:
    return np.asarray(0.5 * z * (1 + np.tanh(_GELU_C * (z + _GELU_K * z**3))))


def _gelu_slope(z: Array) -> Array:
    t = np.tanh(_GELU_C * (z + _GELU_K * z**3))
    inner = _GELU_C * (1 + 3 * _GELU_K * z**2)
    return np.asarray(0.5 * (1 + t) + 0.5 * z * (1 - t**2) * inner)


# value and slope; gelu is the tanh form (Hendrycks and Gimpel, 2016), the slope of relu at 0 is 0
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (np.asarray, np.ones_like),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.asarray(z > 0, np.float64)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (expit, lambda z: np.asarray(expit(z) * (1 - expit(z)))),
    "gelu": (_gelu, _gelu_slope),
}


def activate(z: Array, activation: str) -> Array:
    """Apply the activation of that name."""
    return np.asarray(ACTIVATIONS[activation][0](z))


def activate_backward(dh: Array, z: Array, activation: str) -> Array:
    """Return dz."""
    return dh * ACTIVATIONS[activation][1](z)


def parametric(z: Array, a: Array, activation: str) -> Array:
    """Map z (B,O), a (O) to (1 - a) z + a act(z). Holzmüller et al. 2024, section 3."""
    return np.asarray((1 - a) * z + a * activate(z, activation))


def parametric_backward(dh: Array, z: Array, a: Array, activation: str) -> tuple[Array, Array]:
    """Return dz (B,O), da (O)."""
    dz = (1 - a) * dh + a * activate_backward(dh, z, activation)
    return dz, (dh * (activate(z, activation) - z)).sum(axis=0)


def dense(h: Array, W: Array, b: Array, activation: str = "identity") -> Array:
    """Map h (B,I), W (O,I), b (O) to act(h W^T + b) (B,O)."""
    return activate(h @ W.T + b, activation)


def dense_backward(
    dhn: Array, h: Array, W: Array, b: Array, activation: str = "identity"
) -> tuple[Array, Array, Array]:
    """Return dh (B,I), dW (O,I), db (O)."""
    dz = activate_backward(dhn, h @ W.T + b, activation)
    return dz @ W, dz.T @ h, dz.sum(axis=0)


NORM_EPSILON = 1e-5


def layer_norm(z: Array, scale: Array, shift: Array) -> Array:
    """Ba et al. 2016, eq. 4, over each row. z (B,O), scale, shift (O) -> (B,O)."""
    deviation = np.sqrt(z.var(axis=1, keepdims=True) + NORM_EPSILON)
    n: Array = (z - z.mean(axis=1, keepdims=True)) / deviation
    return n * scale + shift


def layer_norm_backward(
    dy: Array, z: Array, scale: Array, shift: Array
) -> tuple[Array, Array, Array]:
    """Return dz (B,O), dscale (O), dshift (O)."""
    deviation = np.sqrt(z.var(axis=1, keepdims=True) + NORM_EPSILON)
    n: Array = (z - z.mean(axis=1, keepdims=True)) / deviation
    dz = dy * scale
    dz = dz - dz.mean(axis=1, keepdims=True) - n * (dz * n).mean(axis=1, keepdims=True)
    return dz / deviation, (dy * n).sum(axis=0), dy.sum(axis=0) + 0 * shift


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble the bits: what splitmix64 does last (Steele et al. 2014). z of at least 1 axis."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def dropout_stream(seed: int, step: int, layer: int, member: int = 0) -> int:
    """Name the random numbers of one layer and member in one step: a number below 2^64."""
    stream = np.array([seed], np.uint64)
    for number in (step, layer, member)[: 3 if member else 2]:
        stream = _mix(stream + np.array([number], np.uint64) * _GOLDEN)
    return int(stream[0])


def dropout_mask(stream: int, rows: Ids, width: int, rate: float) -> Array:
    """Return the factors (B,width) of a batch's rows: 0, or what keeps the mean at 1.

    A factor depends on the stream, the row's number in its batch and the column, nothing else.
    16 bits decide each, so the rate is a multiple of 2^-16.
    """
    columns = np.arange(width, dtype=np.uint64)
    counter = rows.astype(np.uint64)[:, None] * np.uint64(2**32) + columns // np.uint64(4)
    words = _mix(np.uint64(stream) + counter * _GOLDEN)
    bits = words >> (np.uint64(16) * (columns % np.uint64(4))) & np.uint64(0xFFFF)
    threshold = int(rate * 65536 + 0.5)
    return np.asarray(np.where(bits >= threshold, 65536 / (65536 - threshold), 0.0))


# ---- 5: combine


def combine(x: Array, h: Array, W: Array, b: Array) -> Array:
    """Map x (B,D), h (B,H), W (C,D+H), b (C) to logits (B,C)."""
    return np.concatenate([x, h], axis=1) @ W.T + b


def combine_backward(
    dlogits: Array, x: Array, h: Array, W: Array, b: Array
) -> tuple[Array, Array, Array, Array]:
    """Return dx (B,D), dh (B,H), dW (C,D+H), db (C)."""
    D = x.shape[1]
    dxh = dlogits @ W
    dW = dlogits.T @ np.concatenate([x, h], axis=1)
    return dxh[:, :D], dxh[:, D:], dW, dlogits.sum(axis=0) + 0 * b
