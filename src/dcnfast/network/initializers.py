"""How weights are drawn: the list of initializers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class InitializerRecord:
    """What is known about an initializer.

    Parameters
    ----------
    name : str
    summary : str
        What the documentation says.
    draw : callable
        Given a RandomState and the shape (..., outputs, inputs) of weights, returns them.
    """

    name: str
    summary: str
    draw: Callable[[np.random.RandomState, tuple[int, ...]], Array]


def _truncated_normal(random_state: np.random.RandomState, shape: tuple[int, ...]) -> Array:
    low, high = ndtr(-2.0), ndtr(2.0)
    return np.asarray(0.05 * ndtri(random_state.uniform(low, high, size=shape)))


def _glorot_uniform(random_state: np.random.RandomState, shape: tuple[int, ...]) -> Array:
    limit = np.sqrt(6.0 / (shape[-1] + shape[-2]))
    return np.asarray(random_state.uniform(-limit, limit, size=shape))


def _he_normal(random_state: np.random.RandomState, shape: tuple[int, ...]) -> Array:
    return np.asarray(np.sqrt(2.0 / shape[-1]) * random_state.normal(size=shape))


INITIALIZERS = {
    record.name: record
    for record in (
        InitializerRecord(
            "truncated_normal",
            "standard deviation 0.05, cut at two of them, as in TensorFlow Recommenders",
            _truncated_normal,
        ),
        InitializerRecord("glorot_uniform", "Glorot and Bengio (2010)", _glorot_uniform),
        InitializerRecord("he_normal", "He et al. (2015)", _he_normal),
    )
}
