"""W6: training steps with tables of different sizes."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from bench import training
from bench.harness import Work
from bench.training import Training
from dcnfast.cpu import effective_threads
from dcnfast.network.config import NetworkConfig

TITLE = (
    "W6: large tables, 8 fields, K = 16, uniform ids, 2 cross layers, deep (64, 32), B = 4096, "
    "lazy Adam, 4 steps a turn; a table row and its two moments are 192 bytes"
)
FIELDS, DENSE, WIDTH = 8, 8, 16
SMALLEST = 100_000
SMALLEST_TOY = 800


@cache
def draw(table_rows: int, B: int, n_turns: int) -> Training:
    rng = np.random.default_rng(0)
    steps, size = 4, table_rows // FIELDS
    n = n_turns * steps * B
    dense = rng.standard_normal((n, DENSE), np.float32)
    config = NetworkConfig(
        fields=tuple((f"field_{f}", size, WIDTH) for f in range(FIELDS)),
        n_dense=DENSE,
        cross_layers=2,
        hidden=(64, 32),
        loss="log_loss",
    )
    return Training(
        config=config,
        parameters=training.draw_parameters(config, rng),
        ids=rng.integers(0, size, (n, FIELDS), np.int32),
        dense=dense,
        target=training.draw_clicks(dense, rng),
        turns=training.draw_turns(n, B, steps, rng),
    )


def work(table_rows: int, B: int = 4096, n_turns: int = 64) -> Work:
    drawn = draw(table_rows, B, n_turns)
    return training.work(drawn, effective_threads(None), tolerance=1e-4)


def smallest_like(data: Training) -> Training:
    """Return the same with the smallest table."""
    n_turns, _, B = data.turns.shape
    toy = len(data.table) < SMALLEST
    return draw(SMALLEST_TOY if toy else SMALLEST, B, n_turns)


CASES = {f"{V:,} rows": partial(work, V) for V in (1_000_000, 10_000_000)}
SMOKE = {"8,000 rows": partial(work, 8_000, 64, 2)}
