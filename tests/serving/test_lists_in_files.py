"""Columns of lists, and of weights, in files and pickles."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest

import dcnfast
from dcnfast import DCNRegressor
from dcnfast.lists import Lists
from tests.serving.sealed import opened, sealed


@pytest.fixture(scope="module")
def table():
    n = 120
    tags = [list("abcd")[: i % 4] if i % 7 else None for i in range(n)]
    X = pd.DataFrame({"a": np.sin(np.arange(n)), "b": ["x", "y", None] * (n // 3)})
    X.insert(0, "tags", tags)
    X.insert(2, "seconds", [[1.0 + k for k in range(len(of_row or []))] for of_row in tags])
    X["words"] = ["a|e", "", None] * (n // 3)
    return X


@pytest.fixture(scope="module")
def model(table):
    options = {"hidden_layer_sizes": (4,), "max_iter": 2, "early_stopping": False, "n_members": 1}
    how = {"tags": Lists(weights="seconds"), "words": Lists("max", separator="|")}
    fit = DCNRegressor(**options, list_features=how, shared_embeddings=[("tags", "words")])
    return fit.fit(table, table["a"])


def test_they_come_back(model, table, tmp_path, tools):
    model.save(tmp_path / "model.dcn")
    loaded = dcnfast.load(tmp_path / "model.dcn")
    dumped = pickle.dumps(model)
    copied = pickle.loads(dumped)
    assert pickle.dumps(copied) == dumped
    row = table.iloc[1].to_dict()
    for other in (loaded, copied):
        np.testing.assert_array_equal(other.predict(table), model.predict(table))
        assert other.row_predictor()(row) == model.row_predictor()(row)
        tools.same(vars(other), vars(model))


LISTS = [
    {"places": [0, 9]}, {"places": [4, 0]}, {"places": [0]}, {"places": [0, 2]},
    {"names": ["tags", "b"]}, {"names": ["tags", "tags"]}, {"poolings": ["mean", "median"]},
    {"poolings": ["mean", "mean"]}, {"weights": ["", ""]}, {"places_of_weights": [-1, -1]},
    {"places_of_weights": [4, -1]}, {"separators": ["|"]}, {"more": 1},
]  # fmt: skip
ENCODER = [
    {"poolings": ["max", "max"]}, {"poolings": ["median", "max"]}, {"poolings": ["mean"] * 9},
    {"shared": [["tags", "b"]]}, {"shared": [["tags"]]}, {"shared": ["tags"]}, {"shared": []},
]  # fmt: skip
NETWORK = [
    {"poolings": ["sum", "sum"]}, {"poolings": ["sum"]}, {"poolings": ["x", "max"]},
    {"table_of": []}, {"table_of": [0, 1, 2]}, {"table_of": [0, 0, 0]}, {"table_of": [0, 2, 2]},
]  # fmt: skip
CHANGES = [(("columns", "lists"), change) for change in LISTS]
CHANGES += [(("encoder",), change) for change in ENCODER]
CHANGES += [(("network", "config"), change) for change in NETWORK]


@pytest.mark.parametrize(("where", "change"), CHANGES, ids=str)
def test_what_does_not_fit(model, where, change, tmp_path):
    path = tmp_path / "model.dcn"
    model.save(path)
    tree, data = opened(path.read_bytes())
    document = json.loads(tree["__metadata__"]["model"])
    part = document
    for name in where:
        part = part[name]
    assert part.keys() >= change.keys() - {"more"}
    part |= change
    tree["__metadata__"]["model"] = json.dumps(document)
    path.write_bytes(sealed(tree, data))
    with pytest.raises(ValueError, match="cannot be loaded"):
        dcnfast.load(path)
