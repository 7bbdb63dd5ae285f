"""Whole numbers that are read as categories, beside ids with statistics."""

from __future__ import annotations

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.metrics import root_mean_squared_error

import dcnfast
from dcnfast import DCNClassifier, DCNRanker, DCNRegressor

N = 4000
SOON = {"n_members": 1, "max_iter": 1, "early_stopping": False, "random_state": 0}


@pytest.fixture(autouse=True)
def _few_epochs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make_trips(n: int = N, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Return trips of cars: how late they are depends on the day, a month and a day of it."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "car": np.char.add("c", rng.integers(0, 400, n).astype(str)),
            "month": rng.integers(1, 13, n),
            "day": rng.integers(1, 31, n).astype(float),
            "seats": rng.integers(0, 200, n),  # too many values
            "load": rng.integers(0, 10, n) / 2,  # no whole numbers
            "year": np.full(n, 2013),  # one value
        }
    )
    of_days = np.random.default_rng(1).normal(size=(13, 31))
    late = of_days[table.month, table.day.astype(int)] + 0.3 * table.load
    return table, (late + 0.3 * rng.normal(size=n)).to_numpy()


def categorical(model) -> list[str]:
    return list(model.feature_names_in_[model.is_categorical_])


def test_whole_numbers_of_few_values_have_statistics_of_pairs():
    X, y = make_trips()
    X.loc[5, "day"] = np.nan
    model = DCNRegressor(**SOON).fit(X, y)
    assert categorical(model) == ["car", "month", "day"]
    assert [field.name for field in model.encoder_.fields] == ["car", "month", "day"]
    assert model.encoder_.categories("month") == list(range(1, 13))
    assert {type(value) for value in model.encoder_.categories("month")} == {int}
    assert ("month", "day") in model.encoder_.sources()
    assert np.isfinite(model.predict(X)).all()


def test_they_tell_what_numbers_do_not():
    X, y = make_trips(6000)
    errors = {}
    for ids in ("from_dtype", ["car"]):
        model = DCNRegressor(n_members=1, max_iter=12, random_state=0, categorical_features=ids)
        model.fit(X[:N], y[:N])
        errors[str(ids)] = root_mean_squared_error(y[N:], model.predict(X[N:]))
    assert errors["from_dtype"] < 0.85 * errors["['car']"]


@pytest.mark.parametrize(
    "options",
    [
        {"target_statistics": None},
        {"target_statistics": dcnfast.target_statistics.TargetStatistics()},
        {"categorical_features": ["car"]},
    ],
)
def test_numbers_stay_numbers_where_something_else_is_said(options):
    X, y = make_trips()
    assert categorical(DCNRegressor(**SOON, **options).fit(X, y)) == ["car"]


def test_numbers_stay_numbers_without_rare_ids():
    X, y = make_trips()
    X["car"] = X["car"].str[:2]
    assert categorical(DCNRegressor(**SOON).fit(X, y)) == ["car"]
    assert not DCNRegressor(**SOON).fit(X.drop(columns="car"), y).is_categorical_.any()


def test_infinity_is_no_code():
    X, y = make_trips()
    X.loc[3, "day"] = np.inf
    with pytest.raises(ValueError, match="Columns with infinity: 'day'"):
        DCNRegressor(**SOON).fit(X, y)


@pytest.mark.parametrize("native", ["objects", "arrow", "polars"])
def test_decimals_stay_numbers(native):
    X, y = make_trips()
    exact = [Decimal(int(month)) for month in X["month"]]
    if native == "polars":
        X = pl.from_pandas(X).with_columns(month=pl.Series(exact, dtype=pl.Decimal(6, 2)))
    else:
        kind = pd.ArrowDtype(pa.decimal128(6, 2)) if native == "arrow" else object
        X["month"] = pd.Series(exact, dtype=kind)
    model = DCNRegressor(**SOON).fit(X, y)
    assert categorical(model) == ["car", "day"]
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("ids", ["few", "many"])
def test_rows_of_weight_0_say_nothing_of_them(ids):
    X, y = make_trips()
    more = X.assign(car=[f"{ids}{i if ids == 'many' else 0}" for i in range(N)], month=0.5)
    both, weight = pd.concat([X, more]), np.repeat([1.0, 0.0], N)
    want = DCNRegressor(**SOON).fit(X, y)
    model = DCNRegressor(**SOON).fit(both, np.concatenate([y, y]), sample_weight=weight)
    assert categorical(model) == categorical(want) == ["car", "month", "day"]
    np.testing.assert_array_equal(model.predict(X), want.predict(X))


@pytest.mark.parametrize("weight", [[1.0], [[1], [2, 3]], "no numbers"])
def test_weights_of_no_use_are_an_error_all_the_same(weight):
    with pytest.raises((ValueError, TypeError), match="sample_weight"):
        DCNRegressor(**SOON).fit(*make_trips(), sample_weight=weight)


def test_numbers_of_few_rows_each_stay_numbers():
    X, y = make_trips(1000)
    X["day"] = np.arange(1000) % 20
    assert categorical(DCNRegressor(**SOON).fit(X, y)) == ["car", "month", "day"]
    X["day"] = np.arange(1000) % 21  # 47 rows each
    assert categorical(DCNRegressor(**SOON).fit(X, y)) == ["car", "month"]


def test_numbers_of_a_stream_stay_numbers():
    X, y = make_trips()
    assert categorical(DCNRegressor(**SOON).partial_fit(X, y)) == ["car"]


def test_a_fit_that_goes_on_has_the_columns_of_the_last():
    X, y = make_trips()
    model = DCNRegressor(**SOON, warm_start=True).fit(X, y)
    X["day"] = X["day"] + 0.5  # would be no code of its own
    model.fit(X, y)
    assert categorical(model) == ["car", "month", "day"]
    other = DCNRegressor(**SOON, warm_start=True).fit(X, y)
    assert categorical(other.fit(*make_trips())) == ["car", "month"]


def test_classes_and_groups_have_them_too():
    X, y = make_trips()
    assert "month" in categorical(DCNClassifier(**SOON).fit(X, y > 0))
    ranker = DCNRanker(**SOON).fit(X, (y > 0).astype(int), group=np.repeat(np.arange(200), 20))
    assert "month" in categorical(ranker)


def test_they_are_served_as_other_categories_are(tmp_path):
    X, y = make_trips()
    model = DCNRegressor(**SOON).fit(X, y)
    model.save(tmp_path / "trips.dcn")
    want = model.predict(X[:20])
    np.testing.assert_array_equal(dcnfast.load(tmp_path / "trips.dcn").predict(X[:20]), want)
    predict = model.row_predictor()
    rows = X[:20].to_dict("records")
    np.testing.assert_allclose([predict(row) for row in rows], want, rtol=1e-5, atol=1e-6)
    unknown = X[:20].assign(month=13)
    assert np.isfinite(model.predict(unknown)).all()
