"""One row through ``row_predictor`` is that row through ``predict``."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from dcnfast import DCNClassifier, DCNRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0, "n_jobs": 1}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(1)
    n = 300
    return pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 9, n)),
            "city": rng.choice(["here", "there", None], n),
            "clicks": rng.integers(0, 1000, n),
            "id": pd.Series(rng.integers(2**53, 2**53 + 9, n)).astype("category"),
            "member": rng.random(n) < 0.5,
        }
    )


def rows_of(frame):
    yield from frame.head(20).to_dict("records")
    yield {"age": 1e300, "city": "nowhere", "clicks": -5, "id": 2**53 + 1, "member": True}
    yield {"age": None, "city": None, "clicks": 7, "id": None, "member": False}


def as_frame(row, like):
    return pd.DataFrame([row], columns=like.columns).astype(
        {"age": float, "city": object, "clicks": float, "id": object, "member": object}
    )


@pytest.mark.parametrize("scaling", ["auto", "standard", "quantile", "log", None])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("clip", [True, False])
def test_regressor(frame, scaling, dtype, clip):
    y = frame["clicks"] / 100 + (frame["city"] == "here")
    model = DCNRegressor(numeric_scaling=scaling, numeric_clip=clip, dtype=dtype, **SMALL)
    model.fit(frame, y)
    predict_row = model.row_predictor()
    for row in rows_of(frame):
        (expected,) = model.predict(as_frame(row, frame))
        got = predict_row(row)
        assert isinstance(got, float)
        assert got == pytest.approx(expected, rel=1e-6)
        assert predict_row([row[name] for name in frame.columns]) == got
    assert model.predict(frame).std() > 0.1


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("loss", ["log_loss", "softmax"])
def test_classifier(frame, n_classes, loss):
    y = frame["clicks"].to_numpy() % n_classes
    model = DCNClassifier(loss=loss, hash_buckets={"id": 5}, **SMALL).fit(frame, y)
    predict_row = model.row_predictor()
    for row in rows_of(frame):
        (expected,) = model.predict_proba(as_frame(row, frame))
        np.testing.assert_allclose(predict_row(row), expected, rtol=1e-6, atol=1e-12)
    assert model.predict_proba(frame).std(axis=0).min() > 1e-3


@pytest.mark.parametrize("scaling", ["auto", "quantile", "standard", None])
@pytest.mark.parametrize("clip", [True, False])
def test_numbers_alone_are_the_same_bits(scaling, clip):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 7)) * 10.0 ** np.arange(-3, 4)
    X[::9, 2] = np.nan
    X[:, 5] = 3.0
    X[17, 4] = 1e9  # so that "auto" goes by the ranks of this column
    model = DCNRegressor(numeric_scaling=scaling, numeric_clip=clip, **SMALL).fit(
        X, np.nan_to_num(X[:, :2]).sum(axis=1)
    )
    predict_row = model.row_predictor()
    X = np.concatenate([X, 1.01 * X[:50], -3 * X[:50], [[9999.0] * 7]])
    for expected, row in zip(model.predict(X), X, strict=True):
        assert predict_row(row) == expected
        assert predict_row(row.tolist()) == expected
        assert predict_row(row.astype(np.float32)) == model.predict(row[None].astype(np.float32))


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_several_targets_and_rates(loss):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(100, 3))
    Y = expit(np.column_stack([X[:, 0], 3 * X[:, 1], X[:, 0] * X[:, 2]]))
    model = DCNRegressor(loss=loss, **SMALL | {"max_iter": 20}).fit(X, Y)
    expected = model.predict(X)
    got = np.array([model.row_predictor()(row) for row in X])
    np.testing.assert_allclose(got, expected, rtol=1e-7)
    assert (expected.std(axis=0) > 0.03).all()  # rows and targets differ: no constant passes
    assert (np.abs(np.diff(expected, axis=1)).mean(axis=0) > 0.03).all()
    one = DCNRegressor(loss=loss, **SMALL).fit(X, Y[:, 0])
    assert [one.row_predictor()(row) for row in X] == pytest.approx(one.predict(X), rel=1e-7)


def test_far_away_numbers_are_answered_as_predict_answers_them():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 3))
    for clip in (True, False):  # without it the network's answer overflows
        model = DCNRegressor(cross_layers=12, alpha=0, numeric_clip=clip, **SMALL)
        model.fit(X, X[:, 0] * X[:, 1])
        far = np.array([1e30, -1e30, 1e30])
        assert np.isfinite(model.row_predictor()(far))
        assert model.row_predictor()(far) == model.predict(far[None])[0]


def test_it_keeps_its_model(frame):
    y = frame["clicks"].to_numpy() / 100
    model = DCNRegressor(**SMALL).fit(frame, y)
    predict_row, row = model.row_predictor(), frame.iloc[0].to_dict()
    before = predict_row(row)
    model.fit(frame, -y)
    assert predict_row(row) == before
    assert model.row_predictor()(row) != before
    again = pickle.loads(pickle.dumps(model))
    assert again.row_predictor()(row) == model.row_predictor()(row)


@pytest.mark.parametrize(
    ("row", "error", "words"),
    [
        ([1.0, "here"], ValueError, "row has 2 values, want 5, the columns of fit"),
        ({"age": 1, "town": "here"}, ValueError, "row has 'town', want columns of fit"),
        ({"age": np.inf}, ValueError, "'age' is infinite"),
        ({"age": "12"}, TypeError, "'age' is '12', want a number"),
        ({"city": ["here"]}, TypeError, "city"),
        ({"city": 1j}, TypeError, "city"),
        ({"age": [12]}, TypeError, r"'age' is \[12\], want a number"),
        ({"age": 10**400}, ValueError, "'age' is an integer too large"),
        (12, TypeError, "row is a int, want a dict, or a sequence"),
        ("12345", TypeError, "row is a str, want a dict, or a sequence"),
        (pd.Series({"age": 12}), TypeError, "row is a Series, .*row.to_dict()"),
    ],
)
def test_bad_rows(frame, row, error, words):
    predict_row = DCNRegressor(**SMALL).fit(frame, frame["clicks"]).row_predictor()
    with pytest.raises(error, match=words):
        predict_row(row)


def test_bad_arrays():
    X = np.random.default_rng(5).normal(size=(50, 3))
    predict_row = DCNRegressor(**SMALL).fit(X, X[:, 0]).row_predictor()
    for row, words in ((X[:2], "shape"), (X[0, :2], "row has 2 values, want 3")):
        with pytest.raises(ValueError, match=words):
            predict_row(row)
    with pytest.raises(ValueError, match="'x1' is infinite"):
        predict_row([0, -np.inf, 0])
