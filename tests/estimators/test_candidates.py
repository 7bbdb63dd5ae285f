"""Candidates of a request get what ``predict`` says of rows that repeat the context."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_matrix

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.lists import Lists
from dcnfast.numeric_embeddings import Piecewise
from dcnfast.target_statistics import TargetStatistics

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {
    "hidden_layer_sizes": (9,), "max_iter": 3, "early_stopping": False, "random_state": 0,
    "n_jobs": 2,
}  # fmt: skip
CONTEXT = ["user", "age", "seen"]


@pytest.fixture(scope="module")
def clicks():
    """Columns of users and of items, one beside the other, with gaps and dates."""
    rng, n = np.random.default_rng(0), 400
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 9000, n), "h")
    return pd.DataFrame(
        {
            "price": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(9, n)),
            "user": rng.choice(["ann", "bob", None], n),
            "item": rng.integers(0, 20, n).astype(str),
            "age": rng.normal(40, 9, n),
            "seen": days,
            "made": rng.permutation(days),
            "kind": pd.Categorical(rng.choice(["new", "old"], n)),
        }
    )


def target(clicks):
    return clicks["age"] / 10 + (clicks["user"] == "ann") * clicks["price"].fillna(0)


def both(clicks, first=7, n=60):
    """Return a request and its candidates, and the table that ``predict`` takes."""
    row = clicks.iloc[first]
    items = clicks.drop(columns=CONTEXT).iloc[:n]
    whole = items.assign(**{name: [row[name]] * n for name in CONTEXT})[clicks.columns]
    return {name: row[name] for name in CONTEXT}, items, whole.astype(clicks.dtypes)


CROSSES = ["matrix", "vector", "lowrank", "gated", "mixture", "exponential", "onlydense"]


@pytest.mark.parametrize("cross", [*CROSSES, None])
@pytest.mark.parametrize("structure", ["parallel", "stacked", "stacked_parallel"])
@pytest.mark.parametrize("members", [1, 3])
def test_same_as_predict(clicks, cross, structure, members, isa):
    del isa
    layers = {"cross_layers": 0} if cross is None else {"cross": cross, "cross_layers": 2}
    model = DCNRegressor(
        **SMALL, **layers, structure=structure, n_members=members, dtype="float64",
        datetime_features=True,
    )  # fmt: skip
    model.fit(clicks, target(clicks))
    scorer = model.candidate_scorer(context_columns=CONTEXT)
    for n in (1, 60, 399):  # less than a tile, and tiles of which the last is smaller
        context, items, whole = both(clicks, n=n)
        expected = model.predict(whole)
        np.testing.assert_allclose(scorer(context, items), expected, rtol=1e-9)
        assert np.ptp(expected) > 0 or n == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("embedding", [None, "piecewise", "periodic", Piecewise(width=3)])
@pytest.mark.parametrize("learned", [False, True])
def test_numbers(clicks, dtype, embedding, learned):
    clicks = clicks.drop(columns=["seen", "made"])
    model = DCNRegressor(
        **SMALL, numeric_embedding=embedding, dtype=dtype, learned_scale=learned, n_members=2
    ).fit(clicks, target(clicks))
    scorer = model.candidate_scorer(context_columns=["user", "age"])
    for value in (40.0, np.nan, None, 1e300):
        items = clicks[["price", "item", "kind"]]
        whole = items.assign(user="bob", age=value)[clicks.columns].astype({"age": float})
        expected = model.predict(whole)
        scores = scorer({"user": "bob", "age": value}, items)
        tolerance = 1e-4 if dtype == "float32" else 1e-9
        np.testing.assert_allclose(scores, expected, rtol=tolerance, atol=tolerance)


def test_classes(clicks):
    y = pd.cut(target(clicks), 3, labels=["low", "mid", "high"]).astype(str)
    context, items, whole = both(clicks)
    model = DCNClassifier(**SMALL, datetime_features=True).fit(clicks, y)
    scores = model.candidate_scorer(context_columns=CONTEXT)(context, items)
    np.testing.assert_allclose(scores, model.predict_proba(whole), rtol=1e-4)
    model.fit(clicks, y == "low")
    scores = model.candidate_scorer(context_columns=CONTEXT)(context, items)
    np.testing.assert_allclose(scores, model.predict_proba(whole)[:, 1], rtol=1e-4)


def with_lists(clicks):
    rng, n = np.random.default_rng(3), len(clicks)
    sizes = rng.integers(0, 5, n)
    lists = [rng.choice(["a", "b", "c", "d"], k).tolist() for k in sizes]
    weights = [rng.uniform(0.5, 2, k).tolist() for k in sizes]
    tags = [None if k == 0 else f"x|{k}" for k in rng.integers(0, 4, n)]
    frame = clicks.drop(columns=["seen", "made"])
    frame.insert(1, "bought", lists)
    frame.insert(3, "how_often", weights)
    return frame.assign(tags=tags)


@pytest.mark.parametrize("listed", [["bought", "how_often"], ["tags"], []])
def test_lists(clicks, listed):
    frame = with_lists(clicks)
    rules = {"bought": Lists("mean", weights="how_often"), "tags": Lists("max", separator="|")}
    model = DCNRegressor(**SMALL, list_features=rules, n_members=2).fit(frame, target(frame))
    context = ["user", "age", *listed]
    row, items = frame.iloc[5], frame.drop(columns=context).iloc[:100]
    whole = items.assign(**{name: [row[name]] * 100 for name in context})[frame.columns]
    whole = whole.astype({"age": float})
    scorer = model.candidate_scorer(context_columns=context)
    expected = model.predict(whole)
    scores = scorer({name: row[name] for name in context}, items)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    catalog = scorer.read(items)
    some = scorer({name: row[name] for name in context}, catalog.take([3, 90]))
    np.testing.assert_allclose(some, expected[[3, 90]], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="one of 'bought' and its weights 'how_often'"):
        model.candidate_scorer(context_columns=["user", "bought"])


def test_several_labels_and_further_rows(clicks):
    y = np.c_[target(clicks) > 4, target(clicks) > 8].astype(int)
    context, items, whole = both(clicks)
    model = DCNClassifier(**SMALL, datetime_features=True).fit(clicks, y)
    scores = model.candidate_scorer(context_columns=CONTEXT)(context, items)
    np.testing.assert_allclose(scores, model.predict_proba(whole), rtol=1e-4)
    further = clicks.assign(item=clicks["item"] + "0", user="eve")
    model.partial_fit(further, y)
    context, items, whole = both(further)
    scores = model.candidate_scorer(context_columns=CONTEXT)(context, items)
    np.testing.assert_allclose(scores, model.predict_proba(whole), rtol=1e-4)


def test_statistics_of_pairs(clicks):
    clicks = clicks.drop(columns=["seen", "made"])
    y = (clicks["user"] == "ann") ^ (clicks["kind"] == "new")
    kind = TargetStatistics(order=2, min_categories=2)
    model = DCNRegressor(**SMALL, target_statistics=kind, dtype="float64").fit(clicks, y)
    assert any("user_kind" in name for name in model.encoder_.get_feature_names_out())
    whole = clicks.assign(user="ann", age=30.0)
    items = clicks[["price", "item", "kind"]]
    scorer = model.candidate_scorer(context_columns=["age", "user"])
    np.testing.assert_allclose(scorer(["ann", 30.0], items), model.predict(whole), rtol=1e-9)
    assert scorer.context_columns_ == ["user", "age"]


def test_arrays_and_backends(clicks):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    model = DCNRegressor(**SMALL).fit(X, X[:, 0] * X[:, 3])
    scorer = model.candidate_scorer(context_columns=[0, 2])
    items = X[:, [1, 3, 4]]
    whole = X.copy()
    whole[:, [0, 2]] = X[5, [0, 2]]
    expected = model.predict(whole)
    for candidates in (items, csr_matrix(items), items.tolist(), items.astype(np.float32)):
        np.testing.assert_allclose(scorer(X[5, [0, 2]], candidates), expected, atol=1e-4)
    clicks = clicks.drop(columns=["seen", "made"])
    model.fit(clicks, target(clicks))
    scorer = model.candidate_scorer(context_columns=["user", "age"])
    items = clicks[["price", "item", "kind"]]
    np.testing.assert_array_equal(
        scorer(["ann", 30], pl.from_pandas(items)), scorer(["ann", 30], items)
    )


def test_catalog_and_best(clicks):
    model = DCNRegressor(**SMALL, datetime_features=True).fit(clicks, target(clicks))
    scorer = model.candidate_scorer(context_columns=CONTEXT)
    context, items, _ = both(clicks)
    catalog = scorer.read(items)
    scores = scorer(context, items)
    np.testing.assert_array_equal(scorer(context, catalog), scores)
    some = np.array([30, 2, 17])
    np.testing.assert_allclose(scorer(context, catalog.take(some)), scores[some], rtol=1e-5)
    places, best = scorer.top_k(context, catalog, 5)
    np.testing.assert_array_equal(best, np.sort(scores)[::-1][:5])
    np.testing.assert_array_equal(scores[places], best)
    twice = catalog.take(np.array([4, 4, 9]))
    assert scorer.top_k(context, twice, 10)[0].tolist() in ([0, 1, 2], [2, 0, 1])
    assert len(scorer(context, catalog.take(slice(0, 0)))) == 0


def test_threads_and_pickles(clicks):
    model = DCNRegressor(**SMALL, datetime_features=True).fit(clicks, target(clicks))
    scorer = model.candidate_scorer(context_columns=CONTEXT)
    context, items, _ = both(clicks, n=400)
    scores = scorer(context, items)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(scorer))(context, items), scores)
    one = DCNRegressor(**SMALL | {"n_jobs": 1}, datetime_features=True).fit(clicks, target(clicks))
    alone = one.candidate_scorer(context_columns=CONTEXT)
    np.testing.assert_array_equal(alone(context, items), scores)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: scorer(context, items), range(8)):
            np.testing.assert_array_equal(found, scores)
    model.fit(clicks, -target(clicks))
    np.testing.assert_array_equal(scorer(context, items), scores)


@pytest.mark.parametrize(
    ("columns", "error", "text"),
    [
        ("user", TypeError, "context_columns is 'user', want a list of columns"),
        (None, TypeError, "context_columns is None"),
        ([], ValueError, "0 of 5 columns, want some of them"),
        (["price", "user", "item", "age", "kind"], ValueError, "5 of 5 columns"),
        (["user", "user"], ValueError, "columns twice"),
        (["user", 1], ValueError, "columns twice"),
        (["buyer"], ValueError, "has 'buyer', want columns of fit"),
        ([-1], ValueError, "has -1, want columns of fit"),
    ],
)
def test_bad_columns(clicks, columns, error, text):
    clicks = clicks.drop(columns=["seen", "made"])
    model = DCNRegressor(**SMALL).fit(clicks, target(clicks))
    with pytest.raises(error, match=text):
        model.candidate_scorer(context_columns=columns)


def test_bad_requests(clicks):
    clicks = clicks.drop(columns=["seen", "made"])
    model = DCNRegressor(**SMALL).fit(clicks, target(clicks))
    scorer = model.candidate_scorer(context_columns=["user", "age"])
    items = clicks[["price", "item", "kind"]]
    for context, error, text in (
        ({"user": "ann"}, ValueError, "context has \\['user'\\], want \\['user', 'age'\\]"),
        (["ann"], ValueError, "context has 1 values, want 2"),
        ("ann", TypeError, "context is a str"),
        (pd.Series({"user": "ann", "age": 3}), TypeError, "give context.to_dict"),
        (["ann", "old"], TypeError, "'age' is 'old', want a number"),
        ([7, 30], TypeError, "'user' has"),
        (["ann", np.inf], ValueError, "context: 'age' is infinite"),
    ):
        with pytest.raises(error, match=text):
            scorer(context, items)
    with pytest.raises(ValueError, match="feature names"):
        scorer(["ann", 30], items[["item", "price", "kind"]])
    with pytest.raises(ValueError, match="infinity"):
        scorer(["ann", 30], items.assign(price=np.inf))
    for rows, text in (
        (items[["price"]], r"Of the candidates: The feature names should match"),
        (items.iloc[:0], r"Of the candidates: Found array with 0 sample.s. .* by Candidates"),
        (items.assign(kind=3), "Of the candidates: X: column 'kind' has numbers"),
    ):
        with pytest.raises((ValueError, TypeError), match=text):
            scorer(["ann", 30], rows)
    with pytest.raises(ValueError, match="read by another scorer"):
        scorer(
            ["ann", 30],
            model.candidate_scorer(context_columns=["user"]).read(clicks.drop(columns="user")),
        )
    for k in (0, 1.5, True, "2"):
        with pytest.raises(ValueError, match="want an integer of at least 1"):
            scorer.top_k(["ann", 30], items, k)
    several = DCNRegressor(**SMALL).fit(clicks, np.c_[target(clicks), target(clicks)])
    with pytest.raises(ValueError, match="has 2 scores, want one"):
        several.candidate_scorer(context_columns=["user", "age"]).top_k(["ann", 30], items, 1)


def test_a_catalog_can_be_shown(clicks):
    model = DCNRegressor(**SMALL, datetime_features=True).fit(clicks, target(clicks))
    catalog = model.candidate_scorer(context_columns=CONTEXT).read(both(clicks)[1])
    assert repr(catalog.take([1, 2])).startswith("Catalog(encoded=Encoded(")
