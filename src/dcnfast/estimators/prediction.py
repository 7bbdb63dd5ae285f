"""From a table to the logits of a fitted estimator."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from dcnfast.encode.encoded import Encoded
from dcnfast.serving.row_predictor import finite_logits, threads_for
from dcnfast.table.schema import read_table

Array = npt.NDArray[Any]


def encode_table(estimator: Any, X: Any) -> Encoded:
    """Return a table of the columns of ``fit`` as the network reads it."""
    table = read_table(estimator, X)
    encoded: Encoded = estimator.encoder_.transform(
        table, estimator._model.config.dtype, estimator.n_jobs
    )
    return encoded


def predict_logits(estimator: Any, X: Any, *, of_members: bool = False) -> Array:
    """Return finite logits (N, C), whatever the table, or those of each member (N, E, C)."""
    # early stopping's scorers come with rows that are encoded already
    rows = X if isinstance(X, Encoded) else encode_table(estimator, X)
    threads = threads_for(len(rows), estimator.n_jobs)
    encoder, model = estimator.encoder_, estimator._model
    return finite_logits(encoder, model, rows, threads, of_members=of_members)
