"""What is known beforehand of the weights of a cross: symmetry, what stays 0, and heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.crosses import CROSSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dcnfast.network.config import NetworkConfig

Array = npt.NDArray[Any]


def begin_structured(config: NetworkConfig, W: Array) -> None:
    """Make weights (L, D, D) as they were drawn symmetric, and 0 where they have to be, in place.

    Symmetric ones are those on and below the diagonal, so that their spread stays what it was.
    """
    if config.cross_symmetric:
        W[:] = np.tril(W) + np.tril(W, -1).swapaxes(1, 2)
    _clear(config.of_head(), W)


def project_gradient(config: NetworkConfig, dW: Array) -> Array:
    """Return gradients (L, D, D) of weights that are tied: of a pair the mean, else 0."""
    if config.cross_symmetric:
        dW = (dW + dW.swapaxes(1, 2)) / 2
    dW = np.array(dW)
    _clear(config.of_head(), dW)
    return dW


def _clear(config: NetworkConfig, W: Array) -> None:
    """Set the blocks (L, D, D) of forbidden pairs of columns, and between heads, to 0, in place."""
    if config.cross_heads > 1:
        head = heads_of_columns(config)
        one, other = head[:, None], head[None, :]
        W[:, (one != other) & (one >= 0) & (other >= 0)] = 0
    ends = np.cumsum([0, *config.column_widths])
    pairs = config.cross_forbidden
    for a, b in zip(pairs[::2], pairs[1::2], strict=True):
        rows, columns = slice(ends[a], ends[a + 1]), slice(ends[b], ends[b + 1])
        W[:, rows, columns] = 0
        W[:, columns, rows] = 0


# ---- heads


def heads_of_columns(config: NetworkConfig) -> Array:
    """Return the head of each column of x0 (D,), -1 for those of every head.

    The heads split an embedding whose width they divide; any other is in every head.
    """
    heads = config.cross_heads
    of_each = [
        np.full(K, -1) if K % heads else np.arange(K) * heads // K for K in config.column_widths
    ]
    return np.concatenate([np.zeros(0, np.intp), *of_each])


def places_of_heads(config: NetworkConfig) -> Array:
    """Return the columns of x0 that each head sees (heads, d), in their order.

    Of exponential layers, which mask a half, with the first halves of all slices in front.
    """
    heads, places = config.cross_heads, []
    halves = config.cross == "exponential"
    for h in range(heads):
        first, front, behind = 0, list[int](), list[int]()
        for K in config.column_widths:
            w = K if K % heads else K // heads
            begin = first + (0 if K % heads else h * w)
            for k in range(w):
                (behind if halves and 2 * k >= w else front).append(begin + k)
            first += K
        places.append(front + behind)
    return np.array(places, np.intp)


def shares_of_heads(config: NetworkConfig) -> Array:
    """Return what of each head's output is in each column of xL (D,): all, or the mean of heads."""
    return np.where(heads_of_columns(config) < 0, 1 / config.cross_heads, 1.0)


def split_heads(config: NetworkConfig, x: Array) -> Array:
    """Return what each head sees of x (B, D), as rows: (B heads, d)."""
    places = places_of_heads(config)
    return np.asarray(x[:, places].reshape(len(x) * len(places), places.shape[1]))


def join_heads(config: NetworkConfig, of_heads: Array) -> Array:
    """Add up rows of heads (B heads, d), as :func:`split_heads` makes them, by column: (B, D)."""
    places = places_of_heads(config)
    rows = len(of_heads) // len(places)
    x = np.zeros((rows, config.width), of_heads.dtype)
    for h, columns in enumerate(places):
        x[:, columns] += of_heads.reshape(rows, *places.shape)[:, h]
    return x


def dense_weight(config: NetworkConfig, weights: Mapping[str, Array], layer: int) -> Array:
    """Return W (D, D) of a layer: what multiplies x0_i x_j in place (i, j), heads side by side."""
    W = CROSSES[config.cross].dense_weight(weights, layer, config)
    if not config.has_shared_heads:
        return W
    whole, share = np.zeros((config.width, config.width), W.dtype), shares_of_heads(config)
    for columns in places_of_heads(config):
        whole[np.ix_(columns, columns)] += share[columns, None].astype(W.dtype) * W
    return whole
