"""The figures of the almond study, on its own 100,000 rows."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from dcnfast import DCNRegressor
from dcnfast.commands.study import MODELS, Size, run
from dcnfast.datasets import make_almond_clicks

TRAIN = 70_000


@pytest.fixture(scope="module")
def almonds():
    data = make_almond_clicks()
    return data.data, data.target


def fit_rmse(almonds, name, **changes):
    X, y = almonds
    model = DCNRegressor(**MODELS[name] | changes, batch_size=1000, max_iter=100)
    model.fit(X[:TRAIN], y[:TRAIN])
    return model, np.sqrt(np.mean((model.predict(X[TRAIN:]) - y[TRAIN:]) ** 2))


def test_no_polynomial_of_degree_two_is_better(almonds):
    X, y = almonds
    quadratic = make_pipeline(PolynomialFeatures(2), LinearRegression()).fit(X[:TRAIN], y[:TRAIN])
    rmse = np.sqrt(np.mean((quadratic.predict(X[TRAIN:]) - y[TRAIN:]) ** 2))
    assert rmse == pytest.approx(0.0174, abs=5e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_layer_reaches_what_degree_two_can(dtype, almonds):
    model, rmse = fit_rmse(almonds, "1 matrix cross layer", dtype=dtype)
    assert model.n_parameters_ == 36
    assert 0.0173 < rmse <= 0.0176


def test_three_layers_find_the_formula(almonds):
    model, rmse = fit_rmse(almonds, "3 matrix cross layers")
    assert model.n_parameters_ == 96
    assert rmse <= 0.001


def test_vector_layers_learn_something(almonds):
    _, rmse = fit_rmse(almonds, "3 vector cross layers")
    assert rmse < 0.1


def test_study_reports_every_epoch_of_every_model():
    epochs = []
    size = Size(n_train=500, n_evaluate=200, batch_size=100, max_iter=3)
    results = list(run(size, lambda name, epoch, loss: epochs.append((name, epoch, loss))))
    assert [r.name for r in results] == list(MODELS)
    assert [(name, epoch) for name, epoch, _ in epochs] == [
        (n, e) for n in MODELS for e in (1, 2, 3)
    ]
    for result in results:
        assert result.model.loss_curve_ == [loss for name, _, loss in epochs if name == result.name]
        assert result.rows_per_second == pytest.approx(500 * 3 / result.seconds)
