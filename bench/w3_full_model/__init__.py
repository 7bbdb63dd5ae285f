"""W3: the full model on a table like Criteo's, whole training steps."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from bench import training
from bench.harness import Array, Work
from bench.training import Training
from dcnfast.cpu import effective_threads
from dcnfast.network.config import NetworkConfig

TITLE = (
    "W3: full model, 26 fields with 1 M ids in all (Zipf), K = 16, 13 dense columns, 3 cross "
    "layers, deep 400 x 3, B = 4096, lazy Adam, 4 steps a turn"
)
FORMS: dict[str, dict[str, Any]] = {
    "matrix": {"cross": "matrix"},
    "low rank 64": {"cross": "lowrank", "cross_rank": 64},
}
FIELDS, DENSE, WIDTH = 26, 13, 16
FEWEST, TABLE_ROWS = 4, 1_000_000
ZIPF = 1.1


def field_sizes(n_rows: int) -> Array:
    """Return sizes in a geometric row, from 4 on, that add up to about so many rows."""
    ratios = np.linspace(1, 3, 20_001)[:, None] ** np.arange(FIELDS)
    fitting = ratios[np.searchsorted(FEWEST * ratios.sum(axis=1), n_rows)]
    return (FEWEST * fitting).astype(int)


def draw_ids(sizes: Array, n: int, rng: np.random.Generator) -> Array:
    """Draw ids (n,F); the k-th most frequent of a field occurs as k to the power of -ZIPF."""
    columns = []
    for size in sizes:
        cumulated = np.cumsum(np.arange(1, size + 1) ** -ZIPF)
        places = np.searchsorted(cumulated, rng.random(n) * cumulated[-1])
        columns.append(rng.permutation(size)[places])
    return np.column_stack(columns).astype(np.int32)


@cache
def draw(form: str, table_rows: int, hidden: tuple[int, ...], B: int, n_turns: int) -> Training:
    rng = np.random.default_rng(0)
    sizes = field_sizes(table_rows)
    n, steps = n_turns * 4 * B, 4
    ids = draw_ids(sizes, n, rng)
    dense = rng.standard_normal((n, DENSE), np.float32)
    config = NetworkConfig(
        fields=tuple((f"field_{f}", int(size), WIDTH) for f, size in enumerate(sizes)),
        n_dense=DENSE,
        cross_layers=3,
        hidden=hidden,
        loss="log_loss",
        **FORMS[form],
    )
    return Training(
        config=config,
        parameters=training.draw_parameters(config, rng),
        ids=ids,
        dense=dense,
        target=training.draw_clicks(dense, rng),
        turns=training.draw_turns(n, B, steps, rng),
    )


def work(form: str, threads: int | None = None, n_turns: int = 16) -> Work:
    drawn = draw(form, TABLE_ROWS, (400, 400, 400), 4096, n_turns)
    return training.work(drawn, threads or effective_threads(None), tolerance=1e-4)


def small_work(form: str, threads: int | None = None) -> Work:
    drawn = draw(form, 2_000, (20, 20), 64, 2)
    return training.work(drawn, threads or effective_threads(None), tolerance=1e-4)


CASES = {form: partial(work, form) for form in FORMS}
SMOKE = {form: partial(small_work, form) for form in FORMS}
