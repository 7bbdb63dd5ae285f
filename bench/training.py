"""Networks to train, the same for all rivals: start, rows, batches, optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import cycle
from typing import Any

import numpy as np

from bench.harness import Array, Work
from dcnfast.network.config import NetworkConfig
from dcnfast.reference.lists import Lists, Named
from dcnfast.reference.network import ReferenceNetwork, State
from dcnfast.training.optimizers import OptimizerStep


@dataclass(frozen=True, eq=False)
class Training:
    """A network and what it is trained on. A turn is a few steps; each call of a rival is the next.

    Parameters
    ----------
    config : NetworkConfig
        All fields of one width.
    parameters : dict of ndarray
        Initial values by name, float32.
    ids : ndarray of shape (n, F), int32
    dense : ndarray of shape (n, M), float32
    target : ndarray of shape (n, 1), float32
    turns : ndarray of shape (number of turns, steps, B), int64
        Rows of the batches.
    adam : OptimizerStep
    lists : sequence of (offsets, ids, weights), default=()
        Of the last fields, which are lists.
    """

    config: NetworkConfig
    parameters: dict[str, Array]
    ids: Array
    dense: Array
    target: Array
    turns: Array
    adam: OptimizerStep = field(default_factory=OptimizerStep)
    lists: Sequence[Lists] = ()

    def endless_turns(self) -> Iterator[Array]:
        return cycle(self.turns)

    @property
    def offsets(self) -> Array:
        """Where each field begins in the table, int32 of shape (F,)."""
        sizes = [rows for _, rows, _ in self.config.fields]
        return np.cumsum([0, *sizes])[:-1].astype(np.int32)

    @property
    def table(self) -> Array | None:
        """The embeddings of all fields, one below the other."""
        tables = [p for name, p in self.parameters.items() if name.startswith("embedding_")]
        return tables[0] if tables else None

    @property
    def layers(self) -> dict[str, Array]:
        """All parameters but the table."""
        return {n: p for n, p in self.parameters.items() if not n.startswith("embedding_")}

    @cached_property
    def first_losses(self) -> Array:
        """Losses of the first turn's steps, float64.

        Rows of the table that the turn does not name take no part: lazy Adam leaves them alone.
        """
        small = self._with_rows_of(self.turns[0])
        network, state = ReferenceNetwork(small.config), State.start(small.parameters)
        dense, target = small.dense.astype(np.float64), small.target.astype(np.float64)
        losses = [
            network.train_step(state, small.named(r), dense[r], target[r], **vars(self.adam))
            for r in self.turns[0]
        ]
        return np.array(losses)

    def named(self, rows: Array) -> Named:
        """Return what these rows name in the table."""
        return Named(self.ids[rows], [taken(lists, rows) for lists in self.lists])

    def _with_rows_of(self, turn: Array) -> Training:
        if self.table is None or self.lists:
            return self
        ids, fields, kept = self.ids.copy(), [], []
        for f, (name, _, width) in enumerate(self.config.fields):
            named = np.unique(self.ids[turn, f])
            ids[turn, f] = np.searchsorted(named, self.ids[turn, f])
            fields.append((name, len(named), width))
            kept.append(self.table[self.offsets[f] + named])
        table = {f"embedding_{self.table.shape[1]}": np.concatenate(kept)}
        config = replace(self.config, fields=tuple(fields))
        return replace(self, config=config, ids=ids, parameters=self.parameters | table)


def taken(lists: Lists, rows: Array) -> Lists:
    """Return the lists of these rows."""
    offsets, ids, weights = lists
    lengths = np.diff(offsets)[rows]
    ends = np.append(0, np.cumsum(lengths))
    items = np.arange(ends[-1]) + np.repeat(offsets[:-1][rows] - ends[:-1], lengths)
    return ends, ids[items], None if weights is None else weights[items]


def draw_parameters(config: NetworkConfig, rng: np.random.Generator) -> dict[str, Array]:
    """Draw weights by their number of inputs, so that no layer blows up; biases are 0."""
    parameters = {}
    for name, shape in ReferenceNetwork(config).shapes().items():
        if "_b" in name:
            parameters[name] = np.zeros(shape, np.float32)
        else:
            scale = 0.05 if name.startswith("embedding_") else shape[-1] ** -0.5
            parameters[name] = rng.standard_normal(shape, np.float32) * np.float32(scale)
    return parameters


def draw_clicks(dense: Array, rng: np.random.Generator) -> Array:
    """Draw a target (n,1) of 0 and 1 that depends on products of dense columns."""
    logits = dense[:, 0] * dense[:, 1] + dense[:, 2] - 1
    return (rng.random(len(dense)) < 1 / (1 + np.exp(-logits))).astype(np.float32)[:, None]


def draw_turns(n: int, batch_size: int, steps: int, rng: np.random.Generator) -> Array:
    """Cut a permutation of n rows into turns of so many batches."""
    return rng.permutation(n).reshape(-1, steps, batch_size)


def work(training: Training, threads: int, tolerance: float) -> Work:
    """Six flops a row and weight, which are 6 times the multiply-adds of a prediction.

    The rows cross memory once, and what a step moves in the table and in its two moments crosses it
    there and back.
    """
    _, steps, batch_size = training.turns.shape
    rows = steps * batch_size
    moved = sum(named_rows(training, batch) for batch in training.turns[0])
    read = training.ids.shape[1] + training.dense.shape[1] + 1
    return Work(
        data=training,
        threads=threads,
        rows=rows,
        flops=6 * rows * multiply_adds(training.layers),
        bytes=4 * (rows * read + 6 * moved * _table_width(training)),
        reference=lambda: mean_loss(training.first_losses),
        tolerance=tolerance,
        losses=True,
    )


def multiply_adds(layers: dict[str, Array]) -> int:
    """Count those of one row's prediction: one for each weight."""
    return sum(p.size for name, p in layers.items() if "_b" not in name)


def named_rows(training: Training, batch: Array) -> int:
    """Count the rows of the table that a batch names."""
    return sum(len(np.unique(ids)) for ids in training.named(batch).by_field())


def _table_width(training: Training) -> int:
    return 0 if training.table is None else training.table.shape[1]


def job(training: Training, threads: int) -> dict[str, Any]:
    """Return what bench.remote sends away."""
    c = training.config
    return {
        "threads": threads,
        "width": c.width,
        "cross_layers": c.cross_layers,
        "cross_rank": c.cross_rank,
        "hidden": c.hidden,
        "loss": c.loss,
        "adam": vars(training.adam),
        "parameters": training.layers,
        "table": training.table,
        "offsets": training.offsets,
        "ids": training.ids,
        "dense": training.dense,
        "target": training.target,
        "turns": training.turns,
        "restart": False,
        "fit": False,
    }


def mean_loss(losses: Sequence[float] | Array) -> tuple[Array]:
    """Return a turn's answer."""
    return (np.array([np.mean(losses)]),)
