"""scikit-learn estimators: the only layer that knows scikit-learn's conventions."""

from dcnfast.estimators.classifier import DCNClassifier
from dcnfast.estimators.files import load
from dcnfast.estimators.ranker import DCNRanker
from dcnfast.estimators.regressor import DCNRegressor

__all__ = ["DCNClassifier", "DCNRanker", "DCNRegressor", "load"]
