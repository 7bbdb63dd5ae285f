"""One row through ``row_predictor`` is that row through ``predict``."""

import copy
import pickle
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from dcnfast import DCNClassifier, DCNRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {
    "hidden_layer_sizes": (8,), "max_iter": 3, "early_stopping": False, "random_state": 0,
    "n_jobs": 1,
}  # fmt: skip


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


@pytest.mark.parametrize("scaling", ["auto", "standard", "quantile", "log", "robust_smooth", None])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("clip", [True, False])
def test_regressor(frame, scaling, dtype, clip):
    y = frame["clicks"] / 100 + (frame["city"] == "here")
    if scaling is None:  # three epochs lead nowhere with numbers of hundreds
        frame = frame.assign(age=frame["age"] / 100, clicks=frame["clicks"] / 300)
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


@pytest.mark.parametrize("scaling", ["auto", "quantile", "standard", "robust_smooth", None])
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
        ({"city": 12}, TypeError, "row: 'city' has numbers such as 12, want strings: fit saw no"),
        ({"member": "yes"}, TypeError, "row: 'member' has strings such as 'yes', want numbers"),
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
    model = DCNRegressor(**SMALL).fit(frame, frame["clicks"])
    with pytest.raises(error, match=words):
        model.row_predictor(missing_columns="allow")(row)


def test_missing_columns_are_named_or_allowed(frame):
    model = DCNRegressor(**SMALL).fit(frame, frame["clicks"])
    row = frame.iloc[0].to_dict()
    part = {name: row[name] for name in ("city", "age", "id")}
    strict, lenient = model.row_predictor(), model.row_predictor(missing_columns="allow")
    words = re.escape("row lacks the columns ['clicks', 'member'], want all columns of fit")
    with pytest.raises(ValueError, match=words):
        strict(part)
    with pytest.raises(ValueError, match=r"row lacks the columns .*'age', 'city'"):
        strict({})
    assert lenient(part) == strict(row | {"clicks": None, "member": None})
    assert lenient({}) == strict(dict.fromkeys(row))
    for mapping in (MappingProxyType(row), defaultdict(lambda: 1, row)):
        assert strict(mapping) == strict(row)
    with pytest.raises(ValueError, match="missing_columns is 'ignore', want 'error' or 'allow'"):
        model.row_predictor(missing_columns="ignore")


def test_values_new_to_training_are_counted(frame):
    model = DCNRegressor(hash_buckets={"id": 10**6}, **SMALL).fit(frame, frame["clicks"])
    predict_row, row = model.row_predictor(), frame.iloc[0].to_dict()
    assert predict_row.n_unknown_ == {"city": 0, "id": 0, "member": 0}
    for change in ({}, {"city": "new"}, {"city": None}, {"city": "new", "id": -1}, {"member": 7}):
        predict_row(row | change)
    assert predict_row.n_unknown_ == {"city": 2, "id": 1, "member": 1}
    assert model.row_predictor().n_unknown_ == {"city": 0, "id": 0, "member": 0}
    predict_row.n_unknown_["city"] = 0  # a copy
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(predict_row, [row | {"city": "new"}] * 400))
    assert predict_row.n_unknown_["city"] == 402


@pytest.mark.parametrize("again", [lambda p: pickle.loads(pickle.dumps(p)), copy.deepcopy])
def test_it_can_be_pickled_and_copied(frame, again):
    y = frame["clicks"].to_numpy()
    X = frame[["age", "clicks"]].to_numpy()
    lone = {"scoring": lambda *_: 1.0, "early_stopping": True}  # no pickle takes it
    for model, rows in (
        (DCNRegressor(**SMALL | lone).fit(frame, y), frame.to_dict("records")),
        (DCNRegressor(loss="log_loss", **SMALL).fit(frame, y / 1000), frame.to_dict("records")),
        (DCNRegressor(**SMALL).fit(X, np.column_stack([y, y])), X),
        (DCNClassifier(**SMALL).fit(frame, y % 3), frame.to_dict("records")),
        (DCNClassifier(hash_buckets=7, **SMALL).fit(frame, y % 2), frame.to_dict("records")),
    ):
        predict_row = model.row_predictor(missing_columns="allow")
        with ThreadPoolExecutor(2) as pool:  # while others use it
            calls = pool.map(predict_row, rows[:50])
            other = again(predict_row)
            expected = list(calls)
        np.testing.assert_array_equal([other(row) for row in rows[:50]], expected)
        if rows is not X:
            other({"member": 7 if model.hash_buckets is None else None})
            assert again(other).n_unknown_ == other.n_unknown_
            if model.hash_buckets is None:
                assert (other.n_unknown_["member"], predict_row.n_unknown_["member"]) == (1, 0)


def test_intervals_and_their_texts(frame):
    X = frame.assign(band=pd.cut(frame["age"], [0, 30, 45, 99]))
    model = DCNRegressor(**SMALL).fit(X, X["age"].fillna(0) > 40)
    predict_row = model.row_predictor()
    for i in X.dropna().index[:10]:
        row = X.iloc[i].to_dict()
        assert predict_row(row) == pytest.approx(model.predict(X[i : i + 1])[0], rel=1e-6)
        assert predict_row(row | {"band": str(row["band"])}) == predict_row(row)
    assert sum(predict_row.n_unknown_.values()) == 0


def test_bad_arrays():
    X = np.random.default_rng(5).normal(size=(50, 3))
    predict_row = DCNRegressor(**SMALL).fit(X, X[:, 0]).row_predictor()
    for row, words in ((X[:2], "shape"), (X[0, :2], "row has 2 values, want 3")):
        with pytest.raises(ValueError, match=words):
            predict_row(row)
    with pytest.raises(ValueError, match="'x1' is infinite"):
        predict_row([0, -np.inf, 0])
