"""Members of an ensemble: which of them are worth keeping, and a network of these alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.losses import LOSSES, Loss, mean_loss
from dcnfast.network.model import Model

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

OWN = ("member_r", "head_W", "head_b")  # tensors that begin with the members


def choose_members(
    loss: str | Loss,
    logits: Floats,
    target: Array,
    weight: Array | None,
    most: int | None,
    group: Array | None = None,
) -> list[int]:
    """Return members whose mean predicts rows well, the best one first.

    One after the other is taken, always the one with which the mean has the least loss.

    Parameters
    ----------
    loss : str or Loss
    logits : ndarray of shape (n, E, C)
        Of rows that training has not seen.
    target, weight, group : see :func:`dcnfast.network.losses.mean_loss`
    most : int or None
        How many are taken; None takes as many as have the least loss.
    """
    each = np.moveaxis(logits.astype(np.float64), 1, 0)
    E, kind = len(each), loss if isinstance(loss, Loss) else LOSSES.resolve(loss, {})
    chosen, losses = list[int](), list[float]()
    for _ in range(E if most is None else min(most, E)):
        left = [e for e in range(E) if e not in chosen]
        means = (kind.combine(each[[*chosen, e]]) for e in left)
        of_all = [mean_loss(kind, mean, target, weight, group) for mean in means]
        best = int(np.argmin(of_all))
        chosen.append(left[best])
        losses.append(of_all[best])
    return chosen if most is not None else chosen[: int(np.argmin(losses)) + 1]


def keep_members(model: Model, members: Sequence[int]) -> Model:
    """Return a network of some members.

    A network of one has no scales, so two copies are kept of a single member.

    Parameters
    ----------
    model : Model
    members : sequence of int
    """
    kept = list(members) if len(members) > 1 else [*members, *members]
    config = replace(model.config, n_members=len(kept))
    smaller = Model(config)
    parameters = model.averages
    flat: Array = np.zeros(smaller.network.flat_parameters.shape, config.dtype)
    for name, shape, offset in smaller.network.tensors:
        values = parameters[name][kept] if name in OWN else parameters[name]
        flat[offset : offset + int(np.prod(shape))] = values.ravel()
    smaller.network.set_parameters(flat)
    return smaller
