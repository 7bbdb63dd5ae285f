"""A small table on which a few epochs tell things apart, and estimators that take a few epochs."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from dcnfast import DCNClassifier, DCNRegressor

FAST = {
    "hidden_layer_sizes": (8, 4),
    "max_iter": 8,
    "batch_size": 50,
    "random_state": 0,
    "n_jobs": 1,
}


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


@pytest.fixture
def regressor():
    return partial(DCNRegressor, **FAST)


@pytest.fixture
def classifier():
    return partial(DCNClassifier, **FAST)


@pytest.fixture(params=["regressor", "classifier"])
def estimator(request, table):
    """A factory of estimators, the targets that go with it, and its most telling answer."""
    cls, y, answer = {
        "regressor": (DCNRegressor, table.y, "predict"),
        "classifier": (DCNClassifier, table.binary, "predict_proba"),
    }[request.param]
    return SimpleNamespace(
        make=partial(cls, **FAST), y=y, answer=lambda model, X: getattr(model, answer)(X)
    )
