"""The area under the ROC curve of many clicks, exact in ties."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from scipy.stats import rankdata

from bench.harness import Array, Work

TITLE = "AUC: one click in ten, with scores of float32 and float64, all different or often equal"
Data = tuple[Array, Array, Array | None]


@cache
def draw(dtype: str, levels: int | None, weighted: bool, n: int) -> Data:
    """Return labels, probabilities (rounded to so many levels), and weights."""
    rng = np.random.default_rng(0)
    clicks = rng.random(n) < 0.1
    p = 1 / (1 + np.exp(-rng.standard_normal(n) - clicks))
    if levels:
        p = np.round(p * levels) / levels
    return clicks, p.astype(dtype), rng.random(n) + 0.5 if weighted else None


def answer(clicks: Array, scores: Array, weight: Array | None) -> tuple[Array]:
    """Return the area by ranks; with weights by the weight of the rows below."""
    if weight is None:
        ranks = rankdata(scores)
        n = int(clicks.sum())
        won = ranks[clicks].sum() - n * (n + 1) / 2
        return (np.array(won / (n * (len(clicks) - n))),)
    values, places = np.unique(scores, return_inverse=True)
    below, above = (np.bincount(places, weight * rows, len(values)) for rows in (~clicks, clicks))
    won = (above * (np.cumsum(below) - below / 2)).sum()
    return (np.array(won / (above.sum() * below.sum())),)


def work(
    dtype: str, levels: int | None = None, *, weighted: bool = False, n: int = 10_000_000
) -> Work:
    data = draw(dtype, levels, weighted, n)
    return Work(
        data=data,
        threads=1,
        rows=n,
        flops=0,
        bytes=sum(column.nbytes for column in data if column is not None),
        reference=partial(answer, *data),
        tolerance=1e-10,
    )


CASES = {
    "float32, 10 M rows": partial(work, "float32"),
    "float64, 10 M rows": partial(work, "float64"),
    "float64, 1,000 levels, 10 M rows": partial(work, "float64", 1000),
    "float64, with weights, 10 M rows": partial(work, "float64", weighted=True),
}
SMOKE = {
    "float32, 500 rows": partial(work, "float32", n=500),
    "float64, 9 levels, 500 rows": partial(work, "float64", 9, n=500),
    "with weights, 500 rows": partial(work, "float64", 9, weighted=True, n=500),
}
