"""Embeddings as a frame: of which categories, from which rows of which table."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dcnfast import DCNRegressor
from dcnfast.inspection import embedding_frame

QUICK = {"n_members": 1, "max_iter": 2, "early_stopping": False, "random_state": 0, "n_jobs": 1}


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "city": rng.choice(["r", "s", "t"], 200),
            "item": rng.choice(list("abcdef"), 200),
            "x": rng.normal(size=200),
            "seen": [rng.choice(list("bcdeg"), rng.integers(0, 4)).tolist() for _ in range(200)],
            "id": rng.integers(0, 5, 200).astype(str),
        }
    )
    model = DCNRegressor(**QUICK, embedding_dim=3, shared_embeddings=[("item", "seen")])
    return model.fit(X, X.x), X


def test_a_row_for_each_category(fitted):
    model, X = fitted
    frame = embedding_frame(model, "city")
    assert list(frame.columns) == ["city", "count", "city_0", "city_1", "city_2"]
    assert frame["city"].tolist() == ["r", "s", "t"]
    assert frame["count"].tolist() == [int((X.city == city).sum()) for city in "rst"]
    table = model.parameters_["embedding_3"]
    np.testing.assert_array_equal(frame.iloc[:, 2:], table[2:5])
    others = embedding_frame(model, "id")
    np.testing.assert_array_equal(others.iloc[:, 2:], table[5 + 9 + 2 :][:5])


def test_columns_that_share_have_the_same(fitted):
    model, X = fitted
    item, seen = (embedding_frame(model, name) for name in ("item", "seen"))
    assert item["item"].tolist() == seen["seen"].tolist() == list("abcdefg")
    np.testing.assert_array_equal(item.iloc[:, 1:], seen.iloc[:, 1:])
    both = [*X["item"], *(word for of_row in X.seen for word in of_row)]
    assert item["count"].tolist() == [both.count(word) for word in "abcdefg"]


def test_frames_of_every_library(fitted):
    model, _ = fitted
    want = embedding_frame(model, "item")
    for backend, kind in (("polars", pl.DataFrame), ("pyarrow", pa.Table)):
        frame = embedding_frame(model, "item", backend=backend)
        assert isinstance(frame, kind)
        pd.testing.assert_frame_equal(frame.to_pandas(), want, check_dtype=False)


def test_what_is_refused(fitted):
    model, X = fitted
    with pytest.raises(ValueError, match="column is 'x', want a categorical column"):
        embedding_frame(model, "x")
    with pytest.raises(ValueError, match="backend is 'dask'"):
        embedding_frame(model, "city", backend="dask")
    hashed = DCNRegressor(**QUICK, hash_buckets=3).fit(X, X.x)
    with pytest.raises(ValueError, match="'city' is hashed"):
        embedding_frame(hashed, "city")


def test_a_column_named_count_has_its_categories():
    X = pd.DataFrame({"count": list("abcc") * 25, "x": np.arange(100.0)})
    model = DCNRegressor(**QUICK, embedding_dim=1).fit(X, X.x)
    for backend in ("pandas", "polars", "pyarrow"):
        frame = embedding_frame(model, "count", backend=backend)
        found = {"pandas": pa.Table.from_pandas, "polars": pl.DataFrame.to_arrow}.get(
            backend, pa.table
        )
        columns = found(frame).to_pydict()
        assert list(columns) == ["count", "count_", "count_0"]
        assert columns["count"] == ["a", "b", "c"]
        assert columns["count_"] == [25, 25, 50]


@pytest.mark.parametrize(
    ("ids", "kind"),
    [([7, 2**63 + 5], "u8"), ([-3, 7], "i8"), ([1, 2.5], "f8"), ([-1, 2**63], "O"),
     (["a", 1], "O"), ([0.5, 2**53 + 1], "O")],
)  # fmt: skip
def test_ids_of_all_types(ids, kind):
    X = pd.DataFrame({"k": pd.Series(ids * 50, dtype=object), "x": np.arange(100.0)})
    model = DCNRegressor(**QUICK, categorical_features=["k"]).fit(X, X.x)
    frame = embedding_frame(model, "k")
    assert set(frame["k"].tolist()) == set(ids)
    assert frame["k"].dtype == kind
    for backend in ("polars", "pyarrow"):
        if kind == "O":
            with pytest.raises(ValueError, match=f"backend is '{backend}', .* want 'pandas': 'k'"):
                embedding_frame(model, "k", backend=backend)
        else:
            found = embedding_frame(model, "k", backend=backend)["k"]
            values = found.to_pylist() if backend == "pyarrow" else found.to_list()
            assert set(values) == set(ids)
