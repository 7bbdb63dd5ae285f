"""W4: a small network on a small table, whole training steps."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from bench import training
from bench.harness import Work
from bench.training import Training
from dcnfast.network.config import NetworkConfig

TITLE = (
    "W4: 40 numeric columns, 2 matrix cross layers, deep (64, 32), B = 256, Adam, 64 steps a turn; "
    "sklearn_mlp without the cross layers"
)
COLUMNS = 40


@cache
def draw(n: int, steps: int) -> Training:
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((n, COLUMNS), np.float32)
    config = NetworkConfig(n_dense=COLUMNS, cross_layers=2, hidden=(64, 32), loss="log_loss")
    return Training(
        config=config,
        parameters=training.draw_parameters(config, rng),
        ids=np.zeros((n, 0), np.int32),
        dense=dense,
        target=training.draw_clicks(dense, rng),
        turns=training.draw_turns(n, 256, steps, rng),
    )


def work(threads: int, n: int = 65_536, steps: int = 64) -> Work:
    return training.work(draw(n, steps), threads, tolerance=1e-4)


CASES = {f"{t} thread{'s' * (t > 1)}": partial(work, t) for t in (1, 2)}
SMOKE = {"2 threads": partial(work, 2, 1024, 2)}
