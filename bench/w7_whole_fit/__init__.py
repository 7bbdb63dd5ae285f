"""W7: a classifier's fit from the DataFrame to the end: encode, train, validate.

One network over scaled numbers (bench/recipe.py), whatever the defaults are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from bench.harness import Array, Work
from bench.recipe import ONE_NETWORK
from bench.training import draw_clicks
from dcnfast import DCNClassifier
from dcnfast.cpu import effective_threads

TITLE = (
    "W7: DCNClassifier.fit from a DataFrame, 10 columns of strings and 10 of numbers, 1,000,000 "
    "rows of which a tenth is held out, 5 epochs; the engine is train_epoch and evaluate"
)
COLUMNS = 10
SHARE = 0.1  # held out


@dataclass(frozen=True, eq=False)
class Fit:
    """A table with its labels, and the parameters of the estimator."""

    X: pd.DataFrame
    y: Array
    estimator: dict[str, Any]


@cache
def draw(n: int, largest: int, epochs: int) -> Fit:
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((n, COLUMNS), np.float32).astype(np.float64)
    columns: dict[str, Array] = {}
    for f, size in enumerate(np.geomspace(5, largest, COLUMNS).astype(int)):
        words = np.array([f"word {i}" for i in range(size)], dtype=object)
        columns[f"field_{f}"] = words[(size * rng.random(n) ** 3).astype(int)]
    columns |= {f"number_{m}": 100 + 15 * column for m, column in enumerate(numbers.T)}
    estimator = ONE_NETWORK | {
        "embedding_dim": 8, "max_iter": epochs, "early_stopping": True, "tol": None,
        "validation_fraction": SHARE, "random_state": 0,
    }  # fmt: skip
    return Fit(pd.DataFrame(columns), draw_clicks(numbers, rng)[:, 0].astype(int), estimator)


def _loss_curve(fit: Fit) -> tuple[Array]:
    """Return each epoch's mean loss, in float64."""
    model = DCNClassifier(**fit.estimator, dtype="float64")
    return (np.array(model.fit(fit.X, fit.y).loss_curve_),)


def work(n: int, largest: int, epochs: int) -> Work:
    """Six flops a row and weight of the network; the table once through memory."""
    fit = draw(n, largest, epochs)
    D = COLUMNS * (fit.estimator["embedding_dim"] + 1)
    weights = 3 * D * D + D * 128 + 128 * 64 + D + 64
    trained = round(n * (1 - SHARE))
    return Work(
        data=fit,
        threads=effective_threads(None),
        rows=trained * epochs,
        flops=epochs * weights * (6 * trained + 2 * (n - trained)),
        bytes=8 * n * len(fit.X.columns),
        reference=partial(_loss_curve, fit),
        tolerance=1e-3,  # float32 along a whole trajectory
        losses=True,
    )


CASES = {"1 M rows": partial(work, 1_000_000, 20_000, 5)}
SMOKE = {"500 rows": partial(work, 500, 30, 2)}
