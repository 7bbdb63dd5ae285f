"""A matrix cross as a low-rank one, by the singular values of its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.model import Model
from dcnfast.network.structure import dense_weight

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

FACTORED = ("matrix", "lowrank")  # what a low-rank network can be made of


def dense_weights(model: Model) -> Floats:
    """Return W (L, D, D) of all layers, as predictions have them."""
    config, parameters = model.config, model.averages
    layers = range(config.cross_layers)
    return np.stack([dense_weight(config, parameters, l) for l in layers]).astype(np.float64)


def least_rank(values: Floats, energy: float) -> int:
    """Return the rank at which every layer keeps that share of its sum of squares.

    Parameters
    ----------
    values : ndarray of shape (L, D)
        Singular values, descending.
    energy : float
        In (0, 1].
    """
    squares = np.square(values)
    # what is left out, from the smallest on: sums of small numbers come out right
    left_out = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]
    total = left_out[:, :1]
    most = total * max(1 - energy, values.shape[1] * np.finfo(np.float64).eps ** 2)
    needed = (left_out > most).sum(axis=1)
    return max(1, int(needed.max()))


def low_rank_model(model: Model, rank: int) -> Model:
    """Return the network with W of that rank, the nearest there is, and all else as it was."""
    config = replace(model.config, cross="lowrank", cross_rank=rank, cross_symmetric=False)
    u, s, vt = np.linalg.svd(dense_weights(model), full_matrices=False)
    root = np.sqrt(s[:, :rank])
    factors = {
        "cross_U": u[:, :, :rank] * root[:, None],
        "cross_V": root[:, :, None] * vt[:, :rank],
    }
    smaller = Model(config)
    tensors = {**model.averages, **factors}
    flat: Array = np.zeros(smaller.network.flat_parameters.shape, config.dtype)
    for name, shape, offset in smaller.network.tensors:
        flat[offset : offset + int(np.prod(shape))] = tensors[name].ravel()
    smaller.network.set_parameters(flat)
    return smaller
