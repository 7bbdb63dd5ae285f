"""recycle_categories: a vocabulary of a fixed size has what a stream has brought last."""

import pickle

import numpy as np
import pandas as pd
import pytest

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.lists import Lists
from dcnfast.table.schema import read_table
from dcnfast.target_statistics import TargetStatistics
from tests.estimators.streams import BIG, SMALL

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RECYCLING = SMALL | {"max_categories": 60, "recycle_categories": True}


def day(number, n=400, name=lambda i: BIG + int(i)):
    """Rows of 40 users, of whom half are of the day before."""
    rng = np.random.default_rng(number)
    user = 20 * number + rng.integers(0, 40, n)
    x = rng.normal(size=n)
    users = pd.Series([name(i) for i in user], dtype="category")
    return pd.DataFrame({"user": users, "x": x}), 2 * np.sin(user) + x


def users_of(model):
    return set(model.encoder_.categories("user"))


@pytest.mark.parametrize("name", [lambda i: BIG + int(i), lambda i: f"user {i}"])
def test_a_long_stream_knows_its_users_in_bounded_memory(name):
    model, shapes = DCNRegressor(**RECYCLING, learning_rate_init=0.01), set()
    for number in range(30):
        X, y = day(number, name=name)
        model.partial_fit(X, y)
        assert set(X.user) <= users_of(model)
        assert model.count_unknown(X) == {"user": 0}
        if number >= 2:
            shapes.add((model._model.network.flat_parameters.size, len(users_of(model))))
            assert sum(map(len, (model._seen[0], model.encoder_.columns[0].uses))) == 2 * 62
    assert len(shapes) == 1
    counts = model.encoder_.by_name()["user"].counts
    users = model.encoder_.categories("user")
    rows = pd.concat([day(k, name=name)[0] for k in (28, 29)]).user.value_counts()
    assert counts[2 + users.index(name(600))] == rows[name(600)]
    old, _ = day(3, name=name)
    assert model.count_unknown(old) == {"user": len(old)}
    frozen = DCNRegressor(**RECYCLING | {"recycle_categories": False}, learning_rate_init=0.01)
    for number in range(30):
        frozen.partial_fit(*day(number, name=name))
    errors = [np.mean((one.predict(X) - y) ** 2) for one in (model, frozen)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("changes", [{}, {"wide": True, "sparse_adam": "exact"}], ids=str)
def test_a_recycled_row_begins_as_an_unseen_one(changes):
    model = DCNRegressor(**RECYCLING, **changes, optimizer="adam").partial_fit(*day(0))
    for number in (1, 2):
        model.partial_fit(*day(number))
    X, y = day(9)
    before = model.predict(X)
    was = {user: row for row, user in enumerate(model.encoder_.categories("user"), 2)}
    model.set_params(learning_rate_init=1e-30).partial_fit(X, y)
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-4, atol=1e-5)
    now = {user: row for row, user in enumerate(model.encoder_.categories("user"), 2)}
    new = sorted(now[user] for user in set(X.user))
    assert set(new) <= set(was.values())
    kept = [user for user in was if user in now]
    assert all(was[user] == now[user] for user in kept)
    assert len(kept) == 60 - len(new)


def test_which_go_is_the_same_after_a_pickle_a_file_and_in_other_processes(tmp_path):
    model = DCNRegressor(**RECYCLING)
    for number in range(4):
        model.partial_fit(*day(number))
    model.save(tmp_path / "model.dcn")
    others = [pickle.loads(pickle.dumps(model)), dcnfast.load(tmp_path / "model.dcn")]
    rows = pd.concat([day(k)[0] for k in range(5)])
    for other in others:
        np.testing.assert_array_equal(other.predict(rows), model.predict(rows))
        assert other.recycle_categories
    for number in (4, 5):
        for one in (model, *others):
            one.partial_fit(*day(number))
    assert [other.encoder_.categories("user") for other in others] == 2 * [
        model.encoder_.categories("user")
    ]
    np.testing.assert_array_equal(others[0].predict(rows), model.predict(rows))
    assert pickle.dumps(others[0]) == pickle.dumps(model)


def test_what_holds_a_row_goes_with_its_category():
    model = DCNRegressor(
        **RECYCLING, prior_strength=1e6, max_iter=5, early_stopping=False, embedding_dim=4
    )
    first = pd.concat([day(k)[0] for k in range(2)]).astype({"user": "category"})
    model.fit(first, np.hstack([day(k)[1] for k in range(2)]))
    before = model._training.state.prior
    X, y = day(7)
    free = pickle.loads(pickle.dumps(model))
    for one in (model, free):
        one.partial_fit(X, y)
    users = model.encoder_.categories("user")
    new = [2 + users.index(user) for user in set(X.user)]
    size = len(users) + 2
    tables = [flat[-4 * size :].reshape(size, 4) for flat in model._training.state.prior]
    was = [flat[-4 * size :].reshape(size, 4) for flat in before]
    others = np.setdiff1d(np.arange(size), new)
    for now, then in zip(tables, was, strict=True):
        assert not now[new].any()
        np.testing.assert_array_equal(now[others], then[others])
    assert was[1][new].any()
    again = pickle.loads(pickle.dumps(model))
    for one in (model, free, again):
        one.partial_fit(*day(8))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(free.predict(X), model.predict(X))
    held = np.std(model.parameters_["embedding_4"][others])
    assert np.std(model.parameters_["embedding_4"][new]) > 0 < held


