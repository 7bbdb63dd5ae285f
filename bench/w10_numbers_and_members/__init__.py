"""W10: numbers that are embedded beside categories of the same width, and members beside one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from bench import training
from bench.harness import Work
from bench.training import Training
from dcnfast.network.config import NetworkConfig
from dcnfast.testing import draw_dense

TITLE = (
    "W10: 14 columns of width 8, 2 matrix cross layers, deep (256, 256), B = 256, Adam: as "
    "categories of 128 rows each, as numbers of 128 bins each, and these with 8 members; 16 steps "
    "a turn"
)
COLUMNS, BINS, WIDTH = 14, 128, 8

SHAPES: dict[str, dict[str, Any]] = {
    "categories": {"fields": tuple((f"c{j}", BINS, WIDTH) for j in range(COLUMNS))},
    "numbers": {
        "numeric_bins": (BINS,) * COLUMNS, "numeric_scales": (0.1,) * COLUMNS,
        "numeric_width": WIDTH,
    },
}  # fmt: skip


@cache
def draw(shape: str, n_members: int, n: int, steps: int) -> Training:
    rng = np.random.default_rng(0)
    config = NetworkConfig(
        **SHAPES[shape], n_members=n_members, cross_layers=2, hidden=(256, 256), loss="log_loss"
    )
    ids = rng.integers(BINS, size=(n, len(config.fields))).astype(np.int32)
    return Training(
        config=config,
        parameters=training.draw_parameters(config, rng),
        ids=ids,
        dense=draw_dense(config, n, rng).astype(np.float32),
        target=training.draw_clicks(rng.standard_normal((n, 3), np.float32), rng),
        turns=training.draw_turns(n, 256, steps, rng),
    )


def work(shape: str, n_members: int, threads: int, n: int = 16_384, steps: int = 16) -> Work:
    data = draw(shape, n_members, n, steps)
    done = training.work(data, threads, tolerance=1e-4)
    return replace(done, flops=6 * steps * 256 * data.config.multiply_adds())


CASES = {
    f"{shape}, {n_members} member{'s' * (n_members > 1)}": partial(work, shape, n_members, 2)
    for shape, n_members in (("categories", 1), ("numbers", 1), ("numbers", 8))
}
SMOKE = {
    "numbers, 3 members": partial(work, "numbers", 3, 2, 512, 2),
    "categories": partial(work, "categories", 1, 2, 512, 2),
}
