"""The training of before the last update, which becomes the next copy: few rows have changed since.

What is published is never written to, so each update trains a copy. A copy of large tables takes
longer than the update; but if nobody uses the one before the last any more, only the rows that the
last update named have to be copied into it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy.typing as npt
from numpy import int32

from dcnfast.network.config import NetworkConfig
from dcnfast.training.state import Training

Rows = npt.NDArray[int32]


def moves_named_rows_alone(config: NetworkConfig) -> bool:
    """Return whether rows of tables that a batch does not name stand still in training."""
    penalizes_all = config.embedding_penalty == "table" and config.alpha_embedding > 0
    return config.sparse_adam == "lazy" and not config.ema_decay and not penalizes_all


class Spare:
    """A training that was published until another took its place.

    Parameters
    ----------
    training : Training
        Nobody else is to write to it.
    now : Training
        That took its place.
    rows : list of ndarray of shape (n,), int32
        For each field the rows of its table in which the two may differ.
    """

    def __init__(self, training: Training, now: Training, rows: Sequence[Rows]) -> None:
        self._slot = [(training, now, rows)]

    def take(self, now: Training, sizes: Sequence[int]) -> Training | None:
        """Return it as a copy of ``now``, or None; it can be taken once.

        Parameters
        ----------
        now : Training
            That the next update goes on from.
        sizes : sequence of int
            Rows that each field needs.
        """
        try:
            training, took_its_place, rows = self._slot.pop()  # copies of the estimator share it
        except IndexError:
            return None
        enough = zip(training.model.config.fields, sizes, strict=True)
        if (
            took_its_place is not now
            or any(rows < wanted for (_, rows, _), wanted in enough)
            or not _is_alone(training)
        ):
            return None
        training.take_over(now, rows)
        return training


def _is_alone(training: Training) -> bool:
    """Return whether nobody else refers to a training: no reader, no view of its arrays."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False  # references are not counted exactly then
    counts = _count_references(training)
    return all(n <= most for n, most in zip(counts, _references_of_one(), strict=True))


def _count_references(training: Any) -> tuple[int, ...]:
    model, state = training.model, training.state
    parts = training, model, state, model.network
    return tuple(map(sys.getrefcount, parts))


@cache
def _references_of_one() -> tuple[int, ...]:
    """Return the counts of a training that one variable of the caller refers to.

    How many of them are calls' own depends on the version of Python, so that they are counted, of
    objects that refer to each other as the parts of a training do.
    """

    def caller(training: Any) -> tuple[int, ...]:
        return _count_references(training)

    one = SimpleNamespace(model=SimpleNamespace(network=SimpleNamespace()))
    one.state = SimpleNamespace(network=one.model.network)
    return caller(one)
