"""Rows that are ranked: those of a group stand together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import column_or_1d

from dcnfast.estimators.ranking_target import RankingTarget
from dcnfast.estimators.splits import Part
from dcnfast.metrics.arguments import read_groups
from dcnfast.table.schema import Table

Array = npt.NDArray[Any]


def part_of_groups(
    name: str,
    table: Table,
    y: Array,
    weight: Array,
    group: Any,
    target: RankingTarget,
    dtype: npt.DTypeLike | None = None,
) -> Part:
    """Return checked rows, those of a group together; the name of y is for messages.

    Those of some group have to differ as a network of ``dtype`` sees them, if one is named.
    """
    if y.ndim > 1:
        y = column_or_1d(y, warn=True)
    columns, codes = target.judged(name, y), read_groups(group, len(y)).codes
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        table, y, columns = table.take(order), y[order], columns[order]
        weight, codes = weight[order], codes[order]
    if dtype is not None:
        present = weight > 0
        _check_differ(name, target.scaled(columns[present], dtype)[:, 0], codes[present])
    return Part(table, y, columns, weight, weight, group=codes)


def _check_differ(name: str, y: Array, codes: Array) -> None:
    """Raise ValueError unless some group has rows that differ."""
    if len(y) < 2:
        raise ValueError(f"n_samples = {len(y)}, want two rows of a group at least, to compare")
    if not ((np.diff(y) != 0) & (np.diff(codes) == 0)).any():
        n = len(np.unique(codes))
        raise ValueError(
            f"{name} is the same for all rows of each of {n} groups, want one at least in which "
            "some rows are more relevant than others"
        )
