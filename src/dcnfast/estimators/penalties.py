"""The L2 penalties that an estimator's parameters describe."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from dcnfast.encode.encoder import TableEncoder
from dcnfast.estimators.circumstances import Circumstances
from dcnfast.estimators.constraints import PARTS
from dcnfast.network.config import NetworkConfig

IDS = 500  # categories of a column of ids
ALPHA_OF_IDS = 1e-3  # L2 of their embeddings


def penalties(
    estimator: Any,
    decays: bool,
    encoder: TableEncoder,
    circumstances: Circumstances | NetworkConfig,
    has_pretrained: bool,
) -> dict[str, Any]:
    """Return what a network's description says of them.

    With ``embedding_penalty="auto"`` embeddings are held in a table of ids, unless something is
    said of them; not in a stream, where ids that do not come for a while would be forgotten.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
    decays : bool
        Whether the optimizer decays weights.
    encoder : TableEncoder
        Fitted.
    circumstances : Circumstances or NetworkConfig
        See :func:`dcnfast.estimators.configure.configure`.
    has_pretrained : bool
        Whether there are embeddings already.
    """
    found: dict[str, Any] = _alphas(estimator.alpha, decays, circumstances)
    given = estimator.embedding_penalty
    if given != "auto":
        return found | {"embedding_penalty": given}
    if isinstance(circumstances, NetworkConfig):
        return found | {"embedding_penalty": circumstances.embedding_penalty}
    silent = decays and isinstance(estimator.alpha, str)
    stays = circumstances.streams or circumstances.shares_rare or has_pretrained
    if encoder.statistics is None:
        has_ids = _has_ids(encoder, circumstances.n_table)
    else:  # which speak for ids, if they were asked for
        has_ids = isinstance(estimator.target_statistics, str)
    if not silent or stays or not has_ids:
        return found | {"embedding_penalty": "batch"}
    return found | {"embedding_penalty": "table", "alpha_embedding": ALPHA_OF_IDS}


def _has_ids(encoder: TableEncoder, n_rows: int) -> bool:
    """Return whether a field has many categories, and all together no more than there are rows."""
    sizes = [field.size for field in encoder.fields]
    return max(sizes, default=0) >= IDS and sum(sizes) <= n_rows


def _alphas(
    given: Any, decays: bool, circumstances: Circumstances | NetworkConfig
) -> dict[str, float]:
    names = {f"alpha_{part}": part for part in PARTS}
    if isinstance(given, str):  # "auto"
        if isinstance(circumstances, NetworkConfig):
            return {name: getattr(circumstances, name) for name in names}
        return dict.fromkeys(names, 0.0 if decays else min(0.01, 10 / circumstances.n_rows))
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, float(given))
    for part, value in given.items():
        if part not in PARTS:
            raise ValueError(f"alpha has the key {part!r}, want keys of {PARTS!r}")
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < np.inf:
            raise ValueError(f"alpha has {value!r} for {part!r}, want finite numbers >= 0")
    return {name: float(given.get(part, 0.0)) for name, part in names.items()}