@pytest.mark.parametrize("shared", [None, [("item", "seen")]])
def test_lists_and_shared_tables(shared):
    def rows(number, n=120):
        rng = np.random.default_rng(number)
        levels = [f"i{k}" for k in range(6 * number, 6 * number + 12)]
        lists = [rng.choice(levels, k).tolist() for k in rng.integers(0, 4, n)]
        item = rng.choice(levels, n)
        frame = pd.DataFrame({"item": item, "seen": lists, "x": rng.normal(size=n)})
        return frame, frame["x"] + np.array([i in s for i, s in zip(item, lists, strict=True)])

    model = DCNRegressor(
        **SMALL, max_categories=20, recycle_categories=True, list_features={"seen": Lists("mean")},
        shared_embeddings=shared,
    )  # fmt: skip
    for number in range(8):
        X, y = rows(number)
        model.partial_fit(X, y)
        if number == 5:
            other = pickle.loads(pickle.dumps(model))
    assert model.count_unknown(X) == {"item": 0, "seen": 0}
    assert {field.name: field.size for field in model.encoder_.fields} == {"item": 22, "seen": 22}
    if shared:
        columns = model.encoder_.columns
        assert columns[0] is columns[1]
    for number in (6, 7):
        other.partial_fit(*rows(number))
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    row = dict(X.iloc[0])
    assert model.row_predictor()(row) == pytest.approx(model.predict(X[:1])[0], rel=1e-5)
    gone, _ = rows(0)
    assert model.count_unknown(gone)["item"] == len(gone)
    assert model.predict(gone.assign(item="?", seen=[["?"]] * len(gone))) == pytest.approx(
        model.predict(gone.assign(seen=[["i0"]] * len(gone))), rel=1e-5
    )


def test_a_call_that_fails_takes_no_rows():
    model = DCNRegressor(**RECYCLING)
    for number in range(3):
        model.partial_fit(*day(number))
    X, y = day(8)
    rows = pd.concat([day(k)[0] for k in range(4)])
    before, users, state = model.predict(rows), users_of(model), pickle.dumps(model._training)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X, np.full(len(y), np.nan))
    with pytest.warns(UserWarning, match="diverged"):
        model.set_params(learning_rate_init=1e30).partial_fit(X, 1e30 * y)
    assert users_of(model) == users
    np.testing.assert_array_equal(model.predict(rows), before)
    assert pickle.dumps(model._training) == state


def test_a_fit_that_goes_on_recycles():
    X, y = day(0)
    model = DCNClassifier(**RECYCLING, warm_start=True, max_iter=3, early_stopping=False)
    for number in range(4):
        X, y = day(number)
        model.fit(X, y > 0)
    assert model.count_unknown(X) == {"user": 0}
    assert len(users_of(model)) == 60
    with pytest.raises(ValueError, match="recycle_categories was True, got False"):
        model.set_params(recycle_categories=False).partial_fit(X, y > 0)


@pytest.mark.parametrize("order", [1, 2])
def test_statistics_of_a_category_go_with_it(order, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: rng.integers(0, 6, 400).astype(str) for name in "ab"})
    y = X.a.astype(float) * X.b.astype(float)
    model = DCNRegressor(
        **SMALL, max_categories=6, recycle_categories=True,
        target_statistics=TargetStatistics(order=order, min_categories=2),
    ).partial_fit(X, y)  # fmt: skip
    dense = dense_of(model, pd.DataFrame({"a": ["0", "?"], "b": ["1", "1"]}))
    assert not np.array_equal(dense[0], dense[1])
    more = X[X.a != "0"].assign(a=lambda rows: rows.a.replace({"5": "9"}))
    more = more[more.a != "1"]
    model.partial_fit(pd.concat([more] * 3), [*y[more.index]] * 3)
    assert "9" in model.encoder_.categories("a")
    model.save(tmp_path / "model.dcn")
    gone = (set("012345") - set(model.encoder_.categories("a"))).pop()
    for one in (model, pickle.loads(pickle.dumps(model)), dcnfast.load(tmp_path / "model.dcn")):
        found = dense_of(one, pd.DataFrame({"a": ["9", gone, "?", "2"], "b": ["1"] * 4}))
        np.testing.assert_array_equal(found[0], found[2])
        np.testing.assert_array_equal(found[1], found[2])
        assert not np.array_equal(found[3], found[2])
        assert one.encoder_.statistics.forgotten[0].tolist() == [
            2 + model.encoder_.categories("a").index("9")
        ]


def test_statistics_when_every_category_has_gone():
    X = pd.DataFrame({"a": [f"old{i % 20}" for i in range(400)]})
    y = np.arange(400) % 20 / 20
    model = DCNRegressor(
        **SMALL, max_categories=20, recycle_categories=True,
        target_statistics=TargetStatistics(order=1, min_categories=2),
    ).partial_fit(X, y)  # fmt: skip
    new = X.assign(a=X.a.str.replace("old", "new"))
    for _ in range(2):
        model.partial_fit(pd.concat([new] * 3), np.tile(y, 3))
    assert not any("old" in name for name in model.encoder_.categories("a"))
    found = dense_of(model, pd.DataFrame({"a": ["new1", "old1", "?"]}))
    assert np.isfinite(model.predict(new)).all()
    np.testing.assert_array_equal(found, found[[2, 2, 2]])


def dense_of(model, frame):
    return model.encoder_.transform(read_table(model, frame), np.float64).dense
