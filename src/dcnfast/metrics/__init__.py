"""Metrics of clicks and rankings, with sample weights, and scorers made of them.

Each is a function of ``(y_true, y_pred)``. :func:`scorer` makes what scikit-learn takes as
``scoring``.
"""

from dcnfast.metrics.curve import auc, grouped_auc
from dcnfast.metrics.probabilities import (
    CalibrationCurve,
    calibration_curve,
    calibration_ratio,
    log_loss,
    normalized_entropy,
)
from dcnfast.metrics.ranking import hit_rate, mrr, ndcg
from dcnfast.metrics.scorers import scorer

__all__ = [
    "CalibrationCurve",
    "auc",
    "calibration_curve",
    "calibration_ratio",
    "grouped_auc",
    "hit_rate",
    "log_loss",
    "mrr",
    "ndcg",
    "normalized_entropy",
    "scorer",
]
