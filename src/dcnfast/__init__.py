"""dcnfast: Deep & Cross Networks for tables, trained and served on a CPU."""

from dcnfast import (
    checkpoints,
    crosses,
    datasets,
    exchange,
    inspection,
    lists,
    losses,
    metrics,
    numeric_embeddings,
    ops,
    optimizers,
    schedules,
    target_statistics,
)
from dcnfast._core import version as __version__
from dcnfast.cpu import show_config
from dcnfast.estimators import DCNClassifier, DCNRanker, DCNRegressor, load

__all__ = [
    "DCNClassifier",
    "DCNRanker",
    "DCNRegressor",
    "__version__",
    "checkpoints",
    "crosses",
    "datasets",
    "exchange",
    "inspection",
    "lists",
    "load",
    "losses",
    "metrics",
    "numeric_embeddings",
    "ops",
    "optimizers",
    "schedules",
    "show_config",
    "target_statistics",
]
