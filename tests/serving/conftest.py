"""Small fitted estimators with everything that a model file has to hold."""

import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

import dcnfast
from dcnfast import (
    DCNClassifier,
    DCNRegressor,
    crosses,
    losses,
    numeric_embeddings,
    optimizers,
    schedules,
)
from dcnfast.target_statistics import TargetStatistics
from tests.serving import c_program

SMALL = {
    "hidden_layer_sizes": (5,),
    "cross_layers": 1,
    "max_iter": 2,
    "batch_size": 50,
    "n_members": 1,
    "numeric_embedding": None,
    "numeric_scaling": "standard",
    "early_stopping": False,
    "random_state": 0,
    "n_jobs": 1,
}

# name -> estimator, its target, what differs from SMALL
CASES = {
    "plain": (DCNRegressor, "y", {}),
    "defaults": (
        DCNRegressor,
        "y",
        {"hidden_layer_sizes": (256, 256), "n_members": "auto", "numeric_embedding": "auto"},
    ),
    "labels": (DCNClassifier, "words", {"early_stopping": "auto"}),
    "three": (DCNClassifier, "numbers", {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}),
    "objects": (DCNClassifier, "objects", {"loss": "softmax", "label_smoothing": 0.1}),
    "bools": (DCNClassifier, "bools", {"loss": losses.LogLoss(), "dtype": "float64"}),
    "two targets": (DCNRegressor, "both", {"wide": True, "prediction_clip": True}),
    "counts": (DCNRegressor, "counts", {"loss": "poisson", "layer_norm": True}),
    "quantiles": (DCNRegressor, "both", {"loss": losses.Quantile([0.1, 0.5]), "n_members": 3}),
    "huber": (DCNRegressor, "y", {"loss": losses.Huber(delta=0.5), "prediction_clip": True}),
    "gamma": (DCNRegressor, "positive", {"loss": "gamma"}),
    "tweedie": (DCNRegressor, "counts", {"loss": losses.Tweedie(power=1.2)}),
    "focal": (DCNClassifier, "words", {"loss": losses.Focal(gamma=1.0, alpha=0.25)}),
    "ordinal": (DCNClassifier, "numbers", {"loss": "ordinal", "n_members": 3}),
    "labels of each row": (DCNClassifier, "several", {"task_weights": [1.0, 0.5]}),
    "rates": (DCNRegressor, "rates", {"loss": "log_loss", "structure": "stacked"}),
    "lowrank": (DCNRegressor, "y", {"cross": crosses.LowRank(rank=2, preactivation="tanh")}),
    "gated": (DCNRegressor, "y", {"cross": "gated", "structure": "stacked_parallel"}),
    "mixture": (
        DCNRegressor,
        "y",
        {"cross": crosses.Mixture(experts=3, rank=2, activation="tanh", shared_gate=True)},
    ),
    "exponential": (DCNRegressor, "y", {"cross": crosses.Exponential(linear=True)}),
    "onlydense": (DCNRegressor, "y", {"cross": crosses.OnlyDense(scale=1.5)}),
    "heads": (
        DCNRegressor,
        "y",
        {"cross": crosses.Exponential(heads=2), "embedding_dim": 4, "n_members": 2},
    ),
    "symmetric": (DCNRegressor, "y", {"cross": crosses.Matrix(symmetric=True)}),
    "vector": (DCNRegressor, "y", {"cross": "vector", "hidden_layer_sizes": ()}),
    "no cross": (DCNRegressor, "y", {"cross_layers": 0, "deterministic": "isa"}),
    "piecewise": (
        DCNRegressor,
        "y",
        {"numeric_embedding": numeric_embeddings.Piecewise(max_bins=5), "n_members": 3},
    ),
    "periodic": (DCNClassifier, "words", {"numeric_embedding": "periodic", "ema_decay": 0.9}),
    "periodic_relu": (DCNRegressor, "y", {"numeric_embedding": "periodic_relu"}),
    "quantile": (DCNRegressor, "y", {"numeric_scaling": "quantile", "numeric_clip": False}),
    "log": (DCNRegressor, "y", {"numeric_scaling": "log"}),
    "auto": (DCNRegressor, "y", {"numeric_scaling": "auto"}),
    "unscaled": (DCNRegressor, "y", {"numeric_scaling": None}),
    "statistics": (
        DCNClassifier,
        "words",
        {"target_statistics": TargetStatistics(min_categories=2, smoothing=1.0)},
    ),
    "rare": (DCNRegressor, "y", {"min_frequency": 0.05, "max_categories": 6}),
    "hashed": (DCNRegressor, "y", {"hash_buckets": {"user": 7}, "embedding_dim": {"city": 3}}),
    "collisions": (
        DCNRegressor,
        "y",
        {"hash_buckets": {"user": 7}, "collision_weights": True, "learning_rate_init": 0.05},
    ),
    "optimizer": (
        DCNRegressor,
        "y",
        {
            "optimizer": optimizers.AdamW(
                rate_factors={"bias": 2.0}, weight_decay_schedule=schedules.Cosine()
            ),
            "dropout_schedule": schedules.Exponential(),
            "parametric_activation": True,
            "learned_scale": True,
            "learning_rate": schedules.Cosine(),
            "alpha": {"cross": 0.1},
            "random_state": np.random.RandomState(3),
        },
    ),
    "warm": (DCNRegressor, "y", {"warm_start": True, "ema_decay": 0.9}),
}


