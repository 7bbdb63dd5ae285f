"""Categories of few rows beside statistics of targets: no embeddings of their own."""

import pickle

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNRegressor
from dcnfast.target_statistics import TargetStatistics

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0, "n_jobs": 1}


def _embeddings(model, X, column):
    """Return the rows of a column's embeddings, and which of its categories are frequent."""
    j = list(X.columns).index(column)
    name, rows = model._model.rows_of_field(j)
    return np.asarray(model.parameters_[name])[rows], model.encoder_.fields[j].counts[2:] >= 50


def test_rare_categories_beside_statistics_have_the_embedding_of_new_ones(shops):
    """They predict as they were trained, as rows, one by one, and from a pickle."""
    X, y = shops
    model = DCNRegressor(embedding_dim=4, **SMALL).fit(X, y)
    for column, some in (("shop", False), ("item", True), ("day", True)):
        table, frequent = _embeddings(model, X, column)
        assert frequent.any() == some
        np.testing.assert_array_equal(table[2:][~frequent], np.tile(table[0], (sum(~frequent), 1)))
        assert len(np.unique(table[2:][frequent], axis=0)) == frequent.sum()
    assert not np.array_equal(*_embeddings(model, X, "shop")[0][:2])  # missing is a category
    expected = model.predict(X[:70])
    rows = X[:70].astype(object).where(X[:70].notna(), None).to_dict("records")
    np.testing.assert_array_equal([model.row_predictor()(r) for r in rows], expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X[:70]), expected)


@pytest.mark.parametrize(
    "said",
    [
        {"target_statistics": TargetStatistics()}, {"min_frequency": 2}, {"warm_start": True},
        {"max_categories": 300}, {"target_statistics": None},
    ],
    ids=repr,
)  # fmt: skip
def test_rare_categories_have_embeddings_where_something_says_so(said, shops):
    X, y = shops
    model = DCNRegressor(embedding_dim=4, **SMALL | said).fit(X, y)
    table, frequent = _embeddings(model, X, "shop")
    assert frequent.sum() <= 1  # of all that max_categories leaves
    assert len(np.unique(table[2:], axis=0)) > 200


def test_updates_train_rare_categories(shops):
    X, y = shops
    model = DCNRegressor(embedding_dim=4, **SMALL).fit(X, y)
    more = X[:300].assign(shop=np.where(np.arange(300) % 2, "new", "7"))
    model.partial_fit(more, y[:300])
    table = _embeddings(model, X, "shop")[0][: model.encoder_.fields[0].size]  # without room
    named = sorted(set(X["shop"].dropna()))
    begun = [2 + named.index("7"), len(table) - 1]  # a new category comes last
    still = np.setdiff1d(np.arange(2, len(table)), begun)
    np.testing.assert_array_equal(table[still], np.tile(table[0], (len(still), 1)))
    assert not (table[begun] == table[0]).any()


def test_ids_of_noise_do_not_end_training_early():
    """Beside two columns that tell the target, two of ids that tell nothing."""
    rng = np.random.default_rng(3)
    n = 4000
    a, b = rng.integers(0, 12, n), rng.integers(0, 12, n)
    X = pd.DataFrame(
        {"a": a, "b": b, "id": rng.integers(0, 1000, n), "key": rng.integers(0, 1000, n)}
    )
    y = rng.normal(size=(12, 12))[a, b] + 2 * rng.normal(size=n)
    X = X.astype(str)
    quick = {"n_members": 1, "random_state": 0}
    without = DCNRegressor(**quick).fit(X[:3000][["a", "b"]], y[:3000])
    beside = DCNRegressor(**quick).fit(X[:3000], y[:3000])
    assert beside.encoder_.statistics is not None
    expected = without.score(X[3000:][["a", "b"]], y[3000:])
    assert expected > 0.12
    assert beside.score(X[3000:], y[3000:]) > expected - 0.02
