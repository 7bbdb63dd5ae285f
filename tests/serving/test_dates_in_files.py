"""Columns made of dates in files and pickles."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest

import dcnfast
from dcnfast import DCNRegressor
from dcnfast.lists import Lists
from tests.serving.sealed import opened, sealed

DATES = "columns.dates"


@pytest.fixture(scope="module")
def table():
    n = 120
    X = pd.DataFrame({"a": np.sin(np.arange(n)), "b": ["x", "y", None] * (n // 3)})
    days = pd.date_range("2024-01-31", periods=n, freq="7h", tz="Europe/Berlin")
    X.insert(0, "when", days)
    X.insert(2, "since", days.tz_localize(None).to_series().where(np.arange(n) % 5 > 0).array)
    return X


@pytest.fixture(scope="module", params=[True, ["weekday"], ["day_number"]])
def model(request, table):
    options = {"hidden_layer_sizes": (4,), "max_iter": 2, "early_stopping": False, "n_members": 1}
    return DCNRegressor(**options, datetime_features=request.param).fit(table, table["a"])


def test_they_come_back(model, table, tmp_path, tools):
    model.save(tmp_path / "model.dcn")
    loaded = dcnfast.load(tmp_path / "model.dcn")
    dumped = pickle.dumps(model)
    copied = pickle.loads(dumped)
    assert pickle.dumps(copied) == dumped
    row = table.iloc[0].to_dict()
    for other in (loaded, copied):
        np.testing.assert_array_equal(other.predict(table), model.predict(table))
        assert other.row_predictor()(row) == model.row_predictor()(row)
        tools.same(vars(other), vars(model))


@pytest.mark.parametrize(
    "change",
    [
        {"parts": ["year"]}, {"parts": []}, {"places": [0, 9]}, {"places": [2, 0]}, {"places": [0]},
        {"names": ["when", "until"]}, {"zones": ["Mars/Olympus", ""]}, {"zones": ["../passwd", ""]},
        {"zones": ["UTC+99:99", ""]}, {"more": 1},
    ],
)  # fmt: skip
def test_what_does_not_fit(model, change, tmp_path):
    path = tmp_path / "model.dcn"
    model.save(path)
    tree, data = opened(path.read_bytes())
    document = json.loads(tree["__metadata__"]["model"])
    document["columns"]["dates"] |= change
    tree["__metadata__"]["model"] = json.dumps(document)
    path.write_bytes(sealed(tree, data))
    with pytest.raises(ValueError, match="cannot be loaded"):
        dcnfast.load(path)


@pytest.mark.parametrize("weights", [False, True])
def test_a_date_behind_columns_of_lists_comes_back(weights, tmp_path):
    n = 60
    X = pd.DataFrame({
        "tags": [["a", "b"], ["c"]] * (n // 2), "x": np.arange(n) % 7.0,
        "seconds": [[1.0, 2.0], [3.0]] * (n // 2),
        "when": pd.date_range("2024", periods=n, freq="7h"),
    })  # fmt: skip
    how = {"tags": Lists(weights="seconds")} if weights else None
    X = X if weights else X.drop(columns="seconds")
    options = {"hidden_layer_sizes": (4,), "max_iter": 1, "early_stopping": False, "n_members": 1}
    model = DCNRegressor(**options, datetime_features=True, list_features=how).fit(X, X.x)
    model.save(tmp_path / "model.dcn")
    for other in (dcnfast.load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