def make_frame(n=200):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_t(2, size=(n, 3)), columns=list("abc"))
    X.loc[::7, "b"] = np.nan
    X["city"] = pd.Series(rng.choice(["Lima", "Oslo", "Zürich", "", "東京"], n)).mask(
        rng.random(n) < 0.1
    )
    X["user"] = pd.Categorical(rng.integers(0, 30, n).astype(np.uint64) + np.uint64(2**63 - 15))
    X["mixed"] = pd.Series(rng.choice(np.array([True, "a", 2.5, 7], object), n), dtype=object)
    y = X["a"].to_numpy() + (X["city"] == "Lima")
    y = np.clip(np.asarray(y, float), -5, 5)
    targets = {
        "y": y,
        "words": np.where(y > 0, "yes", "no"),
        "numbers": np.digitize(y, [-0.5, 0.5]).astype(np.int16),
        "objects": np.where(y > 0, "dog", "a cat").astype(object),
        "bools": y > 0,
        "both": np.stack([y, 3 * y], axis=1),
        "counts": np.floor(np.abs(y)),
        "rates": 1 / (1 + np.exp(-y)),
        "positive": 1e3 * np.exp(y / 5),
        "several": np.stack([y > 0, np.where(y > 2, np.nan, y > 1)], axis=1),
    }
    return X, targets


def fit(name):
    kind, target, options = CASES[name]
    X, targets = make_frame()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind(**(SMALL | options)).fit(X, targets[target])


_FITTED = {}


@pytest.fixture
def fitted():
    """Return a function that fits a case once."""

    def of(name):
        if name not in _FITTED:
            _FITTED[name] = fit(name)
        return _FITTED[name]

    return of


@pytest.fixture(params=CASES)
def model(request, fitted):
    return fitted(request.param)


@pytest.fixture(scope="session")
def rows():
    """Rows that training has not seen, with categories and numbers that are new."""
    X, _ = make_frame(250)
    X["city"] = X["city"].where(X.index % 11 > 0, "Paris")
    X["a"] *= np.where(X.index % 13 > 0, 1, 1e6)
    return X


def answers(model, X):
    """Return all that a model says of rows."""
    said = [model.predict(X)]
    if hasattr(model, "predict_proba"):
        said.append(model.predict_proba(X))
    predict_row = model.row_predictor()
    said += [predict_row(row) for row in X.iloc[:20].to_dict("records")]
    return [*said, model.count_unknown(X), predict_row.n_unknown_]


@pytest.fixture(scope="session")
def tools():
    return SimpleNamespace(answers=answers, same=same, fit=fit)


def same(one, other, where=""):
    """Assert that two objects have the same parts, to the bit."""
    assert type(one) is type(other), where
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, err_msg=where)
    elif isinstance(one, dict):
        # seconds of epochs are of the machine that ran them, and stay there
        one, other = ({k: v for k, v in d.items() if k != "_epochs"} for d in (one, other))
        assert one.keys() == other.keys(), where
        for key in one:
            same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            same(a, b, f"{where}.{i}")
    elif isinstance(one, np.random.RandomState):
        same(one.get_state(), other.get_state(), where)
    elif type(one).__module__.startswith("dcnfast._core"):
        same(dict(one.parameters), dict(other.parameters), where)
    elif type(one).__module__.startswith("dcnfast") and hasattr(one, "__dict__"):
        kept = {k: v for k, v in vars(one).items() if k != "_made"}
        same(kept, {k: v for k, v in vars(other).items() if k != "_made"}, where)
    else:
        assert one == other, where


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.dcn"


@pytest.fixture
def file_of(fitted, path):
    def of(name):
        fitted(name).save(path)
        return path.read_bytes()

    return of


@pytest.fixture
def load(path):
    def of(raw):
        path.write_bytes(raw)
        return dcnfast.load(path)

    return of


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """Programs in C that use the library, by name."""
    folder, here = tmp_path_factory.mktemp("programs"), Path(__file__).parent
    names = ("score", "load_files", "score_threads")
    return {name: c_program.build(folder, here / f"{name}.c", name) for name in names}


@pytest.fixture
def statuses(programs, tmp_path):
    """Return what tells status and message of each of some files."""
    return partial(c_program.statuses, programs["load_files"], tmp_path)
