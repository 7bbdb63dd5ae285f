"""target_statistics="auto": the tables that have statistics by themselves."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.target_statistics import TargetStatistics

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0, "n_jobs": 1}
EVERY = TargetStatistics(min_categories=2)


def test_auto_wants_a_column_of_many_categories(shops):
    X, y = shops
    assert DCNRegressor(**SMALL).fit(X, y).encoder_.statistics
    few = X.drop(columns="shop")
    plain = DCNRegressor(**SMALL).fit(few, y)
    for table, chosen in ((few, "auto"), (few[["price"]], EVERY)):
        model = DCNRegressor(target_statistics=chosen, **SMALL).fit(table, y)
        assert model.encoder_.statistics is None
        row = table.astype(object).where(table.notna(), None).to_dict("records")[1]
        assert model.row_predictor()(row) == model.predict(table[1:2])[0]
    assert model.encoder_.n_dense == plain.encoder_.n_dense
    assert DCNRegressor(target_statistics=EVERY, **SMALL).fit(few, y).encoder_.statistics


@pytest.mark.parametrize("rows_each", [1, 2, 20, 40])
def test_auto_wants_a_few_rows_of_each_category(rows_each):
    """One row tells nothing of others, and of many rows an embedding learns by itself."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"id": (np.arange(100 * rows_each) // rows_each).astype(str)})
    model = DCNRegressor(**SMALL).fit(X, rng.normal(size=len(X)))
    assert (model.encoder_.statistics is not None) == (2 <= rows_each <= 20)


def opened(again):
    """Users and items, a third of them opened: each user's own five items, or as tastes are."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 120, 9000), rng.integers(0, 150, 9000)
    if again:
        own = rng.integers(0, 150, (120, 5))
        items[:3000] = own[users[:3000], rng.integers(0, 5, 3000)]
        y = np.arange(9000) < 3000
    else:
        taste, kind = rng.normal(size=120), rng.normal(size=150)
        y = taste[users] + kind[items] + rng.normal(size=9000) > 1
    order = rng.permutation(9000)
    X = pd.DataFrame({"user": users, "item": items}).astype(str)
    return X.iloc[order], y[order].astype(int)


def test_auto_wants_pairs_that_come_again():
    """Of 75 rows a user and 60 an item, no single column would have any."""
    X, y = opened(again=True)
    losses, quick = [], {"n_members": 1, "hidden_layer_sizes": (32,), "random_state": 0}
    for chosen in (None, "auto"):
        model = DCNClassifier(target_statistics=chosen, **quick).fit(X[:7500], y[:7500])
        losses.append(log_loss(y[7500:], model.predict_proba(X[7500:])[:, 1]))
    assert model.encoder_.statistics.groups == [(0,), (1,), (0, 1)]
    assert losses[1] < losses[0] - 0.05
    numbers = DCNRegressor(**SMALL).fit(X, 1e300 * y)
    assert numbers.encoder_.statistics is not None
    assert DCNClassifier(**SMALL).partial_fit(X, y, classes=[0, 1]).encoder_.statistics is None
    for table in (X[["item"]], X.assign(item=X.item.str[0])):
        assert DCNClassifier(**SMALL).fit(table, y).encoder_.statistics is None
    X, y = opened(again=False)
    assert DCNClassifier(**SMALL).fit(X, y).encoder_.statistics is None


def test_a_stream_has_statistics_only_when_asked(shops):
    X, y = shops
    assert DCNRegressor(**SMALL).partial_fit(X, y).encoder_.statistics is None
    model = DCNRegressor(**SMALL | {"target_statistics": EVERY}).partial_fit(X, y)
    assert model.encoder_.statistics is not None
