"""numeric_scaling="robust_smooth": median and quartiles, and numbers far out near 3."""

import copy
import pickle

import numpy as np
import pytest
from scipy.sparse import csr_array

from dcnfast import DCNRegressor
from dcnfast.encode.robust import quartiles
from dcnfast.encode.scaling import NumericScaler


def scaled(X, later=None, weight=None, **options):
    X = np.asarray(X, float)
    scaler = NumericScaler("robust_smooth", **options).fit(X, weight)
    return scaler.transform(X if later is None else np.asarray(later, float), "float64")


def formula(x):
    """Return the scaled column, as RealMLP's authors write it."""
    low, high = np.quantile(x, [0.25, 0.75], method="averaged_inverted_cdf")
    width = high - low or (x.max() - x.min()) / 2
    z = (x - np.median(x)) / width if width else np.zeros(len(x))
    return z / np.sqrt(1 + (z / 3) ** 2)


COLUMNS = {
    "normal": lambda rng: rng.normal(5, 100, 501),
    "heavy": lambda rng: np.exp(4 * rng.normal(size=400)),
    "few values": lambda rng: rng.integers(0, 4, 99).astype(float),
    "mostly one": lambda rng: np.where(rng.random(300) < 0.9, 0.0, rng.random(300)),
    "one value": lambda _: np.full(20, 7.0),
    "one row": lambda _: np.array([3.0]),
    "two rows": lambda _: np.array([3.0, 5.0]),
    "three rows": lambda _: np.array([3.0, -1.0, 11.0]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_as_the_formula_says(name, rng):
    x = COLUMNS[name](rng)
    z = scaled(x[:, None])[:, 0]
    np.testing.assert_allclose(z, formula(x), rtol=1e-6, atol=1e-12)
    assert np.abs(z).max() <= 3
    np.testing.assert_array_equal(scaled(x[:, None])[::2], scaled(x[:, None], x[::2, None]))


@pytest.mark.parametrize("n", range(1, 14))
def test_quartiles_are_numpys(n, rng):
    x = rng.integers(0, 6, n).astype(float)
    want = np.quantile(x, [0.25, 0.5, 0.75], method="averaged_inverted_cdf")
    np.testing.assert_array_equal(quartiles(x), want)
    assert quartiles(x)[1] == np.median(x)
    for unit in (1.0, 0.1, 1e-300, 1e300):
        np.testing.assert_array_equal(quartiles(x, np.full(n, unit)), want)
    weight = rng.integers(0, 4, n)
    weight[0] = 1
    many = np.append(x, np.nan), np.append(0.3 * weight, 1.0)
    np.testing.assert_array_equal(quartiles(*many), quartiles(np.repeat(x, weight)))
    np.testing.assert_array_equal(quartiles(np.full(n, np.nan)), 0)


def test_a_number_far_out_hardly_moves_the_others(rng):
    X = rng.normal(size=(1000, 1))
    far = X.copy()
    far[7] = 1e12
    a, b = scaled(X), scaled(far)
    np.testing.assert_allclose(np.delete(a, 7), np.delete(b, 7), atol=0.02)
    assert 2.99 < b[7, 0] <= 3


def test_order_is_kept_beyond_the_quartiles(rng):
    x = np.sort(rng.normal(size=500))
    assert (np.diff(scaled(x[:, None])[:, 0]) > 0).all()


@pytest.mark.parametrize("end", [5e-324, 1e-308, 1e-300, 1e300, np.finfo(float).max])
def test_the_ends_of_the_range_of_floats(end, rng):
    x = end * np.array([-1.0, 1, 0, 0.5, -0.5, 1, -1])
    z = scaled(x[:, None])[:, 0]
    assert np.isfinite(z).all()
    assert z.max() > 0.3
    assert z.min() < -0.3
    mixed = np.append(rng.normal(size=50), [end, -end])
    assert np.isfinite(scaled(mixed[:, None])).all()
    close = scaled(np.array([[0.0], [end], [1.0], [0.0]]))
    assert np.isfinite(close).all()


def test_missing_numbers_are_the_median_and_have_an_indicator(rng):
    X = rng.normal(5, 2, (51, 2))
    X[::5, 1] = np.nan
    Z = scaled(X)
    assert Z.shape == (51, 3)
    np.testing.assert_array_equal(Z[::5, 1], 0)
    np.testing.assert_array_equal(Z[:, 2], np.isnan(X[:, 1]))
    np.testing.assert_array_equal(scaled(X, np.array([[1.0, np.nanmedian(X[:, 1])]]))[0, 1], 0)


def test_sparse_as_dense_and_beyond_training(rng):
    X = np.where(rng.random((80, 3)) < 0.5, 0, rng.normal(size=(80, 3)))
    scaler = NumericScaler("robust_smooth").fit(csr_array(X))
    np.testing.assert_array_equal(scaler.transform(X, "f8"), scaled(X))
    far = X.max(axis=0)[None] + 100
    np.testing.assert_array_equal(scaler.transform(far, "f8"), scaled(X, X.max(axis=0)[None]))
    free = scaled(X, far, clips=False)
    assert (free > scaled(X, far)).all()
    assert (free < 3).all()
    np.testing.assert_array_equal(scaler.clip(scaler.transform(X, "f8")), scaled(X))


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_rows_scores_and_pickles_agree_to_the_bit(how, dtype, rng):
    X = rng.normal(size=(300, 4)) * [1, 1e3, 1e-3, 1] + [0, 0, 0, 50]
    X[3, 1], X[::9, 2], X[5, 0] = 1e300, np.nan, -1e300
    y = np.nan_to_num(X[:, 2] * 1e3) + X[:, 3]
    options = {"hidden_layer_sizes": (5,), "max_iter": 2, "random_state": 0, "dtype": dtype}
    model = DCNRegressor(numeric_scaling="robust_smooth", scoring="r2", **options)
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    predicted, predict_row = model.predict(X), model.row_predictor()
    assert [predict_row(row) for row in X] == predicted.tolist()
    np.testing.assert_array_equal(how(model).predict(X), predicted)
    assert how(predict_row)(X[3]) == predicted[3]
    assert max(model.validation_scores_) == model.score(X[200:], y[200:])
