"""embedding_penalty="auto": embeddings of ids are held, where nothing else is said of them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.inspection import embedding_frame
from dcnfast.target_statistics import TargetStatistics

N = 12_000
SOON = {"n_members": 1, "max_iter": 1, "early_stopping": False, "random_state": 0}


@pytest.fixture(autouse=True)
def _few_epochs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def make_views(n: int = N, users: int = 550, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Return users and items, each user at least once, and which of the items were liked."""
    rng = np.random.default_rng(seed)
    user = np.concatenate([np.arange(users), rng.integers(0, users, n - users)])
    item = rng.integers(0, 100, n)
    of_users, of_items = (np.random.default_rng(1).normal(size=(k, 3)) for k in (users, 100))
    likes = (of_users[user] * of_items[item]).sum(axis=1)
    views = pd.DataFrame({"user": user, "item": item}).astype(str)
    return views, (rng.random(n) < 1 / (1 + np.exp(-likes))).astype(int)


def penalty(model) -> tuple[str, float]:
    config = model._model.config
    return config.embedding_penalty, config.alpha_embedding


def test_ids_are_held():
    X, y = make_views()
    for model in (DCNClassifier(**SOON), DCNRegressor(**SOON)):
        assert penalty(model.fit(X, y)) == ("table", 0.001)


@pytest.mark.parametrize(
    "options",
    [
        {"embedding_penalty": "batch"},
        {"alpha": 0.0},
        {"optimizer": "adagrad"},
        {"target_statistics": TargetStatistics()},
        {"pretrained_embeddings": {"item": (["1", "2"], np.ones((2, 3)))}},
    ],
)
def test_nothing_holds_them_where_something_else_is_said(options):
    X, y = make_views()
    model = DCNClassifier(**SOON, **options).fit(X, y)
    assert penalty(model)[0] == "batch"
    assert penalty(model)[1] == (0.0 if options.get("optimizer") != "adagrad" else 10 / N)


def test_few_categories_and_more_ids_than_rows_are_not_held():
    X, y = make_views(users=480)
    assert penalty(DCNClassifier(**SOON).fit(X, y))[0] == "batch"
    X, y = make_views(n=1000, users=1000)
    assert penalty(DCNClassifier(**SOON, target_statistics=None).fit(X, y))[0] == "batch"


def test_it_learns_what_ids_have_in_common():
    X, y = make_views(24_000, 800)
    losses = {}
    for kind in ("auto", "batch"):
        model = DCNClassifier(n_members=1, random_state=0, embedding_penalty=kind)
        p = model.fit(X[:18_000], y[:18_000]).predict_proba(X[18_000:])
        losses[kind] = log_loss(y[18_000:], p)
    assert losses["auto"] < losses["batch"] - 0.01


def test_a_stream_forgets_no_ids():
    X, y = make_views()
    first = DCNClassifier(**SOON, ema_decay=0.0)
    assert penalty(first.partial_fit(X, y, classes=[0, 1])) == ("batch", 0.0)
    model = DCNClassifier(**SOON, ema_decay=0.0).fit(X, y)
    fitted, before = model._model, embedding_frame(model, "user")
    named = X["user"].to_numpy() == "7"
    model.partial_fit(X[named], y[named])
    assert penalty(model) == ("batch", 0.0)
    assert fitted.config.embedding_penalty == "table"
    moved = (embedding_frame(model, "user") != before).any(axis=1)
    assert list(before["user"][moved]) == ["7"]


def test_what_was_said_stays_in_a_stream():
    X, y = make_views()
    said = {"embedding_penalty": "table", "alpha": {"embedding": 0.01}}
    model = DCNClassifier(**SOON, **said).fit(X, y).partial_fit(X[:100], y[:100])
    assert penalty(model) == ("table", 0.01)


def test_a_warm_start_holds_them_as_before():
    X, y = make_views()
    model = DCNClassifier(**SOON, warm_start=True).fit(X, y)
    assert penalty(model.fit(X, y)) == ("table", 0.001)
