"""Collision weights: a learned factor of each row of the tables of embeddings (DCN^2).

Categories that share a row of a table, as those of a hash bucket do, have one vector for all of
them. Its factor says how much the network makes of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.model import Model

Array = npt.NDArray[Any]


def without_factors(model: Model) -> Model:
    """Return a network whose embeddings are the products, and which predicts the same bits.

    Parameters
    ----------
    model : Model
        Stays as it is, and is returned where it has no factors.
    """
    if not model.config.collision_weights:
        return model
    folded = Model(replace(model.config, collision_weights=False))
    roles, numbers = folded.network.roles, model.averages
    flat: Array = np.zeros(folded.network.flat_parameters.shape, model.config.dtype)
    for name, shape, offset in folded.network.tensors:
        values = numbers[name]
        if roles[name] == "embedding":
            values = values * numbers[f"collision_{shape[1]}"][:, None]
        flat[offset : offset + values.size] = values.ravel()
    folded.network.set_parameters(flat)
    return folded


def embeddings_of(model: Model, field: int) -> Array:
    """Return the embeddings of a field as the network has them, (V_f, K).

    Parameters
    ----------
    model : Model
    field : int
        Its number.
    """
    tensor, rows = model.rows_of_field(field)
    numbers = model.averages
    vectors = np.array(numbers[tensor][rows])
    if model.config.collision_weights:
        vectors *= numbers[f"collision_{vectors.shape[1]}"][rows, None]
    return vectors
