"""Which tables have statistics of targets by themselves: ``target_statistics="auto"``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dcnfast.encode.grouped_rows import Targets
from dcnfast.encode.target_statistics import Rule, Statistics
from dcnfast.table.factor import Factor
from dcnfast.training.target_statistics import FEW, MANY

WIDEST = 8  # columns of ids whose pairs are looked at
TELLING = 0.1  # share of what two columns of ids leave that their pairs say: they come again


def has_many_rare_categories(factors: Sequence[Factor], n: int) -> bool:
    """Return whether a column has many categories of few rows each, of n rows."""
    return any(max(MANY, n / FEW) <= seen <= n / 2 for seen in map(_n_seen, factors))


def pairs_come_again(
    rule: Rule,
    factors: Sequence[Factor],
    n: int,
    targets: Callable[[], Targets],
    n_jobs: int | None,
) -> bool:
    """Return whether pairs of ids, such as users and items, say much beside the ids themselves.

    Parameters
    ----------
    rule : Rule
    factors : sequence of Factor
        Of n rows.
    n : int
    targets : callable
        Makes the targets of these rows, if they are needed.
    n_jobs : int or None
    """
    n_seen = [_n_seen(factor) for factor in factors]
    wide = [j for j, seen in enumerate(n_seen) if MANY <= seen <= n / 2]
    if len(wide) < 2:
        return False
    widest = sorted(sorted(wide, key=lambda j: -n_seen[j])[:WIDEST])
    ids = np.column_stack([factors[j].codes + 1 for j in widest])
    statistics = Statistics(rule, [len(factors[j].values) + 1 for j in widest])
    return statistics.share_of_pairs(ids, targets(), range(len(widest)), n_jobs) >= TELLING


def _n_seen(factor: Factor) -> int:
    """Return how many of the values a row has."""
    return int((factor.counts()[:-1] > 0).sum())
