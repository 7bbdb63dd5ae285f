"""dcnfast: Deep & Cross Networks for tables, trained and served on a CPU."""

from dcnfast import datasets, inspection, ops
from dcnfast._core import version as __version__
from dcnfast.cpu import show_config
from dcnfast.estimators import DCNClassifier, DCNRegressor

__all__ = [
    "DCNClassifier",
    "DCNRegressor",
    "__version__",
    "datasets",
    "inspection",
    "ops",
    "show_config",
]
