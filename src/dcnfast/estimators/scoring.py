"""``scoring``: what judges the rows that early stopping watches."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy.typing as npt
from sklearn.metrics import check_scoring

from dcnfast.encode.encoded import Encoded
from dcnfast.estimators.published import private_copy
from dcnfast.network.model import Model

Array = npt.NDArray[Any]


def scorer_of_rows(
    estimator: Any, model: Model, rows: Encoded, y: Array, weight: Array | None
) -> Callable[[], Any]:
    """Return a function that scores a model, as it is then, on rows that are encoded already.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Has all that predicts but the model.
    model : Model
    rows : Encoded
    y : ndarray of shape (n,) or (n, C)
    weight : ndarray of shape (n,) or None
        Given to scorers that take one.
    """
    judged = private_copy(estimator)
    judged._model = model
    scorer = check_scoring(judged, estimator.scoring)
    weighted = weight is not None and takes_weight(scorer)
    more = {"sample_weight": weight} if weighted else {}
    return lambda: scorer(judged, rows, y, **more)


def takes_weight(scorer: Callable[..., Any]) -> bool:
    """Return whether a scorer, or a function of estimator, X and y, takes sample_weight."""
    if hasattr(scorer, "_accept_sample_weight"):  # whatever its metric takes
        return bool(scorer._accept_sample_weight())
    try:
        parameters = inspect.signature(scorer).parameters.values()
    except (TypeError, ValueError):  # compiled functions need not say what they take
        return False
    return any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters)
