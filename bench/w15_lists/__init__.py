"""W15: columns of lists, beside as many columns of one id a row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from bench import training
from bench.harness import Array, Work
from bench.training import Training
from dcnfast.network.config import NetworkConfig
from dcnfast.testing import draw_dense

COLUMNS, DENSE, WIDTH, ITEMS = 26, 13, 16, 10
TITLE = (
    f"W15: training steps of {COLUMNS} columns of lists of {ITEMS} ids each, and of as many of "
    f"one id each; width {WIDTH}, {DENSE} numbers, 3 matrix cross layers, deep (400, 400), "
    "B = 2048, lazy Adam; 4 steps a turn"
)


@dataclass(frozen=True, eq=False)
class Both:
    """The same network, of lists and of single ids, with the same first item."""

    lists: Training
    single: Training

    def single_reference(self) -> tuple[Array]:
        return training.mean_loss(self.single.first_losses)


@cache
def draw(V: int, n: int, batch_size: int, steps: int) -> Both:
    rng = np.random.default_rng(0)
    fields = tuple((f"c{j}", V, WIDTH) for j in range(COLUMNS))
    one = NetworkConfig(
        fields=fields, n_dense=DENSE, cross_layers=3, hidden=(400, 400), loss="log_loss"
    )
    many = replace(one, poolings=("sum",) * COLUMNS)
    items = rng.integers(V, size=(COLUMNS, n, ITEMS)).astype(np.int32)
    offsets = np.arange(0, n * ITEMS + 1, ITEMS, dtype=np.int64)
    weights = np.full(n * ITEMS, 1 / ITEMS, np.float32)  # which make the mean of the sum
    dense = draw_dense(one, n, rng).astype(np.float32)
    single = Training(
        config=one,
        parameters=training.draw_parameters(one, rng),
        ids=np.ascontiguousarray(items[:, :, 0].T),
        dense=dense,
        target=training.draw_clicks(dense, rng),
        turns=training.draw_turns(n, batch_size, steps, rng),
    )
    lists = replace(
        single,
        config=many,
        ids=np.empty((n, 0), np.int32),
        lists=tuple((offsets, ids.ravel(), weights) for ids in items),
    )
    return Both(lists, single)


def work(threads: int, V: int = 5_000, n: int = 32_768, batch_size: int = 2048) -> Work:
    both = draw(V, n, batch_size, 4)
    return replace(training.work(both.lists, threads, tolerance=1e-4), data=both)


CASES = {f"{threads} thread{'s' * (threads > 1)}": partial(work, threads) for threads in (1, 2)}
SMOKE = {"2 threads": partial(work, 2, 50, 256, 32)}
