"""Every parameter says so when it is given nonsense."""

import numpy as np
import pytest

from dcnfast import DCNClassifier, crosses, losses, optimizers, schedules
from dcnfast.checkpoints import Checkpoints
from dcnfast.numeric_embeddings import Piecewise
from dcnfast.target_statistics import TargetStatistics

ALL = sorted(DCNClassifier().get_params())
ACTIVATION = ["swish", None, 3]
NONSENSE = {
    "cross": ["x", None, 3, crosses.LowRank, crosses.LowRank(rank=0), optimizers.Adam()],
    "cross_layers": [-1, 1.5, "x", None, 10**30],
    "datetime_features": ["x", "hour", ["hours"], [], 3],
    "list_features": ["mean", ["city"], {"tags": "mean"}, {"city": "mean"}, {"a": 3}, 3],
    "shared_embeddings": [
        "city",
        [("city",)],
        [("city", "a")],
        [("city", "city")],
        ["city"],
        [3],
        3,
    ],
    "frozen_embeddings": ["city", ["a"], [3], 3],
    "pretrained_embeddings": [
        "city",
        {"a": ([1.0], [[1.0]])},
        {"city": 3},
        {"city": (["Oslo"], [1.0])},
        {"city": (["Oslo", "Oslo"], np.ones((2, 2)))},
        3,
    ],
    "cross_rank": [0, -1, 1.5, "x", 10**30],
    "diag_scale": [-0.1, np.nan, np.inf, "x", None],
    "cross_bias": ["x", None, 3],
    "preactivation": ACTIVATION,
    "hidden_layer_sizes": [
        None,
        0,
        -8,
        8.0,
        True,
        "88",
        (0,),
        (-1,),
        (1.5,),
        ("a",),
        (True,),
        [[8]],
        (np.nan,),
    ],
    "activation": ACTIVATION,
    "structure": ["serial", None],
    "wide": ["x", None, 3],
    "dropout": [-0.1, 1, 1.5, np.nan, "x", None],
    "cross_dropout": [-0.1, 1, 1.5, np.nan, "x", None],
    "dropout_schedule": ["plateau", "linear", None, 0.5, schedules.Plateau()],
    "layer_norm": ["x", None, 3],
    "parametric_activation": ["x", None, 3],
    "learned_scale": ["x", None, 3],
    "collision_weights": ["x", None, 3],
    "branch_loss": ["x", None, 3],
    "cross_initializer": ["zeros", None],
    "deep_initializer": ["zeros", None],
    "categorical_features": ["all", ["e"], ["city", 1], [7], [-1], [True], [[1]], [1.5], [None], 3],
    "embedding_dim": [
        0,
        -1,
        1.5,
        "x",
        None,
        10**30,
        {"a": 2},
        {"city": 0},
        {"city": 2.5},
        {"city": True},
        {"city": "auto"},
        {"city": None},
        {"town": 3},
        {4: 3},
    ],
    "min_frequency": [0, -1, 1.5, np.nan, "x", 0.0],
    "max_categories": [0, -1, 1.5, "x"],
    "recycle_categories": [None, 2, "x"],
    "hash_buckets": [
        0,
        -1,
        1.5,
        "x",
        10**30,
        2**40,
        {"a": 2},
        {"city": 0},
        {"city": 2.5},
        {"city": True},
        {"city": "x"},
        {"town": 3},
    ],
    "target_statistics": [
        "always",
        1,
        True,
        TargetStatistics,
        TargetStatistics(order=3),
        crosses.Matrix(),
    ],
    "numeric_scaling": ["robust", 3],
    "numeric_clip": ["x", None, 3],
    "numeric_embedding": ["none", 3, True, Piecewise, Piecewise(width=0), crosses.Matrix()],
    "n_members": [0, -1, 1.5, "many", None],
    "loss": ["hinge", None, "squared_error", losses.SquaredError(), losses.LogLoss],
    "alpha": [
        -1e-9,
        np.nan,
        np.inf,
        "x",
        None,
        {"wide": 1},
        {"deep": -1},
        {"deep": np.nan},
        {"deep": "x"},
        {"deep": None},
        {"deep": True},
        {1: 1},
    ],
    "optimizer": ["lbfgs", None, 3, optimizers.Adam, optimizers.Adam(beta_1=1.0), crosses.Matrix()],
    "learning_rate": [
        "adaptive",
        None,
        3,
        schedules.Cosine,
        schedules.Cosine(warmup=1.0),
        schedules.Plateau(max_cuts=0),
    ],
    "learning_rate_init": [0, -1, np.nan, np.inf, "x", None],
    "gradient_clip": [0, -1, np.nan, np.inf, "x"],
    "beta_1": [-0.1, 1.0, np.nan, None],
    "beta_2": [-0.1, 1.0, np.nan, None],
    "epsilon": [0, -1, np.nan, np.inf, None],
    "embedding_penalty": ["all", None, True],
    "embedding_initial_scale": [-1e-9, np.nan, np.inf, "x", None],
    "sparse_adam": ["dense", None],
    "ema_decay": [-0.1, 1, 1.5, np.nan, "x", None],
    "batch_size": [0, -1, 1.5, "all", None],
    "max_iter": [0, -1, 1.5, None],
    "shuffle": ["x", None, 3],
    "early_stopping": ["x", None, 3],
    "scoring": ["best", 3, lambda *_: np.nan, lambda *_: None, lambda *_: "good"],
    "validation_fraction": [0, 1, -0.1, np.nan, "x"],
    "n_iter_no_change": [0, -1, 1.5, None],
    "tol": [-1e-9, np.nan, np.inf, "x"],
    "warm_start": ["x", None, 3],
    "max_time": [0, -1, np.nan, np.inf, "x"],
    "checkpoints": ["x", 3, True, Checkpoints, Checkpoints(3), Checkpoints("x", epochs=0)],
    "prior_strength": [-0.1, np.nan, np.inf, "x", None],
    "dtype": ["float16", None, np.float32, "int32"],
    "deterministic": ["no", None, True],
    "n_jobs": [0, 1.5, "x", True],
    "random_state": [-1, 1.5, "x"],
    "verbose": [-1, 1.5, "x", None],
    "class_weight": [
        "x",
        3,
        {"no": -1, "yes": 1},
        {"no": np.nan, "yes": 1},
        {"no": np.inf, "yes": 1},
    ],
    "label_smoothing": [-0.1, 1, 1.5, np.nan, "x", None],
    "task_weights": ["x", 3, True],
}


