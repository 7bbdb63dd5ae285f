"""Scorers of scikit-learn that judge by the metrics of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.metrics import make_scorer

from dcnfast.metrics.curve import auc, grouped_auc
from dcnfast.metrics.probabilities import (
    calibration_error,
    calibration_ratio,
    log_loss,
    normalized_entropy,
)
from dcnfast.metrics.ranking import hit_rate, mrr, ndcg

SCORES = ("decision_function", "predict_proba", "predict")  # of an estimator, the first it has
PROBABILITIES = ("predict_proba", "predict")

# function that judges, whether more is better, what it judges
_KINDS: dict[Callable[..., Any], tuple[Callable[..., float], bool, tuple[str, ...]]] = {
    auc: (auc, True, SCORES),
    grouped_auc: (grouped_auc, True, SCORES),
    ndcg: (ndcg, True, SCORES),
    mrr: (mrr, True, SCORES),
    hit_rate: (hit_rate, True, SCORES),
    log_loss: (log_loss, False, PROBABILITIES),
    normalized_entropy: (normalized_entropy, False, PROBABILITIES),
    calibration_ratio: (calibration_error, False, PROBABILITIES),
}


def scorer(metric: Callable[..., Any], **options: Any) -> Any:
    """Return a scorer, for ``scoring`` of scikit-learn's functions and of dcnfast's estimators.

    More is better: losses are negated, and ``calibration_ratio`` gives minus the absolute value of
    its logarithm. Of classifiers the decision function is ranked, or the probability of the second
    class, which is also what losses judge; of others what ``predict`` gives. Weights are taken as
    ``sample_weight``. Groups come through scikit-learn's metadata routing, once it is enabled:
    ``scorer(metrics.ndcg, k=10).set_score_request(group=True)``, and ``params={"group": users}`` of
    ``cross_validate``.

    Parameters
    ----------
    metric : callable
        One of this package: ``auc``, ``grouped_auc``, ``log_loss``, ``normalized_entropy``,
        ``calibration_ratio``, ``ndcg``, ``mrr`` or ``hit_rate``.
    **options
        Keyword arguments of the metric, such as ``k=10``.

    Returns
    -------
    scorer : callable
        Of ``(estimator, X, y)``.

    Raises
    ------
    ValueError
        If it is none of these metrics.
    TypeError
        If the metric has no such option.
    """
    try:
        judge, more_is_better, methods = _KINDS[metric]
    except (KeyError, TypeError):
        names = ", ".join(kind.__name__ for kind in _KINDS)
        shown = getattr(metric, "__name__", repr(metric))
        raise ValueError(
            f"metric is {shown}, want a function of dcnfast.metrics: {names}"
        ) from None
    known = set(judge.__kwdefaults__ or ())
    if unknown := sorted(set(options) - known):
        raise TypeError(
            f"{metric.__name__} has no option {', '.join(unknown)}, want {sorted(known)!r}"
        )
    return make_scorer(judge, response_method=methods, greater_is_better=more_is_better, **options)
