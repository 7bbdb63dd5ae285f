"""Categories of few rows beside statistics of targets: an embedding for each, or one for all."""

import pickle

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.estimators import trials
from dcnfast.target_statistics import TargetStatistics

QUICK = {"n_members": 1, "random_state": 0, "n_jobs": 1}
SMALL = QUICK | {"hidden_layer_sizes": (8,), "max_iter": 4, "embedding_dim": 4}


def make_noise(n=4000, seed=3):
    """Return two columns that tell the target, two of ids that tell nothing, and the target."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 12, n), rng.integers(0, 12, n)
    X = pd.DataFrame(
        {"a": a, "b": b, "id": rng.integers(0, 1000, n), "key": rng.integers(0, 1000, n)}
    )
    return X.astype(str), rng.normal(size=(12, 12))[a, b] + 2 * rng.normal(size=n)


def make_slopes(n=4000, ids=150, seed=1):
    """Return ids, and a number that means something else for each of them."""
    rng = np.random.default_rng(seed)
    c, x = rng.integers(0, ids, n), rng.normal(size=n)
    X = pd.DataFrame({"c": np.char.add("c", c.astype(str)), "x": x})
    return X, 2 * rng.normal(size=ids)[c] * x


def embeddings(model, X, column):
    """Return the rows of a column's embeddings, and which of its categories are frequent."""
    j = list(X.columns).index(column)
    name, rows = model._model.rows_of_field(j)
    return np.asarray(model.parameters_[name])[rows], model.encoder_.fields[j].counts[2:] >= 50


@pytest.fixture(scope="module")
def shared():
    X, y = make_noise(3000)
    X.loc[::50, "id"] = None
    return DCNRegressor(**QUICK, embedding_dim=4).fit(X, y), X, y


def test_ids_of_noise_share_the_embedding_of_new_ones(shared):
    """They predict as they were trained, as rows, one by one, and from a pickle."""
    model, X, _ = shared
    for column, some in (("a", True), ("id", False), ("key", False)):
        table, frequent = embeddings(model, X, column)
        assert frequent.any() == some
        np.testing.assert_array_equal(table[2:][~frequent], np.tile(table[0], (sum(~frequent), 1)))
        assert len(np.unique(table[2:][frequent], axis=0)) == frequent.sum()
    assert not np.array_equal(*embeddings(model, X, "id")[0][:2])  # missing is a category
    expected = model.predict(X[:70])
    rows = X[:70].astype(object).where(X[:70].notna(), None).to_dict("records")
    np.testing.assert_array_equal([model.row_predictor()(r) for r in rows], expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X[:70]), expected)


def test_updates_train_them(shared):
    model, X, y = shared
    model = pickle.loads(pickle.dumps(model))
    named = sorted(set(X["id"].dropna()))
    more = X[:300].assign(id=np.where(np.arange(300) % 2, "new", named[7]))
    model.partial_fit(more, y[:300])
    table = embeddings(model, X, "id")[0][: model.encoder_.fields[2].size]  # without room
    begun = [2 + 7, len(table) - 1]  # a new category comes last
    still = np.setdiff1d(np.arange(2, len(table)), begun)
    np.testing.assert_array_equal(table[still], np.tile(table[0], (len(still), 1)))
    assert not (table[begun] == table[0]).any()


def test_ids_of_noise_do_not_end_training_early():
    X, y = make_noise()
    without = DCNRegressor(**QUICK).fit(X[:3000][["a", "b"]], y[:3000])
    beside = DCNRegressor(**QUICK).fit(X[:3000], y[:3000])
    assert beside.encoder_.statistics is not None
    expected = without.score(X[3000:][["a", "b"]], y[3000:])
    assert expected > 0.12
    assert beside.score(X[3000:], y[3000:]) > expected - 0.02


