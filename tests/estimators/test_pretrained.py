"""``pretrained_embeddings``: what training begins with."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dcnfast
from dcnfast import DCNRegressor
from dcnfast.inspection import embedding_frame

QUICK = {"n_members": 1, "max_iter": 1, "early_stopping": False, "random_state": 0, "n_jobs": 1}
STILL = QUICK | {"learning_rate_init": 1e-12}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "city": rng.choice(list("rst"), 150),
            "item": rng.choice([3, 5, 8], 150),
            "seen": [rng.choice([3, 5, 9], rng.integers(0, 4)).tolist() for _ in range(150)],
            "x": rng.normal(size=150),
        }
    )


VECTORS = np.arange(1.0, 16.0).reshape(3, 5)
IDS = [8, 4, 3]


def model(table, given, **more):
    options = STILL | {"categorical_features": ["city", "item"], "pretrained_embeddings": given}
    return DCNRegressor(**options | more).fit(table, table.x)


def frames():
    columns = {"item": IDS, **{f"e{k}": VECTORS[:, k] for k in range(5)}}
    return [pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns)]


@pytest.mark.parametrize("ids", [IDS, tuple(IDS), np.array(IDS), np.array(IDS, float)], ids=str)
def test_categories_begin_with_their_vectors(table, ids):
    fit = model(table, {"item": (ids, VECTORS)})
    drawn = model(table, None, embedding_dim={"item": 5})
    assert fit.embedding_dims_["item"] == 5
    got, others = (embedding_frame(one, "item").iloc[:, 2:].to_numpy() for one in (fit, drawn))
    np.testing.assert_allclose(got[0], VECTORS[2], rtol=1e-6)  # of 3, then of 5 and of 8
    np.testing.assert_allclose(got[1], others[1], rtol=1e-6)
    np.testing.assert_allclose(got[2], VECTORS[0], rtol=1e-6)
    city = [embedding_frame(one, "city").iloc[:, 2:] for one in (fit, drawn)]
    np.testing.assert_allclose(*city, rtol=1e-6)


def test_a_frame_says_the_same(table):
    want = model(table, {"item": (IDS, VECTORS)}).predict(table)
    for frame in frames():
        np.testing.assert_array_equal(model(table, {"item": frame}).predict(table), want)


def test_lists_and_columns_that_share(table):
    fit = model(table, {"seen": (IDS, VECTORS)}, shared_embeddings=[("item", "seen")])
    assert fit.embedding_dims_["item"] == fit.embedding_dims_["seen"] == 5
    for name in ("item", "seen"):
        frame = embedding_frame(fit, name).set_index(name).iloc[:, 1:]
        np.testing.assert_allclose(frame.loc[[8, 3]], VECTORS[[0, 2]], rtol=1e-6)


def test_a_frame_goes_from_one_model_to_the_next(table):
    first = DCNRegressor(**QUICK).fit(table, table.x)
    known = embedding_frame(first, "city")
    again = embedding_frame(model(table, {"city": known}), "city")
    np.testing.assert_allclose(again.iloc[:, 2:], known.iloc[:, 2:], rtol=1e-6)


@pytest.mark.parametrize("early_stopping", ["auto", True])
def test_they_help_where_rows_are_few(early_stopping):
    rng = np.random.default_rng(1)
    worth = rng.normal(size=60)
    item = rng.integers(0, 60, 400)
    X, y = pd.DataFrame({"item": [f"i{k}" for k in item]}), worth[item]
    given = {"item": ([f"i{k}" for k in range(60)], np.column_stack([worth, worth**2]))}
    options = {"n_members": 1, "random_state": 0, "early_stopping": early_stopping, "max_iter": 20}
    fits = [DCNRegressor(**options, pretrained_embeddings=known) for known in (given, None)]
    scores = [fit.fit(X[:100], y[:100]).score(X[100:], y[100:]) for fit in fits]
    assert scores[0] > scores[1]


def test_files_and_pickles(table, tmp_path):
    fit = model(table, {"item": frames()[0]})
    fit.save(tmp_path / "model.dcn")
    loaded, copied = dcnfast.load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(fit))
    for again in (loaded, copied):
        np.testing.assert_array_equal(again.predict(table), fit.predict(table))
    assert loaded.pretrained_embeddings is None
    assert list(copied.pretrained_embeddings) == ["item"]


def test_what_is_refused(table):
    both = [("item", "seen")]
    bad = [
        ({"x": (IDS, VECTORS)}, {}, ValueError, r"names \['x'\], want categorical fields"),
        ({"item": (IDS, VECTORS)}, {"hash_buckets": 4}, ValueError, "which is hashed"),
        ({"item": (IDS, VECTORS)}, {"embedding_dim": 4}, ValueError, "embedding_dim is 4"),
        ({"item": (IDS, VECTORS), "seen": (IDS, VECTORS)}, {"shared_embeddings": both}, ValueError,
         "which share a table"),
        ({"item": (IDS[:2], VECTORS)}, {}, ValueError, r"shape \(3, 5\) for 2 ids"),
        ({"item": (IDS, VECTORS[:, 0])}, {}, ValueError, r"shape \(3,\) for 3 ids"),
        ({"item": ([8, 8, 3], VECTORS)}, {}, ValueError, "the id 8 twice"),
        ({"item": ([8, None, 3], VECTORS)}, {}, ValueError, "a missing id"),
        ({"item": (IDS, 1e39 * np.ones_like(VECTORS))}, {}, ValueError,
         r"'item' has 1e\+39, want what float32 holds"),
        ({"item": (IDS, np.where(VECTORS == 7, np.nan, VECTORS))}, {}, ValueError, "4 with NaN"),
        ({"item": (IDS, [["a"], ["b"], ["c"]])}, {}, TypeError, "no numbers"),
        ({"item": 3}, {}, TypeError, "is a int, want a DataFrame or a pair"),
        ({"item": frames()[0].drop(columns="item")}, {}, ValueError, "has no column 'item'"),
        ({"item": frames()[0].assign(e1="a")}, {}, TypeError, r"columns \['e1'\] that are no"),
    ]  # fmt: skip
    for given, more, error, match in bad:
        with pytest.raises(error, match=match):
            model(table, given, **more)


OPTIONS = [
    {}, {"sparse_adam": "exact"}, {"n_members": 2, "wide": True},
    {"ema_decay": 0.9, "early_stopping": True},
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_frozen_embeddings_stay(table, options):
    more = {"learning_rate_init": 0.05, "max_iter": 3, "frozen_embeddings": ["item"]} | options
    vectors = VECTORS / 10
    fit = model(table, {"item": (IDS, vectors)}, shared_embeddings=[("item", "seen")], **more)
    frame = embedding_frame(fit, "seen").set_index("seen").iloc[:, 1:]
    np.testing.assert_array_equal(frame.loc[[8, 3]], vectors[[0, 2]].astype(np.float32))
    again = pickle.loads(pickle.dumps(fit))
    assert again._model.config.frozen == fit._model.config.frozen
    np.testing.assert_array_equal(again.predict(table), fit.predict(table))


def test_bad_frozen_embeddings(table):
    for bad in (["x"], [3], ["item", "town"]):
        with pytest.raises(ValueError, match=r"frozen_embeddings names \[.*\], want categorical"):
            model(table, None, frozen_embeddings=bad)
