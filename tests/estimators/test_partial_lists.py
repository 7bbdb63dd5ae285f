"""Further rows for lists and for columns that share a table: new items get rows, once."""

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNRegressor
from dcnfast.checkpoints import Checkpoints
from dcnfast.lists import Lists

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {
    "hidden_layer_sizes": (8,), "n_members": 2, "max_iter": 4, "tol": None, "batch_size": 50,
    "early_stopping": False, "random_state": 0, "optimizer": "adam",
}  # fmt: skip
SHARED = [("seen", "item")]


def rows(levels, seed=0, n=200):
    """Items of which a row has one and a list, and a number."""
    rng = np.random.default_rng(seed)
    lists = [rng.choice(levels, k).tolist() for k in rng.integers(0, 4, n)]
    item = rng.choice(levels, n)
    frame = pd.DataFrame({"item": item, "seen": lists, "x": rng.normal(size=n)})
    return frame, frame["x"] + np.array([i in s for i, s in zip(item, lists, strict=True)])


@pytest.mark.parametrize("shared", [None, SHARED])
@pytest.mark.parametrize("pooling", ["mean", "sqrtn", "max"])
def test_new_items(shared, pooling):
    X, y = rows(["a", "b", "c"])
    more, y_more = rows(["b", "d", "e"], seed=1)
    model = DCNRegressor(
        **SMALL, list_features={"seen": Lists(pooling)}, shared_embeddings=shared
    ).fit(X, y)
    unseen = more.assign(item="?", seen=[["?"]] * len(more))
    new = more.assign(item="d", seen=[["d", "d"]] * len(more))
    before, as_unseen = model.predict(X), model.predict(unseen)
    # a learning rate so small that nothing moves: new items are as one never seen
    model.set_params(learning_rate_init=1e-30).partial_fit(more, y_more)
    assert {"d", "e"} <= set(model.encoder_.categories("seen"))
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-5, atol=1e-5)
    if pooling != "sqrtn":  # where two items weigh more than one
        np.testing.assert_allclose(model.predict(new), as_unseen, rtol=1e-4, atol=1e-5)
    assert {field.name: field.size for field in model.encoder_.fields} == {"item": 7, "seen": 7}
    model.set_params(learning_rate_init=0.05)
    for _ in range(5):
        model.partial_fit(more, y_more)
    assert np.ptp(model.predict(new.assign(item=["d", "e"] * 100)) - model.predict(new)) > 0


@pytest.mark.parametrize("shared", [None, SHARED])
def test_in_pieces_as_at_once(shared):
    X, y = rows(list("abcdef"), n=400)
    kind = {"list_features": {"seen": "mean"}, "shared_embeddings": shared}
    once = DCNRegressor(**SMALL | kind | {"min_frequency": None}).partial_fit(X, y)
    pieces = DCNRegressor(**SMALL | kind)
    for start in range(0, 400, 100):
        pieces.partial_fit(X[start : start + 100], y[start : start + 100])
    for name in ("item", "seen"):
        assert set(pieces.encoder_.categories(name)) == set(once.encoder_.categories(name))
        counts = [m.encoder_.by_name()[name].counts.sum() for m in (once, pieces)]
        assert counts[0] == counts[1]


def test_warm_start_and_checkpoints(tmp_path):
    X, y = rows(["a", "b", "c"])
    more, y_more = rows(["b", "d", "e"], seed=1)
    kind = {"list_features": {"seen": "mean"}, "shared_embeddings": SHARED, "warm_start": True}
    model = DCNRegressor(**SMALL | kind).fit(X, y).fit(more, y_more)
    assert "e" in model.encoder_.categories("item")
    kept = DCNRegressor(**SMALL | kind, checkpoints=Checkpoints(tmp_path)).fit(X, y)
    kept.fit(more, y_more)
    np.testing.assert_array_equal(model.predict(more), kept.predict(more))


def test_a_checkpoint_of_other_lists_is_refused(tmp_path):
    X, y = rows(["a", "b", "c"])
    weights = [[1.0] * len(items) for items in X["seen"]]
    X = X.assign(w=weights)
    options = SMALL | {"list_features": {"seen": Lists(weights="w")}, "early_stopping": True}
    kept = Checkpoints(tmp_path)
    with pytest.warns(match="max_time is over"):
        DCNRegressor(**options, checkpoints=kept, max_time=1e-9).fit(X, y)
    first = next(i for i, items in enumerate(X["seen"]) if len(items) > 1)
    for column, other in (("seen", ["c", "b", "a"]), ("w", [5.0, 2.0, 1.0])):
        lists = X[column].tolist()
        lists[first] = [x for x in other if x not in lists[first]][:1] + lists[first][1:]
        with pytest.raises(ValueError, match="of a fit with other rows"):
            DCNRegressor(**options, checkpoints=kept).fit(X.assign(**{column: lists}), y)
    DCNRegressor(**options, checkpoints=kept).fit(X, y)


def test_the_first_call_takes_list_features():
    X, y = rows(["a", "b", "c"])
    texts = X.assign(seen=["|".join(items) for items in X["seen"]])
    how = {"list_features": {"seen": Lists("max", separator="|")}}
    model = DCNRegressor(**SMALL | how).partial_fit(texts, y).partial_fit(texts, y)
    assert model.encoder_.categories("seen") == ["a", "b", "c"]
    lists = DCNRegressor(**SMALL, list_features={"seen": "max"})
    lists.partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(model.predict(texts), lists.predict(X))
    missing = X.assign(seen=None)  # of which nothing says that they are lists
    lists = DCNRegressor(**SMALL, list_features={"seen": "max"}).partial_fit(missing, y)
    assert lists.partial_fit(X, y).encoder_.categories("seen") == ["a", "b", "c"]


def test_a_weight_that_the_type_does_not_hold_is_refused():
    X = pd.DataFrame({"ids": [["a", "b"]] * 30, "seconds": [[1.0, 2.0]] * 30})
    X["x"] = np.arange(30.0)
    rule = {"ids": Lists("sum", weights="seconds")}
    few = {"n_members": 1, "max_iter": 1, "early_stopping": False, "list_features": rule}
    model = DCNRegressor(**few).fit(X, X.x)
    X.at[7, "seconds"] = [1.0, 1e39]
    for call in (model.predict, lambda X: model.partial_fit(X, X.x), lambda X: model.fit(X, X.x)):
        with pytest.raises(ValueError, match=r"weight 1e\+39 in a list of row 7, .* float32 holds"):
            call(X)
    assert DCNRegressor(**few, dtype="float64").fit(X, X.x).n_iter_ == 1
    few["list_features"] = {"ids": Lists("mean", weights="seconds")}
    assert np.isfinite(DCNRegressor(**few).fit(X, X.x).predict(X)).all()