@pytest.mark.parametrize("early_stopping", ["auto", True])
def test_what_no_mean_tells_is_learned_of_each(early_stopping):
    """The mean of the target is 0 for every id, and each has 13 rows."""
    X, y = make_slopes()
    model = DCNRegressor(**QUICK, early_stopping=early_stopping).fit(X[:2000], y[:2000])
    assert model.encoder_.statistics is not None
    assert model._model.config.embedding_penalty == "table"
    assert model.score(X[2000:], y[2000:]) > 0.95
    labels = y > 0
    classifier = DCNClassifier(**QUICK, early_stopping=early_stopping).fit(X[:2000], labels[:2000])
    assert classifier.score(X[2000:], labels[2000:]) > 0.85


def test_what_means_tell_is_told_better_with_embeddings():
    """Where other columns say most, a mean of a few rows' targets is mostly noise."""
    rng = np.random.default_rng(1)
    n = 4000
    user, x = rng.integers(0, 300, n), rng.normal(size=(n, 2))
    X = pd.DataFrame({"user": user.astype(str), "x0": x[:, 0], "x1": x[:, 1]})
    y = rng.normal(size=300)[user] + 2 * np.sin(2 * x[:, 0]) + x[:, 1] + 0.3 * rng.normal(size=n)
    model = DCNRegressor(**QUICK).fit(X[:3000], y[:3000])
    assert model.encoder_.statistics is not None
    assert model.score(X[3000:], y[3000:]) > 0.95


@pytest.mark.parametrize(
    "said",
    [
        {"target_statistics": TargetStatistics()}, {"min_frequency": 2}, {"warm_start": True},
        {"max_categories": 300}, {"target_statistics": None},
    ],
    ids=repr,
)  # fmt: skip
def test_nothing_else_is_tried_where_something_is_said(said, monkeypatch):
    monkeypatch.delattr(trials, "_or_shared")
    X, y = make_noise(1500)
    model = DCNRegressor(**SMALL | said).fit(X, y)
    assert len(np.unique(embeddings(model, X, "id")[0][2:], axis=0)) > 200


def test_an_interrupted_trial_of_one_embedding_ends_the_fit(interrupted_second_trial):
    X, y = make_noise(3000)  # no numbers, which would be tried in two ways
    with pytest.warns(UserWarning, match="interrupted"):
        DCNRegressor(**SMALL).fit(X, y)
    assert len(interrupted_second_trial) == 2


def make_doubtful(n=2200, ids=102):
    """Return rows of which all are too many for each id to have statistics, and a part is not."""
    rng = np.random.default_rng(0)
    u, a, b = rng.integers(0, ids, n), rng.random(n), rng.random(n)
    X = pd.DataFrame({"u": u.astype(str), "a": a, "b": b})
    return X, np.floor(25 * a) % 2 + np.floor(20 * b) % 2 + 0.1 * rng.normal(size=n)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"early_stopping": False}])
@pytest.mark.parametrize("ids", [102, 120])
def test_all_rows_say_whether_there_are_statistics(options, ids, monkeypatch):
    seen, fit_encoder = [], trials.fit_encoder

    def spy(*arguments):
        seen.append(fit_encoder(*arguments)[0].statistics is not None)
        return fit_encoder(*arguments)

    monkeypatch.setattr(trials, "fit_encoder", spy)
    X, y = make_doubtful(ids=ids)
    model = DCNRegressor(**SMALL, **options).fit(X, y)
    assert (model.encoder_.statistics is not None) == (ids == 120)
    assert set(seen) <= {ids == 120}
    assert bool(seen) == (not options)


def test_a_part_has_statistics_of_as_many_ids_as_all_rows_have():
    rng = np.random.default_rng(0)
    ids = np.concatenate([np.arange(100), rng.integers(0, 100, 300)]).astype(str)
    X = pd.DataFrame({"u": ids, "a": rng.normal(size=400)})  # a part has fewer than 100
    model = DCNRegressor(**SMALL, early_stopping=True).fit(X, X["a"])
    assert model.encoder_.statistics.groups
