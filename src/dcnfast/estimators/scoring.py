"""``scoring``: what judges the rows that early stopping watches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy.typing as npt
from sklearn import config_context
from sklearn.metrics import check_scoring

from dcnfast.encode.encoded import Encoded
from dcnfast.estimators.published import private_copy
from dcnfast.network.model import Model

Array = npt.NDArray[Any]


def scorer_of_rows(
    estimator: Any,
    model: Model,
    rows: Encoded,
    y: Array,
    weight: Array,
    group: Array | None = None,
) -> Callable[[], Any]:
    """Return a function that scores a model, as it is then, on rows that are encoded already.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Has all that predicts but the model.
    model : Model
    rows : Encoded
    y : ndarray of shape (n,) or (n, C)
    weight : ndarray of shape (n,)
        Given to functions that take one, and to scorers of scikit-learn that do unless all are
        equal: some of its metrics refuse what they would not need.
    group : ndarray of shape (n,) or None, default=None
        Given to scorers that take one, and to those of scikit-learn whose metric does.
    """
    judged = private_copy(estimator)
    judged._model = model
    scorer = check_scoring(judged, estimator.scoring)
    more = {"sample_weight": weight} if wants_weight(scorer, weight) else {}
    if group is None:
        return lambda: scorer(judged, rows, y, **more)
    of_metric = hasattr(scorer, "_score_func")
    if _takes(scorer._score_func if of_metric else scorer, "group"):
        more["group"] = group

    def judge() -> Any:
        with config_context(enable_metadata_routing=of_metric):  # or it refuses a group
            return scorer(judged, rows, y, **more)

    return judge


def wants_weight(scorer: Callable[..., Any], weight: Array) -> bool:
    """Return whether a scorer, or a function of estimator, X and y, is to get sample_weight."""
    if hasattr(scorer, "_accept_sample_weight"):  # whatever its metric takes
        return bool((weight != weight[0]).any() and scorer._accept_sample_weight())
    return _takes(scorer, "sample_weight")


def _takes(function: Callable[..., Any], name: str) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled functions need not say what they take
        return False
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)
