"""W14: whole fits of rankers, beside LightGBM's and beside a regression of the same rows.

Relevance is drawn from known utilities, so that the answer, 1 less the NDCG of other groups, has a
reference: that of the utilities without the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd

from bench.harness import Array, Work
from dcnfast.cpu import effective_threads
from dcnfast.metrics import ndcg

TITLE = (
    "W14: fit of DCNRanker and of LGBMRanker at their defaults, groups of 5 to 40 rows, 8 columns "
    "of numbers and 2 of categories; the loss is 1 less the NDCG of 1,000 other groups"
)
NUMBERS, LEVELS, TESTED = 8, 15, 1_000


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups to fit, and others to judge the fit by."""

    X: pd.DataFrame
    y: Array
    group: Array
    X_test: pd.DataFrame
    y_test: Array
    group_test: Array
    utility_test: Array

    def loss(self, scores: Array) -> tuple[Array]:
        """Return 1 less the NDCG of the other groups, as a curve of one point."""
        return (np.array([1 - ndcg(self.y_test, scores, self.group_test)]),)


@cache
def draw(n_groups: int) -> Groups:
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 41, n_groups + TESTED)
    group = np.repeat(np.arange(len(sizes)), sizes)
    n = len(group)
    z = rng.standard_normal((n, NUMBERS))
    z[:, :2] = rng.standard_normal((len(sizes), 2))[group]  # of the group
    levels = rng.integers(LEVELS, size=(n, 2))
    effects = rng.standard_normal((2, LEVELS)) / 2
    utility = z[:, 0] * z[:, 2] + np.sin(2 * z[:, 3]) + z[:, 4] * z[:, 5] / 2
    utility += effects[[0, 1], levels].sum(axis=1)
    y = np.digitize(utility + rng.standard_normal(n), [0.5, 1.5, 2.5, 3.5])
    X = pd.DataFrame({f"number_{j}": z[:, j] for j in range(NUMBERS)})
    for j in range(2):
        X[f"word_{j}"] = pd.Categorical([f"level {i}" for i in levels[:, j]])
    first = int(sizes[:n_groups].sum())
    parts = [(X[some], y[some], group[some]) for some in (slice(first), slice(first, None))]
    return Groups(*parts[0], *parts[1], utility[first:])


def work(n_groups: int, tolerance: float) -> Work:
    """Bytes are those of the table; how much arithmetic a fit takes is part of the answer."""
    groups = draw(n_groups)
    return Work(
        data=groups,
        threads=effective_threads(None),
        rows=len(groups.y),
        flops=0,
        bytes=8 * groups.X.size,
        reference=partial(groups.loss, groups.utility_test),
        tolerance=tolerance,
        losses=True,
    )


CASES = {"500 groups": partial(work, 500, 0.05)}
SMOKE = {"30 groups": partial(work, 30, 1.0)}
