"""DCNRegressor on counts: loss="poisson"."""

import copy

import numpy as np
import pytest
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance

from dcnfast import DCNRegressor


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    y = rng.poisson(np.exp(0.5 + 0.6 * X[:, 0] - 0.4 * X[:, 1] * X[:, 2]))
    return X[:2000], y[:2000], X[2000:], y[2000:]


def deviance(model, X, y):
    return mean_poisson_deviance(y, model.predict(X))


def test_it_predicts_means_and_beats_the_linear_model(counts):
    X, y, X_test, y_test = counts
    model = DCNRegressor(loss="poisson", random_state=0, max_iter=40).fit(X, y)
    predicted = model.predict(X_test)
    assert (predicted > 0).all()
    linear = deviance(PoissonRegressor(alpha=0).fit(X, y), X_test, y_test)
    assert deviance(model, X_test, y_test) < 0.95 * linear
    np.testing.assert_allclose(predicted.mean(), y_test.mean(), rtol=0.1)
    row = copy.deepcopy(model).row_predictor()
    np.testing.assert_array_equal([row(x) for x in X_test[:20]], predicted[:20])


def test_negative_counts_are_refused(counts):
    X, y, *_ = counts
    with pytest.raises(ValueError, match=r"y goes from -1 to .*, want counts .* loss='poisson'"):
        DCNRegressor(loss="poisson").fit(X, np.where(y > 2, -1, y))


@pytest.mark.parametrize("n", [20, 200, 2500])
def test_nothing_ever_happens(n):
    X = np.random.default_rng(1).normal(size=(n, 3))
    model = DCNRegressor(loss="poisson", max_iter=5, learning_rate_init=0.05).fit(X, np.zeros(n))
    predicted = model.predict(X)
    assert np.isfinite(predicted).all()
    assert (predicted < 0.5).all()


def test_weights_are_exposures(counts):
    """A row of weight 2 is two rows."""
    X, y, *_ = counts
    weight = np.where(np.arange(200) % 2, 2.0, 1.0)
    twice = np.repeat(np.arange(200), weight.astype(int))
    few = {"loss": "poisson", "early_stopping": False, "max_iter": 30, "random_state": 0}
    few |= {"dropout": 0.0, "cross_dropout": 0.0}  # which draws another mask for a row again
    few["learning_rate_init"] = 3e-3  # whatever the size of the batch
    a = DCNRegressor(batch_size=200, **few).fit(X[:200], y[:200], sample_weight=weight)
    b = DCNRegressor(batch_size=300, **few).fit(X[twice], y[twice])
    np.testing.assert_allclose(a.predict(X[:200]), b.predict(X[:200]), rtol=1e-2)


def test_several_counts(counts):
    X, y, X_test, _ = counts
    both = np.stack([y, 3 * y[::-1]], axis=1)
    model = DCNRegressor(loss="poisson", max_iter=20, random_state=0).fit(X, both)
    np.testing.assert_allclose(model.predict(X_test).mean(axis=0), both.mean(axis=0), rtol=0.15)


@pytest.mark.parametrize("unit", [2.0**-60, 2.0**40])
def test_rates_have_any_unit(unit, counts):
    X, y, X_test, _ = counts
    options = {"loss": "poisson", "n_members": 2, "max_iter": 8, "random_state": 0}
    plain = DCNRegressor(**options).fit(X[:300], y[:300])
    other = DCNRegressor(**options).fit(X[:300], unit * y[:300])
    np.testing.assert_allclose(other.predict(X_test), unit * plain.predict(X_test), rtol=1e-9)
    assert np.ptp(plain.predict(X_test)) > 1


def test_no_worse_than_a_constant_on_noise():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(600, 20)), rng.poisson(1.0, 600)
    model = DCNRegressor(loss="poisson", random_state=0).fit(X[:300], y[:300])
    constant = mean_poisson_deviance(y[300:], np.full(300, y[:300].mean()))
    assert deviance(model, X[300:], y[300:]) < 1.05 * constant
