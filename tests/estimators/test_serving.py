"""Rows that come after training and are not as those of training."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score

from dcnfast import DCNClassifier, DCNRegressor

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0, "n_jobs": 1}


@pytest.fixture(scope="module")
def ages():
    """Four columns that matter and an age that does not; in a thousand rows, one age is a code."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(3000, 4)), rng.normal(40, 9, 3000)])
    y = X[:, 0] + 0.5 * X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=3000)
    later = X[2000:].copy()
    later[7, 4] = 9999
    return X[:2000], y[:2000], later, y[2000:]


@pytest.mark.parametrize("scaling", ["auto", "log", "robust_smooth", None])
def test_one_number_out_of_range_spoils_nothing(scaling, ages):
    X, y, later, truth = ages
    options = {"numeric_scaling": scaling, "random_state": 0, "max_iter": 20}
    options["hidden_layer_sizes"] = (32,)
    model = DCNRegressor(**options).fit(X, y)
    border = later.copy()
    border[:, :] = np.clip(later, X.min(axis=0), X.max(axis=0))
    np.testing.assert_array_equal(model.predict(later), model.predict(border))
    assert model.row_predictor()(later[7]) == model.predict(later[7:8])[0]
    assert np.abs(model.predict(later)).max() < 2 * np.abs(y).max()
    assert scaling is None or model.score(later, truth) > 0.8
    open_ended = DCNRegressor(numeric_clip=False, **options).fit(X, y)
    for name, parameter in model.parameters_.items():
        np.testing.assert_array_equal(parameter, open_ended.parameters_[name])
    assert open_ended.predict(later)[7] != open_ended.predict(border)[7]
    classifier = DCNClassifier(**options).fit(X, y > 0)
    np.testing.assert_array_equal(classifier.predict_proba(later), classifier.predict_proba(border))


def test_rows_that_are_watched_are_clipped_as_those_of_predict(ages):
    X, y, later, truth = ages
    model = DCNRegressor(scoring="r2", **SMALL | {"max_iter": 1})
    model.fit(X, y, X_val=later, y_val=truth)
    assert model.validation_scores_ == [r2_score(truth, model.predict(later))]


def test_a_trend_that_goes_on_needs_numeric_clip_false():
    time = np.linspace(0, 1, 400)[:, None]
    options = {"cross_layers": 1, "hidden_layer_sizes": (), "learning_rate_init": 0.03}
    options |= {"numeric_embedding": None, "n_members": 1, "optimizer": "adam", "tol": 1e-4}
    later = np.array([[1.5]])
    for clip, expected in ((True, 2.0), (False, 3.0)):
        model = DCNRegressor(numeric_clip=clip, random_state=0, **options)
        assert model.fit(time, 2 * time[:, 0]).predict(later)[0] == pytest.approx(expected, abs=0.1)


def test_a_column_that_was_constant_changes_nothing_later():
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(size=200), "one": 1.0})
    for scaling in ("auto", "log", "quantile", "robust_smooth", None):
        model = DCNRegressor(numeric_scaling=scaling, **SMALL).fit(X, X["a"])
        np.testing.assert_array_equal(model.predict(X.assign(one=50.0)), model.predict(X))


@pytest.fixture(scope="module")
def clicks():
    rng = np.random.default_rng(2)
    zips = rng.choice(["10115", "20095", "50667"], 400)
    return pd.DataFrame({"zip": zips, "n": rng.normal(size=400)}), (zips == "10115").astype(float)


@pytest.mark.parametrize("buckets", [None, 50])
def test_strings_that_come_as_numbers_are_refused(buckets, clicks):
    X, y = clicks
    model = DCNClassifier(hash_buckets=buckets, **SMALL).fit(X, y)
    new = X[:5].astype({"zip": int})
    text = "column 'zip' has numbers such as [0-9]*, want strings: fit saw no numbers there"
    for answer in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(TypeError, match=f"X: {text}"):
            answer(new)
    with pytest.raises(TypeError, match=f"X_val: {text}"):
        model.fit(X, y, X_val=new, y_val=y[:5])
    assert model.predict(X[:5]).shape == (5,)
    with pytest.raises(TypeError, match="row: 'zip' has numbers such as 10115, want strings"):
        model.row_predictor()({"zip": 10115, "n": 0.0})
    assert model.predict(X[:5].assign(zip=None)).shape == (5,)


def test_unknown_values_are_counted(clicks):
    X, y = clicks
    model = DCNRegressor(**SMALL).fit(X, y)
    assert model.count_unknown(X) == {"zip": 0}
    assert model.count_unknown(X[:6].assign(zip=["99999", None, "", *X["zip"][:3]])) == {"zip": 2}
    assert DCNRegressor(**SMALL).fit(X[["n"]], y).count_unknown(X[["n"]]) == {}
    with pytest.raises(NotFittedError):
        DCNRegressor().count_unknown(X)
