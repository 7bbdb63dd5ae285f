"""W12: 400 candidates of one request, beside ``predict`` of a table that repeats the context."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from bench.harness import Array, Work
from bench.recipe import ONE_NETWORK
from bench.training import multiply_adds
from dcnfast import DCNClassifier
from dcnfast.cpu import effective_threads

TITLE = (
    "W12: 400 candidates of 6 columns for a request of 20, 26 columns of categories in all; "
    "predict gets a table with the request in every row, the scorer a catalog that is read"
)
CONTEXT, OWN, LEVELS = 20, 6, 500
ROWS = 4_000  # of the fit, whose quality does not matter here


@dataclass(frozen=True, eq=False)
class Request:
    """A fitted model, and a request with its candidates.

    Parameters
    ----------
    estimator : DCNClassifier
    context : dict
    candidates : DataFrame of shape (n, 6)
    whole : DataFrame of shape (n, 26)
        The candidates with the context in each row.
    """

    estimator: DCNClassifier
    context: dict[str, Any]
    candidates: pd.DataFrame
    whole: pd.DataFrame

    def answer(self) -> tuple[Array]:
        return (self.estimator.predict_proba(self.whole)[:, 1].astype(np.float64),)


@cache
def fitted(members: int, width: int) -> tuple[DCNClassifier, pd.DataFrame]:
    rng = np.random.default_rng(0)
    names = [f"context_{j}" for j in range(CONTEXT)] + [f"item_{j}" for j in range(OWN)]
    X = pd.DataFrame({name: rng.integers(LEVELS, size=ROWS).astype(str) for name in names})
    settings = {
        "cross_layers": 2, "hidden_layer_sizes": (400, 400), "embedding_dim": width,
        "max_iter": 1, "early_stopping": False, "random_state": 0,
    }  # fmt: skip
    model = DCNClassifier(**ONE_NETWORK | settings | {"n_members": members})
    return model.fit(X, rng.random(ROWS) < 0.3), X


def work(n: int, members: int, width: int) -> Work:
    """Arithmetic is that of whole rows, whatever a rival saves of it."""
    model, X = fitted(members, width)
    request = {name: X[name][0] for name in X.columns[:CONTEXT]}
    items = X[X.columns[CONTEXT:]][:n]
    data = Request(model, request, items, items.assign(**request)[list(X.columns)])
    layers = {k: p for k, p in model.parameters_.items() if not k.startswith("embedding_")}
    return Work(
        data=data,
        threads=effective_threads(None),
        rows=n,
        flops=2 * n * members * multiply_adds(layers),
        bytes=4 * n * width * (CONTEXT + OWN),
        reference=data.answer,
        tolerance=1e-3,
    )


CASES = {
    "one member": partial(work, 400, 1, 16),
    "8 members": partial(work, 400, 8, 16),
}
SMOKE = {"5 candidates": partial(work, 5, 2, 4)}