def test_nonsense_is_tried_for_every_parameter():
    assert set(NONSENSE) == set(ALL)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in NONSENSE.items() for value in values]
)
def test_nonsense_is_refused_by_name(name, value, frame, classifier):
    rest = {"cross_rank": {"cross": "lowrank"}, "scoring": {"early_stopping": True}}.get(name, {})
    with pytest.raises((ValueError, TypeError), match=name):
        classifier(**rest | {name: value}).fit(frame.X, frame.binary)


def test_network_that_does_not_fit_into_memory_is_refused_before_it_is_built(table, regressor):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        regressor(hidden_layer_sizes=(2**17, 2**17, 2**17)).fit(table.X, table.y)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_jobs": 10**30},
        {"batch_size": 10**30},
        {"n_iter_no_change": 10**30},
        {"n_jobs": -(10**30)},
    ],
)
def test_huge_but_meaningful(parameters, table, regressor):
    assert np.isfinite(
        regressor(max_iter=1, **parameters).fit(table.X, table.y).predict(table.X)
    ).all()


def test_epsilon_too_small_for_float32_does_not_divide_by_zero(regressor):
    X = np.column_stack([np.ones(100), np.arange(100.0)])  # a gradient that is exactly 0
    model = regressor(epsilon=1e-60).fit(X, X[:, 1])
    assert np.isfinite(model.predict(X)).all()
