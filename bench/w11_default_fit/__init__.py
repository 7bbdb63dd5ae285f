"""W11: whole fits at the defaults, beside CatBoost at its own.

The labels are drawn from known probabilities, so that the answer, the log-loss of other rows, has a
reference: the log-loss of these probabilities, which no model falls below but by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd

from bench.harness import Array, Work
from dcnfast.cpu import effective_threads

TITLE = (
    "W11: fit of DCNClassifier and of CatBoostClassifier at their defaults, 10 columns of numbers "
    "and 4 of strings; the loss is that of 20,000 other rows. Last epochs: CPU time of a row in "
    "the last five epochs of a training over that in the second to sixth, the most of all trainings"
)
NUMBERS, WORDS, LEVELS = 10, 4, 12
TESTED = 20_000


@dataclass(frozen=True, eq=False)
class Tables:
    """A table to fit, and one to judge the fit by."""

    X: pd.DataFrame
    y: Array
    X_test: pd.DataFrame
    y_test: Array
    p_test: Array


@cache
def draw(n: int) -> Tables:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((n + TESTED, NUMBERS))
    levels = rng.integers(LEVELS, size=(n + TESTED, WORDS))
    effects = rng.standard_normal((WORDS, LEVELS)) / 2
    logit = 2 * np.sin(z[:, 0]) + z[:, 1] * z[:, 2] + 2 * (z[:, 3] > 0.5) - 1
    logit += effects[np.arange(WORDS), levels].sum(axis=1)
    p = 1 / (1 + np.exp(-logit))
    y = (rng.random(n + TESTED) < p).astype(int)
    columns = {f"number_{j}": z[:, j] for j in range(NUMBERS)}
    names = np.array([f"level {i}" for i in range(LEVELS)], dtype=object)
    X = pd.DataFrame(columns | {f"word_{j}": names[levels[:, j]] for j in range(WORDS)})
    return Tables(X[:n], y[:n], X[n:], y[n:], p[n:])


def loss(y: Array, p: Array) -> tuple[Array]:
    """Return the log-loss, as a curve of one point."""
    return (np.array([-np.log(np.where(y == 1, p, 1 - p)).mean()]),)


def work(n: int, tolerance: float) -> Work:
    """Bytes are those of the table; how much arithmetic a fit takes is part of the answer."""
    tables = draw(n)
    return Work(
        data=tables,
        threads=effective_threads(None),
        rows=n,
        flops=0,
        bytes=8 * tables.X.size,
        reference=partial(loss, tables.y_test, tables.p_test),
        tolerance=tolerance,
        losses=True,
    )


CASES = {f"{n:,} rows": partial(work, n, 0.05) for n in (15_000, 60_000)}
SMOKE = {"70 rows": partial(work, 70, 1.0)}
