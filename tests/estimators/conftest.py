"""A small table on which a few epochs tell things apart, and estimators that take a few epochs."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.estimators import trials
from dcnfast.training import folds

# One member on plain numbers, trained by Adam: what is quick, and what the old numbers were of.
PLAIN = {
    "cross_layers": 3,
    "dropout": 0.0,
    "cross_dropout": 0.0,
    "n_members": 1,
    "numeric_embedding": None,
    "optimizer": "adam",
    "learning_rate_init": 0.001,
    "gradient_clip": None,
    "validation_fraction": 0.1,
    "tol": 1e-4,
}
FAST = PLAIN | {
    "hidden_layer_sizes": (8, 4),
    "max_iter": 8,
    "batch_size": 50,
    "alpha": 0.0,  # "auto" would depend on the number of rows
    "ema_decay": 0.0,  # and this on whether rows are watched
    "early_stopping": False,  # "auto" would hold out rows
    "random_state": 0,
    "n_jobs": 1,
}


@pytest.fixture
def plain():
    return dict(PLAIN)


@pytest.fixture
def tried(monkeypatch):
    """Return a list of the folds of every trial from now on, and what it chose.

    Most train too little to say more than a constant does; that is no reason here to try again.
    """
    monkeypatch.setattr(trials, "DOUBTED", 0)
    calls, choose = [], trials.choose_epochs

    def choose_epochs(parts, *arguments):
        calls.append((parts, choose(parts, *arguments)))
        return calls[-1][1]

    monkeypatch.setattr(trials, "choose_epochs", choose_epochs)
    return calls


@pytest.fixture(scope="session")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    return SimpleNamespace(
        X=X,
        y=y,
        binary=np.where(y > 0, "yes", "no"),
        multiclass=np.digitize(y, [-0.7, 0.7]),
    )


@pytest.fixture(scope="session")
def frame(table):
    """The numbers of the table with a gap, and categories that matter, with a gap too."""
    rng = np.random.default_rng(1)
    city = rng.choice(
        ["Lima", "Oslo", "Rome", "Bonn", "Apia"], p=[0.4, 0.3, 0.2, 0.09, 0.01], size=300
    )
    X = pd.DataFrame(table.X, columns=list("abcd"))
    X.loc[::7, "b"] = np.nan
    X["city"] = pd.Series(city).mask(rng.random(300) < 0.1)
    X["user"] = pd.Categorical(rng.integers(0, 40, size=300) + 2**60)
    X["member"] = rng.random(300) < 0.5
    y = table.y + (city == "Lima") + 0.1 * X["user"].cat.codes.to_numpy() - 2 * X["member"]
    y = y.to_numpy()
    return SimpleNamespace(X=X, y=y, binary=np.where(y > np.median(y), "yes", "no"))


@pytest.fixture
def regressor():
    return partial(DCNRegressor, **FAST)


@pytest.fixture
def classifier():
    return partial(DCNClassifier, **FAST)


@pytest.fixture(params=["regressor", "classifier"])
def estimator(request, table, frame):
    """A factory of estimators, the targets that go with it, and its most telling answer."""
    cls, y, answer = {
        "regressor": (DCNRegressor, "y", "predict"),
        "classifier": (DCNClassifier, "binary", "predict_proba"),
    }[request.param]
    return SimpleNamespace(
        make=partial(cls, **FAST),
        y=getattr(table, y),
        frame_y=getattr(frame, y),
        answer=lambda model, X: getattr(model, answer)(X),
    )


@pytest.fixture(scope="session")
def shops():
    """Ids of few rows, and a pair of columns that says together what neither does."""
    rng = np.random.default_rng(0)
    n = 3000
    shop, item, day = rng.integers(0, 400, n), rng.integers(0, 30, n), rng.integers(0, 7, n)
    level, both = rng.normal(size=400), rng.normal(size=(30, 7))
    y = level[shop] + both[item, day] + 0.3 * rng.normal(size=n)
    X = pd.DataFrame({"shop": shop, "item": item, "day": day}).astype(str)
    X.loc[::50, "shop"] = None
    X["price"] = rng.normal(size=n)
    X.loc[::9, "price"] = np.nan
    return X, y


@pytest.fixture
def interrupted_second_trial(tried, monkeypatch):
    """Ctrl-C in the first epoch after one trial; returns what :func:`tried` does."""
    run = folds.run_epoch

    def run_epoch(*arguments):
        if len(tried) == 1:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(folds, "run_epoch", run_epoch)
    return tried
