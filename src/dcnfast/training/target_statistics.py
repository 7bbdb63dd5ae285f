"""``target_statistics``: columns of target means and counts, by category and pair of categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from dcnfast.encode.target_statistics import Rule
from dcnfast.network.kinds import POSITIVE, Family, Kind, Option

MANY = 100  # categories of a column, from which on "auto" makes statistics
FEW = 20  # rows of its categories, up to which it does


def _is_whole_number(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool | np.bool_)


def _at_least(least: int) -> Option:
    wanted = f"an integer of at least {least}"
    return Option(wanted, _is_whole_number, lambda given: given >= least)


class TargetStatistics(Kind):
    """Means of the target and counts of rows, by category, as further numeric columns.

    They help where columns have many categories of few rows each, of which an embedding learns too
    little, and where two columns say together what neither says alone. Where all categories are
    frequent they may do harm; so they do, much more, where pairs of columns tell the date and later
    rows are predicted. To be measured on rows like those to be predicted: a random part of the
    training rows does not show the latter.

    A row that is trained on gets those of the rows in other folds, so that its own target is never
    in its input; a row that is predicted gets those of all training rows.

    What is rare, hashed, missing or unknown to the embeddings is so here: rare categories, and
    those of a bucket, have one mean, missing is a category, and what training has not seen has the
    mean of all rows and the count 0. There are means of at most ten classes or targets. Pairs are
    looked for among at most 32 columns, on at most 50,000 rows, and kept as far as their means take
    no more than 8 million entries.

    Parameters
    ----------
    order : {1, 2}, default=2
        1: for each categorical column. 2: for pairs of such columns as well, those whose means say
        more of the training rows' targets than the means of their two columns.
    folds : int, default=10
    smoothing : float, default=2.0
        Rows of the mean of all that are added to each category.
    max_pairs : int, default=30
        Most pairs. With several targets or classes, which have a mean each, so many fewer.
    min_categories : int, default=10
        Columns of fewer categories have no statistics, and pairs of fewer than twice as many; nor
        have columns whose categories have fewer than two rows each in the mean.
    """

    name = "auto"
    summary = (
        f"Those of an object with its defaults where a column has {MANY} categories or more, of 2 "
        f"to {FEW} training rows each in the mean, or where pairs of two such columns, of any "
        "number of rows, say a tenth or more of what the two leave; else none, and none in "
        "``partial_fit``."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "order": Option("1 or 2", _is_whole_number, lambda given: given in (1, 2)),
        "folds": _at_least(2),
        "smoothing": POSITIVE,
        "max_pairs": _at_least(0),
        "min_categories": _at_least(2),
    }

    def __init__(
        self,
        *,
        order: int = 2,
        folds: int = 10,
        smoothing: float = 2.0,
        max_pairs: int = 30,
        min_categories: int = 10,
    ) -> None:
        self.order = order
        self.folds = folds
        self.smoothing = smoothing
        self.max_pairs = max_pairs
        self.min_categories = min_categories

    def rule(self) -> Rule:
        """Return what the encoder needs to know."""
        return Rule(
            order=int(self.order),
            folds=int(self.folds),
            smoothing=float(self.smoothing),
            max_pairs=int(self.max_pairs),
            min_categories=int(self.min_categories),
        )


TARGET_STATISTICS = Family("target_statistics", TargetStatistics)


def rule_of(given: str | TargetStatistics) -> Rule:
    """Return what the encoder needs to know."""
    rule = TARGET_STATISTICS.resolve(given, {}).rule()
    # of the categories of all rows a part may have fewer
    return replace(rule, largest=MANY // 2) if isinstance(given, str) else rule
