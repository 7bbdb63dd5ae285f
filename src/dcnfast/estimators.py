"""scikit-learn estimators: the only layer that knows scikit-learn's conventions."""

from dcnfast.classifier import DCNClassifier
from dcnfast.regressor import DCNRegressor

__all__ = ["DCNClassifier", "DCNRegressor"]
