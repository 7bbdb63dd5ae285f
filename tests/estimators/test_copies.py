"""Copies of rows, which are held out together."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.estimators import fitting, trials

OPTIONS = {"n_members": 2, "hidden_layer_sizes": (32,), "random_state": 0}


@pytest.fixture
def held_out(monkeypatch):
    """Return a list of the splits of every trial from now on."""
    splits = []

    def follow(find, several):
        def found(*arguments):
            split = find(*arguments)
            splits.append(split if several else [split])
            return split

        return found

    monkeypatch.setattr(trials, "hold_out", follow(trials.hold_out, False))
    monkeypatch.setattr(trials, "hold_out_folds", follow(trials.hold_out_folds, True))
    return splits


def drawn(n, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=list("abcde"))
    X["kind"] = rng.choice(["x", "y", None], n)
    X.loc[::7, "b"] = np.nan
    return X, rng.random(n) < 1 / (1 + np.exp(-2 * X["a"]))


def copied(X, y, times, seed=0):
    order = np.random.default_rng(seed).permutation(times * len(X))
    return pd.concat([X] * times).iloc[order], np.tile(y, times)[order]


@pytest.mark.parametrize(("n", "times", "n_splits"), [(150, 4, 5), (600, 4, 1)])
def test_copies_are_on_one_side(n, times, n_splits, held_out, monkeypatch):
    monkeypatch.setattr(trials, "DOUBTED", 0)
    X, y = copied(*drawn(n), times)
    DCNClassifier(**OPTIONS, max_iter=1).fit(X, y)
    (splits,) = held_out
    assert len(splits) == n_splits
    names = X["a"].to_numpy()
    for kept, held in splits:
        assert sorted([*kept, *held]) == list(range(times * n))
        assert not set(names[kept]) & set(names[held])
        assert len(held) == pytest.approx(times * n / (5 if n_splits == 5 else 1 / 0.15), rel=0.02)


def test_they_are_not_learned_by_heart():
    X, y = drawn(4_000)
    once, (many, labels) = (X[:200], y[:200]), copied(X[:200], y[:200], 4)
    losses = [
        log_loss(y[200:], DCNClassifier(**OPTIONS).fit(*rows).predict_proba(X[200:]))
        for rows in (once, (many, labels))
    ]
    assert losses[1] < 1.1 * losses[0]


@pytest.mark.parametrize("n", [1, 3, 9, 12])
def test_few_rows_many_times(n):
    """They are held out one by one where they are too few to be held out whole."""
    X, y = drawn(n)
    y[:2] = [True, False][: len(y)]
    X, y = pd.concat([X] * 300, ignore_index=True), np.tile(y, 300)
    model = DCNRegressor(**OPTIONS, max_iter=2).fit(X, y.astype(float))
    assert np.isfinite(model.predict(X[:n])).all()
    if n > 1:
        assert np.isfinite(DCNClassifier(**OPTIONS, max_iter=2).fit(X, y).predict_proba(X)).all()


@pytest.mark.parametrize("change", ["target", "category", "number", "integers"])
def test_what_are_no_copies(change, held_out):
    """The splits are those of rows that all differ."""
    X, y = drawn(100)
    X, y = copied(X, np.asarray(y, float), 3)
    if change == "target":  # is measured again
        y = y + np.arange(300)
    elif change == "category":
        X["kind"] = np.arange(300).astype(str)
    elif change == "number":
        X["c"] = np.arange(300.0)
    elif change == "integers":  # occur again in other rows
        X[list("abcde")] = X[list("abcde")].round().fillna(0)
    DCNRegressor(**OPTIONS, max_iter=1).fit(X, y)
    DCNRegressor(**OPTIONS, max_iter=1).fit(pd.DataFrame({"a": np.arange(300) / 7}), y)
    for split, wanted in zip(*held_out, strict=True):
        np.testing.assert_array_equal(split[1], wanted[1])


@pytest.mark.parametrize("rows", ["product and price", "one number"])
def test_rows_of_a_short_list_are_no_copies(rows):
    """Forty products come again and again: what each is worth is learned, though rows are equal."""
    rng = np.random.default_rng(0)
    product, price, worth = rng.integers(0, 40, 3000), rng.random(40), rng.normal(size=40)
    X = pd.DataFrame({"price": price[product]})
    if rows == "product and price":
        X["product"] = product.astype(str)
    model = DCNRegressor(**OPTIONS).fit(X[:1500], worth[product][:1500])
    assert model.score(X[1500:], worth[product][1500:]) > 0.98


def test_copies_do_not_know_their_targets_by_statistics(monkeypatch):
    """The mean of an id leaves out all copies of a row, of which each has the same target."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"id": rng.integers(0, 200, 600).astype(str), "x": rng.normal(size=600)})
    noise = rng.normal(size=600)
    rows, y = copied(X, noise, 5)
    seen, fit_encoder = [], fitting.fit_encoder

    def spy(*arguments):
        seen.append(fit_encoder(*arguments))
        return seen[-1]

    monkeypatch.setattr(fitting, "fit_encoder", spy)
    DCNRegressor(**OPTIONS, max_iter=1, early_stopping=False, target_statistics="auto").fit(rows, y)
    ((encoder, part),) = seen
    assert encoder.statistics is not None
    mean_of_others = part.own[:, 0]
    assert abs(np.corrcoef(mean_of_others, y)[0, 1]) < 0.1
    copies = mean_of_others[np.argsort(rows.index, kind="stable")].reshape(600, 5)
    np.testing.assert_array_equal(copies, copies[:, [0] * 5])
