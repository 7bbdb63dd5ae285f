"""How long the epochs of a fit take: the last ones of a training against the first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from dcnfast import _core

AT_AN_END = 5
FEWEST = 2 * AT_AN_END + 1  # the first epoch belongs to neither end


class Epoch(NamedTuple):
    """One epoch of one of the trainings of a fit."""

    training: Any
    seconds: float  # CPU time of a row


@contextmanager
def timed_epochs() -> Iterator[list[Epoch]]:
    """Note what every epoch takes, in float32."""
    epochs: list[Epoch] = []
    train_epoch = _core.TrainingStateF32.train_epoch

    def timed(training: Any, table: Any, order: Any, *args: Any) -> Any:
        start = time.process_time()
        result = train_epoch(training, table, order, *args)
        epochs.append(Epoch(training, (time.process_time() - start) / len(order)))
        return result

    with patch.object(_core.TrainingStateF32, "train_epoch", timed):
        yield epochs


def slowdown(epochs: list[Epoch]) -> float:
    """Return the last five epochs over the second to sixth, the most of all trainings; or nan."""
    of_trainings: dict[int, list[float]] = {}
    for epoch in epochs:
        of_trainings.setdefault(id(epoch.training), []).append(epoch.seconds)
    ratios = [
        float(np.median(seconds[-AT_AN_END:]) / np.median(seconds[1 : 1 + AT_AN_END]))
        for seconds in of_trainings.values()
        if len(seconds) >= FEWEST
    ]
    return max(ratios, default=float("nan"))
