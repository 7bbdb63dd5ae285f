"""target_statistics in the estimators: what they gain, what they must not leak, where they hold."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import GridSearchCV

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.estimators import encoding
from dcnfast.inspection import cross_weights
from dcnfast.inspection.weights import fields_of_input
from dcnfast.target_statistics import TargetStatistics

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0, "n_jobs": 1}
EVERY = TargetStatistics(min_categories=2)


def rows_of(X):
    return X.astype(object).where(X.notna(), None).to_dict("records")


@pytest.mark.parametrize("order", [1, 2])
def test_ids_of_few_rows_are_learned_better(order, shops):
    X, y = shops
    scores, quick = [], {"n_members": 1, "hidden_layer_sizes": (64,), "random_state": 0}
    for chosen in (None, TargetStatistics(order=order, min_categories=5)):
        model = DCNRegressor(target_statistics=chosen, **quick).fit(X[:2400], y[:2400])
        scores.append(model.score(X[2400:], y[2400:]))
    assert scores[1] > scores[0] + 0.02


@pytest.mark.parametrize("early_stopping", ["auto", True])
@pytest.mark.parametrize("n", [600, pytest.param(3000, marks=pytest.mark.campaign)])
def test_noise_is_not_learned(n, early_stopping):
    """Held-out rows are not predicted worse than by a constant, with ids of few rows each.

    A part of few rows takes chance for a gain now and then: so there the median of three losses.
    """
    options = {"early_stopping": early_stopping, "target_statistics": EVERY, "random_state": 0}
    scores, losses = [], []
    for seed in (1,) if early_stopping == "auto" else (1, 2, 3):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame({"a": rng.integers(0, n // 3, 2 * n), "b": rng.integers(0, n // 8, 2 * n)})
        X = X.astype(str)
        noise = rng.normal(size=2 * n)
        model = DCNRegressor(**options).fit(X[:n], noise[:n])
        scores.append(model.score(X[n:], noise[n:]))
        labels = noise > 0
        classifier = DCNClassifier(**options).fit(X[:n], labels[:n])
        losses.append(log_loss(labels[n:], classifier.predict_proba(X[n:])[:, 1]))
    assert min(scores) > (-0.01 if early_stopping == "auto" else -0.06)
    assert np.median(losses) < np.log(2) + (0.006 if early_stopping == "auto" else 0.02)


def training_rows(monkeypatch):
    """Return a list of the encoders and training rows of every fit from now on."""
    seen, fit_encoder = [], encoding.fit_encoder

    def spy(*args):
        seen.append(fit_encoder(*args))
        return seen[-1]

    for module in ("fitting", "trials"):
        monkeypatch.setattr(f"dcnfast.estimators.{module}.fit_encoder", spy)
    return seen


def test_the_network_trains_on_rows_that_do_not_know_their_targets(monkeypatch):
    rng = np.random.default_rng(2)
    X, y = pd.DataFrame({"id": rng.integers(0, 700, 2000).astype(str)}), rng.normal(size=2000)
    seen = training_rows(monkeypatch)
    model = DCNRegressor(target_statistics=EVERY, early_stopping=False, **SMALL).fit(X, y)
    ((encoder, part),) = seen
    assert abs(np.corrcoef(part.own[:, 0], y)[0, 1]) < 0.1
    served = encoder.transform(part.table, "float64").dense[:, 0]
    assert np.corrcoef(served, y)[0, 1] > 0.4  # which would have told them
    trained = encoder.transform(part.table, "float64", own=part.own).dense[:, 0]
    assert abs(np.corrcoef(trained, y)[0, 1]) < 0.1
    model.set_params(warm_start=True).fit(X, y)
    again = seen[1][1].own
    assert seen[1][0].statistics is encoder.statistics
    np.testing.assert_allclose(again, part.own, atol=1e-12)  # the same seed, so the same folds


def test_rows_that_are_held_out_are_in_no_statistics(monkeypatch):
    rng = np.random.default_rng(3)
    X, y = pd.DataFrame({"id": rng.integers(0, 50, 400).astype(str)}), rng.normal(size=400)
    seen = training_rows(monkeypatch)
    DCNRegressor(target_statistics=EVERY, **SMALL).fit(X, y)
    assert [len(part) for _, part in seen] == [320] * 5 + [400]  # folds, then all
    for encoder, part in seen:
        table = encoder.transform(part.table, "float64")
        counts = np.expm1(encoder.statistics.columns(table.ids)[:, 1]) / 0.9
        first = np.unique(table.ids[:, 0], return_index=True)[1]
        assert counts[first].sum() == pytest.approx(len(part), rel=1e-5)
    seen.clear()
    DCNRegressor(target_statistics=EVERY, early_stopping=True, **SMALL).fit(X, y)
    assert [len(part) for _, part in seen] == [340]


TASKS = {
    "numbers": (DCNRegressor, lambda y: y, {}),
    "two numbers": (DCNRegressor, lambda y: np.stack([y, y**2], axis=1), {}),
    "rates": (DCNRegressor, lambda y: 1 / (1 + np.exp(-y)), {"loss": "log_loss"}),
    "counts": (DCNRegressor, lambda y: np.floor(np.exp(y)), {"loss": "poisson"}),
    "huge": (DCNRegressor, lambda y: 1e300 * y, {}),
    "labels": (DCNClassifier, lambda y: np.where(y > 0, "yes", "no"), {}),
    "balanced": (DCNClassifier, lambda y: y > 1, {"class_weight": "balanced"}),
    "softmax of two": (DCNClassifier, lambda y: y > 0, {"loss": "softmax"}),
    "four labels": (DCNClassifier, lambda y: np.digitize(y, [-1, 0, 1]), {}),
}


def answers(model, X):
    return model.predict_proba(X) if isinstance(model, DCNClassifier) else model.predict(X)


SCALINGS = ["auto", "log", "robust_smooth", None]


def every_task():
    """Return each task in both types, with one scaling; the other scalings are for campaigns."""
    for i, task in enumerate(TASKS):
        for j, dtype in enumerate(("float32", "float64")):
            for k, scaling in enumerate(SCALINGS):
                chosen = (i + 2 * j) % len(SCALINGS) == k
                yield pytest.param(task, scaling, dtype, marks=[pytest.mark.campaign][chosen:])


@pytest.mark.parametrize(("task", "scaling", "dtype"), list(every_task()))
def test_single_rows_and_pickles_have_the_same_bits(task, scaling, dtype, shops):
    X, y = shops
    cls, make, options = TASKS[task]
    X, y = X[:400], make(y[:400])
    model = cls(target_statistics=EVERY, numeric_scaling=scaling, dtype=dtype, **options, **SMALL)
    weight = np.random.default_rng(0).uniform(0.1, 2, 400)
    model.fit(X, y, weight)
    n_means = {"two numbers": 2, "four labels": 4}.get(task, 1)
    assert model.encoder_.statistics.outputs == ([1] if n_means == 1 and cls is DCNClassifier
                                                 else list(range(n_means)))  # fmt: skip
    later = pd.concat([X[:40], X[:1].assign(shop="new"), X[:1].assign(item=None, day="new")])
    wanted = answers(model, later)
    assert np.isfinite(wanted).all()
    for copied in (model, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(answers(copied, later), wanted)
    predict_row = pickle.loads(pickle.dumps(model.row_predictor()))
    for row, want in zip(rows_of(later), wanted, strict=True):
        np.testing.assert_allclose(predict_row(row), want, rtol=1e-12, atol=1e-300)
        assert isinstance(model, DCNClassifier) or np.array_equal(predict_row(row), want)
        np.testing.assert_array_equal(predict_row(list(row.values())), predict_row(row))


def test_threads_and_backends_change_no_bit(shops):
    X, y = shops
    fits = [
        DCNRegressor(target_statistics="auto", **SMALL | {"n_jobs": jobs}).fit(table, y).predict(
            table
        )
        for table, jobs in (
            (X, 1), (X, 2), (pl.from_pandas(X), 1), (pa.Table.from_pandas(X), 2),
            (X.astype({"shop": "category", "item": "category"}), 1),
        )
    ]  # fmt: skip
    for other in fits[1:]:
        np.testing.assert_array_equal(other, fits[0])


def test_scorers_see_what_predict_sees(shops):
    X, y = shops
    model = DCNRegressor(target_statistics=EVERY, scoring="r2", **SMALL | {"max_iter": 1})
    model.fit(X[:2000], y[:2000], X_val=X[2000:], y_val=y[2000:])
    assert model.validation_scores_ == [r2_score(y[2000:], model.predict(X[2000:]))]


def test_warm_start_keeps_the_statistics(shops):
    X, y = shops
    model = DCNRegressor(target_statistics=EVERY, warm_start=True, **SMALL).fit(X[:900], y[:900])
    statistics = model.encoder_.statistics
    before = statistics.columns(np.ones((1, 3), np.int32))
    model.fit(X[:900], y[:900])
    assert len(model.loss_curve_) == 2 * SMALL["max_iter"]
    model.set_params(target_statistics=None).fit(X[900:1500], -y[900:1500])
    assert model.encoder_.statistics is statistics
    np.testing.assert_array_equal(statistics.columns(np.ones((1, 3), np.int32)), before)


def test_names_and_sources(shops):
    X, y = shops
    labels = np.where(y > 1, "high", np.where(y < -1, "low", "middle"))
    plain = SMALL | {"numeric_embedding": None}
    model = DCNClassifier(target_statistics=TargetStatistics(order=1), **plain).fit(X, labels)
    ends = ["mean_{}_high", "mean_{}_low", "mean_{}_middle"]
    made = [
        *(f"target_{end.format(name)}" if end else f"log_count_{name}"
          for name in ("shop", "item") for end in (*ends, "")),
    ]  # fmt: skip
    names = model.encoder_.get_feature_names_out().tolist()
    assert names == ["shop", "item", "day", "price", *made, "missing_price"]
    sources = [("price",), *[("shop",)] * 4, *[("item",)] * 4, ("price",)]
    assert model.encoder_.sources() == sources
    got, widths = fields_of_input(model)
    assert got == names
    assert cross_weights(model).shape == (sum(widths), sum(widths))
    assert len(model.encoder_.scaler.low) == model.encoder_.n_dense == len(sources)
    two = DCNRegressor(target_statistics=EVERY, **SMALL).fit(X, np.stack([y, y], axis=1))
    assert "target_mean_item_day_1" in two.encoder_.get_feature_names_out()
    assert ("item", "day") in two.encoder_.sources()


def test_pictures_have_the_names(shops):
    pytest.importorskip("matplotlib")
    from dcnfast.inspection import CrossWeightsDisplay

    X, y = shops
    model = DCNRegressor(target_statistics=TargetStatistics(order=1), **SMALL).fit(X, y)
    assert "target_mean_shop" in CrossWeightsDisplay.from_estimator(model).feature_names


AWKWARD = {
    "one level": lambda n: np.full(n, "a"),
    "all missing": lambda n: np.full(n, None, object),
    "two rows a level": lambda n: (np.arange(n) // 2).astype(str),
    "a row a level": lambda n: np.arange(n).astype(str),
    "bools": lambda n: np.arange(n) % 3 == 0,
    "strings with gaps": lambda n: np.where(np.arange(n) % 5, "x", None),
    "mixed objects": lambda n: np.array([[1, "1", True, None][i % 4] for i in range(n)], object),
}


@pytest.mark.parametrize("n", [2, 3, 70])
@pytest.mark.parametrize("first", AWKWARD)
@pytest.mark.parametrize("second", ["one level", "a row a level", "bools"])
def test_awkward_tables(first, second, n):
    X = pd.DataFrame({"a": AWKWARD[first](n), "b": AWKWARD[second](n), "x": np.arange(n) * 1.0})
    y = np.arange(n) % 2 * 1.0
    for cls in (DCNRegressor, DCNClassifier):
        model = cls(target_statistics=EVERY, categorical_features=["a", "b"], **SMALL).fit(X, y)
        wanted = answers(model, X)
        assert np.isfinite(wanted).all()
        predict_row = model.row_predictor()
        for row, want in zip(X.to_dict("records"), wanted, strict=True):
            np.testing.assert_allclose(predict_row(row), want, rtol=1e-12)


@pytest.mark.parametrize("options", [{"hash_buckets": 20}, {"min_frequency": 10}])
def test_statistics_are_of_the_rows_of_embeddings(options, shops):
    X, y = shops
    model = DCNRegressor(target_statistics=EVERY, **options, **SMALL).fit(X, y)
    ids = model.encoder_.transform(_table(model, X), "float32").ids
    distinct = [len(np.unique(column)) for column in ids.T]
    columns = model.encoder_.statistics.columns(ids)
    assert len(np.unique(columns[:, 1])) <= distinct[0] < 400
    model.row_predictor()({"shop": "new", "item": "new", "day": None, "price": None})


def _table(model, X):
    from dcnfast.table.schema import read_table

    return read_table(model, X)


def test_arrays_with_integers_as_categories():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 30, 300), rng.integers(0, 3, 300), rng.normal(size=300)])
    options = {"categorical_features": [0], "target_statistics": EVERY} | SMALL
    model = DCNRegressor(**options).fit(X, X[:, 0] + X[:, 2])
    assert model.encoder_.get_feature_names_out().tolist() == [
        "x0", "x1", "x2", "target_mean_x0", "log_count_x0",
    ]  # fmt: skip
    wanted = model.predict(X)
    lists = DCNRegressor(**options).fit(X.tolist(), X[:, 0] + X[:, 2])
    np.testing.assert_array_equal(lists.predict(X.tolist()), wanted)
    plain = csr_array(X)  # which never holds categories
    options["categorical_features"] = None
    assert DCNRegressor(**options).fit(plain, X[:, 2]).encoder_.statistics is None
    assert [model.row_predictor()(row) for row in X[:20]] == wanted[:20].tolist()


def test_rows_without_weight_count_as_absent(shops):
    X, y = shops
    weight = (np.arange(len(y)) % 3 > 0).astype(float)
    options = SMALL | {"early_stopping": False, "target_statistics": EVERY}
    one = DCNRegressor(**options).fit(X, y, weight).predict(X)
    there = weight > 0
    np.testing.assert_array_equal(one, DCNRegressor(**options).fit(X[there], y[there]).predict(X))


def test_the_seed_draws_the_folds_and_none_leaves_training_as_it_is(shops):
    X, y = shops
    options = {"target_statistics": EVERY, "early_stopping": False} | SMALL
    fits = [DCNRegressor(**options | {"random_state": s}).fit(X, y).predict(X) for s in (0, 0, 1)]
    np.testing.assert_array_equal(fits[0], fits[1])
    assert (fits[0] != fits[2]).any()


# ---- the parameter


def test_searches_and_clones(shops):
    X, y = shops[0][["shop", "item"]][:300], shops[1][:300]
    options = SMALL | {"early_stopping": False}
    model = DCNRegressor(target_statistics=TargetStatistics(order=1), **options)
    assert clone(model).get_params() == model.get_params()
    assert model.get_params()["target_statistics__smoothing"] == 2.0
    grid = {"target_statistics__smoothing": [1.0, 30.0], "target_statistics__folds": [2, 10]}
    found = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(set(found.cv_results_["mean_test_score"])) == 4
    mixed = [None, "auto", TargetStatistics(min_categories=5)]
    GridSearchCV(model, {"target_statistics": mixed}, cv=2, error_score="raise").fit(X, y)
    assert "target_statistics=TargetStatistics(order=1)" in repr(model)


@pytest.mark.parametrize("given", [None, "auto"])
def test_options_want_an_object(given):
    what = "None" if given is None else "the name 'auto'"
    text = f"target_statistics__order is given and target_statistics is {what}, want an object"
    with pytest.raises(ValueError, match=re.escape(text)):
        DCNRegressor(target_statistics=given).set_params(target_statistics__order=1)


BAD = {
    "order": ([0, 3], [None, "x", 1.5, True]),
    "folds": ([0, 1, -3], [None, "x", 2.5, True]),
    "smoothing": ([0, -1.0, np.nan, np.inf], [None, "x", True]),
    "max_pairs": ([-1], [None, 1.5, True]),
    "min_categories": ([0, 1, -1], [None, 1.5, True]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_named(name, shops):
    X, y = shops
    assert set(BAD) == set(TargetStatistics.options) == set(TargetStatistics().get_params())
    model = DCNRegressor(target_statistics=EVERY, **SMALL).fit(X[:100], y[:100])
    before = model.predict(X)
    for error, bad in zip((ValueError, TypeError), BAD[name], strict=True):
        for value in bad:
            text = f"target_statistics: {name} of TargetStatistics is {value!r}, want "
            model.set_params(target_statistics=TargetStatistics(**{name: value}))
            with pytest.raises(error, match=re.escape(text)):
                model.fit("no table", None)
    np.testing.assert_array_equal(model.predict(X), before)
