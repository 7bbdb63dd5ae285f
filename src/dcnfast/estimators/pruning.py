"""``prune_members``: which members of the ensemble predict rows best together."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from dcnfast.estimators.prediction import predict_logits
from dcnfast.estimators.saved import attributes_of
from dcnfast.metrics.arguments import read_groups
from dcnfast.network.members import choose_members, keep_members
from dcnfast.plain import Tree
from dcnfast.table.schema import read_validation_table


def pruned_attributes(
    fit: Any, X: Any, y: Any, sample_weight: Any, n_members: Any, *, y_numeric: bool, group: Any
) -> Tree:
    """Return the attributes of an estimator that are others with the members worth keeping.

    Parameters
    ----------
    fit : DCNRegressor, DCNClassifier or DCNRanker
    X, y, sample_weight, n_members : see :meth:`dcnfast.DCNRegressor.prune_members`
    y_numeric : bool
        Whether y holds numbers.
    group : array-like of shape (n_samples,) or None
        Of each row, where the loss ranks.
    """
    check_is_fitted(fit)
    E = fit._model.config.n_members
    if E == 1:
        raise ValueError("prune_members: the network has one member, want n_members above 1")
    whole = isinstance(n_members, Integral) and not isinstance(n_members, bool)
    if n_members is not None and not (whole and 1 <= n_members <= E):
        raise ValueError(f"n_members is {n_members!r}, want an integer from 1 to {E}, or None")
    table, y = read_validation_table(fit, X, y, y_numeric=y_numeric)
    target = fit._target.scaled(fit._target.judged("y", y), np.float64)
    weight = fit._check_weight(sample_weight, table)
    codes = read_groups(group, len(table)).codes
    encoded = fit.encoder_.transform(table, fit._model.config.dtype, fit.n_jobs)
    logits = predict_logits(fit, encoded, of_members=True)
    chosen = choose_members(fit._target.loss, logits, target, weight, n_members, codes)
    model = keep_members(fit._model, chosen)
    return attributes_of(replace(fit._fitted_before(), model=model, training=None))
