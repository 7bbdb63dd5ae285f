"""Categories too rare for embeddings of their own, where statistics of targets speak for them.

An embedding of a few rows may learn these by heart, and early stopping then ends the training of
all the rest; or it may learn what no mean of the target says. A trial finds out which. Where it is
the former, they are unknown categories in training, whose one embedding they all get at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.vocabulary import MISSING, UNKNOWN
from dcnfast.table.schema import Table

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]

FEWEST = 50  # training rows of a category that has its own embedding


def may_share(estimator: Any, table: Table) -> bool:
    """Return whether rare categories of a table with statistics may have no embeddings.

    Not where they are as rare as ``min_frequency`` says, or embeddings are shared, given or go on;
    nor where the statistics were asked for.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
    table : Table
        Of the training rows.
    """
    chosen = (
        estimator.min_frequency, estimator.max_categories, estimator.hash_buckets,
        estimator.shared_embeddings, estimator.pretrained_embeddings, estimator.frozen_embeddings,
    )  # fmt: skip
    automatic = isinstance(estimator.target_statistics, str)
    if not automatic or estimator.warm_start or any(said is not None for said in chosen):
        return False
    seen = (factor.counts()[:-1] for factor in table.factors)
    return any(((n > 0) & (n < FEWEST)).any() for n in seen)


def rare_categories(encoder: TableEncoder) -> tuple[Mask, ...]:
    """Return for each field with single values which rows of its table are not trained.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    """
    single = encoder.fields[: len(encoder.fields) - len(encoder.poolings)]
    masks = tuple(field.counts < FEWEST for field in single)
    for mask in masks:
        mask[MISSING] = False
    return masks


def as_unknown(ids: Ids, rare: Sequence[Mask]) -> Ids:
    """Return ids (n, F) as training reads them.

    Parameters
    ----------
    ids : ndarray of shape (n, F), int32
    rare : sequence of ndarray of shape (V_f,), bool
    """
    if not rare:
        return ids
    return np.stack(
        [
            np.where(mask[own], np.int32(UNKNOWN), own)
            for mask, own in zip(rare, ids.T, strict=True)
        ],
        axis=1,
    )


def counts_as_unknown(counts: Sequence[Counts], rare: Sequence[Mask]) -> list[Counts]:
    """Return how often training sees each row of the fields' tables, rare ones as unknown."""
    seen = list(counts)
    for f, mask in enumerate(rare):
        seen[f] = np.where(mask, 0, counts[f])
        seen[f][UNKNOWN] = counts[f][mask].sum()
    return seen
