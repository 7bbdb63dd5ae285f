"""What the parameters of the estimators may be."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, get_args

from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, StrOptions

from dcnfast.encode.scaling import SCALINGS
from dcnfast.network.activations import ACTIVATIONS
from dcnfast.network.config import Deterministic, DType, EmbeddingPenalty, SparseAdam, Structure
from dcnfast.network.crosses import CROSSES, Cross
from dcnfast.network.initializers import INITIALIZERS
from dcnfast.network.losses import LOSSES, RANKING_LOSSES, Loss
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS, NumericEmbedding
from dcnfast.training.checkpoints import Checkpoints
from dcnfast.training.optimizers import OPTIMIZERS, Optimizer
from dcnfast.training.schedules import DROPOUT_SCHEDULES, SCHEDULES, Schedule
from dcnfast.training.target_statistics import TargetStatistics

PARTS = ("embedding", "cross", "deep")  # what alpha may be given for


_POSITIVE = Interval(Integral, 1, None, closed="left")


def one_of(names: Any) -> StrOptions:
    """Return the constraint that a Literal means."""
    return StrOptions(set(get_args(names)))


CONSTRAINTS: dict[str, list[Any]] = {
    "cross": [StrOptions(set(CROSSES)), Cross],
    "cross_layers": [Interval(Integral, 0, None, closed="left")],
    "cross_rank": [_POSITIVE, None],
    "diag_scale": [Interval(Real, 0, None, closed="left")],
    "cross_bias": ["boolean"],
    "preactivation": [StrOptions(set(ACTIVATIONS))],
    "hidden_layer_sizes": ["array-like", _POSITIVE],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "structure": [one_of(Structure)],
    "wide": ["boolean", StrOptions({"auto"})],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "cross_dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
    "dropout_schedule": [StrOptions(set(DROPOUT_SCHEDULES)), Schedule],
    "layer_norm": ["boolean"],
    "learned_scale": ["boolean"],
    "collision_weights": ["boolean"],
    "parametric_activation": ["boolean"],
    "n_members": [_POSITIVE, StrOptions({"auto"})],
    "cross_initializer": [StrOptions(set(INITIALIZERS))],
    "deep_initializer": [StrOptions(set(INITIALIZERS))],
    "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
    "datetime_features": ["boolean", "array-like", None],
    "list_features": [Mapping, None],
    "embedding_dim": [StrOptions({"auto"}), _POSITIVE, Mapping],
    "shared_embeddings": ["array-like", None],
    "pretrained_embeddings": [Mapping, None],
    "frozen_embeddings": ["array-like", None],
    "embedding_initial_scale": [Interval(Real, 0, None, closed="left")],
    "min_frequency": [_POSITIVE, Interval(Real, 0, 1, closed="neither"), None],
    "max_categories": [_POSITIVE, None],
    "recycle_categories": ["boolean"],
    "hash_buckets": [_POSITIVE, Mapping, None],
    "target_statistics": [StrOptions({"auto"}), TargetStatistics, None],
    "numeric_scaling": [StrOptions(set(SCALINGS) - {None}), None],
    "numeric_clip": ["boolean", StrOptions({"auto"})],
    "numeric_embedding": [StrOptions({"auto", *NUMERIC_EMBEDDINGS}), NumericEmbedding, None],
    "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left"), Mapping],
    "embedding_penalty": [one_of(EmbeddingPenalty), StrOptions({"auto"})],
    "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer],
    "learning_rate": [StrOptions(set(SCHEDULES)), Schedule],
    "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "sparse_adam": [one_of(SparseAdam)],
    "ema_decay": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
    "batch_size": [_POSITIVE, StrOptions({"auto"})],
    "max_iter": [StrOptions({"auto"}), _POSITIVE],
    "shuffle": ["boolean"],
    "early_stopping": ["boolean", StrOptions({"auto"})],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [_POSITIVE],
    "tol": [Interval(Real, 0, None, closed="left"), None],
    "warm_start": ["boolean"],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "checkpoints": [Checkpoints, None],
    "prior_strength": [Interval(Real, 0, None, closed="left")],
    "dtype": [one_of(DType)],
    "deterministic": [one_of(Deterministic)],
    "n_jobs": [Integral, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


LOSSES_OF: dict[str, list[type[Loss]]] = {
    "DCNRegressor": [loss for loss in LOSSES.values() if loss.regresses],
    "DCNClassifier": [loss for loss in LOSSES.values() if loss.classifies],
    "DCNRanker": list(RANKING_LOSSES.values()),
}


def loss_constraints(estimator: str) -> list[Any]:
    """Return what ``loss`` may be for the estimator of that name."""
    kinds = LOSSES_OF[estimator]
    return [StrOptions({kind.name for kind in kinds}), *kinds]
