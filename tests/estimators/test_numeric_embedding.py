"""Estimators whose numbers are embedded: tables, rows, bad columns, what a fit keeps."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.inspection import cross_weights
from dcnfast.numeric_embeddings import Periodic, PeriodicRelu, Piecewise

FAST = {
    "max_iter": 8, "hidden_layer_sizes": (8,), "early_stopping": False, "random_state": 0,
    "learning_rate_init": 0.01, "n_members": 1, "dropout": 0.0, "cross_dropout": 0.0,
    "gradient_clip": None, "optimizer": "adam", "cross_layers": 3,
}  # fmt: skip


def make(cls=DCNRegressor, **options):
    return cls(**FAST | {"numeric_embedding": Piecewise(width=3, max_bins=6)} | options)


@pytest.fixture(
    params=[
        Piecewise(width=3, max_bins=6),
        Periodic(width=3, frequencies=4),
        PeriodicRelu(width=3),
    ],
    ids=lambda kind: kind.name,
)
def kind(request):
    return request.param


def frame(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "city": rng.choice(["A", "B", None], n),
            "a": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "one": np.where(rng.random(n) < 0.2, np.nan, 1.0),
            "gone": np.full(n, np.nan),
            "b": np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(8, 1, n)),
        }
    )


def target(table):
    return (table["b"] > 0) * 1.0 + (table["a"].fillna(0) > 0.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", ["auto", "quantile", "log", "robust_smooth", None])
@pytest.mark.parametrize("clip", [True, False])
def test_a_row_has_the_answer_of_the_table(clip, scaling, dtype, kind):
    table = frame()
    model = make(dtype=dtype, numeric_scaling=scaling, numeric_clip=clip, numeric_embedding=kind)
    if scaling is None:
        table["b"] /= 1e4
    model.fit(table, target(table))
    new = frame(60, seed=1)
    new.loc[:9, "a"] = [np.nan, -50, 50, 1e6, -1e6, 1e300, -1e300, 0, 5e-324, 3]
    answers = model.predict(new)
    assert np.isfinite(answers).all()
    predict = model.row_predictor()
    rows = [predict(row) for row in new.to_dict("records")]
    np.testing.assert_array_equal(rows, answers)


def test_probabilities_of_a_row(kind):
    table = frame()
    model = make(DCNClassifier, numeric_embedding=kind).fit(
        table, np.digitize(target(table), [0.5, 1.5])
    )
    want, predict = model.predict_proba(table[:40]), model.row_predictor()
    np.testing.assert_array_equal([predict(row) for row in table[:40].to_dict("records")], want)


def test_steps_are_learned():
    """A jump of a column is nearly a bin of its own."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1500, 2))
    y = np.sign(np.sin(20 * x[:, 0]))
    options = {"hidden_layer_sizes": (), "cross_layers": 1, "max_iter": 40, "batch_size": 64}
    plain = make(numeric_embedding=None, **options).fit(x, y).score(x, y)
    binned = make(numeric_embedding="piecewise", **options).fit(x, y).score(x, y)
    assert plain < 0.3
    assert binned > 0.7


@pytest.mark.parametrize("name", ["periodic", "periodic_relu"])
def test_waves_are_learned(name):
    """By name; the columns of x0 and what the network has are those of the kind."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1500, 2))
    y = np.sin(9 * x[:, 0])
    options = {"hidden_layer_sizes": (), "cross_layers": 1, "max_iter": 40, "batch_size": 64}
    plain = make(numeric_embedding=None, **options).fit(x, y).score(x, y)
    model = make(numeric_embedding=name, **options).fit(x, y)
    assert plain < 0.4
    assert model.score(x, y) > 0.9
    width = {"periodic": 4, "periodic_relu": 8}[name]
    assert cross_weights(model).shape == (2 * width, 2 * width)
    assert model.parameters_["numeric_w"].shape == (2, 16)
    assert model.encoder_.bins == [1, 1]


def test_frequencies_begin_as_the_object_says():
    x = np.random.default_rng(0).normal(size=(100, 3))
    for sigma in (1e-3, 10.0):
        kind = Periodic(frequencies=200, sigma=sigma)
        model = make(numeric_embedding=kind, learning_rate_init=1e-9, max_iter=1).fit(x, x[:, 0])
        assert model.parameters_["numeric_w"].std() == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_answer_alike(how, kind):
    table = frame()
    model = make(numeric_embedding=kind).fit(table, target(table))
    answers = model.predict(table)
    np.testing.assert_array_equal(how(model).predict(table), answers)
    np.testing.assert_array_equal(clone(model).fit(table, target(table)).predict(table), answers)
    row = table.iloc[0].to_dict()
    assert how(model.row_predictor())(row) == answers[0]


WIDE = [
    [0.0], [1.0, 2.0], [-1.7e308, 0, 1.7e308], [1e300, np.nextafter(1e300, np.inf)],
    [0, 1e-300, 2e-300], [0, 5e-324], [np.nan], [np.nan, 7.0], [np.nan, -1e300, 1e-300],
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("values", WIDE, ids=str)
def test_columns_near_the_ends_of_the_range(values, dtype, kind):
    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(size=120), rng.choice(values, 120)], axis=1)
    model = make(dtype=dtype, max_iter=3, numeric_embedding=kind).fit(X, X[:, 0])
    new = np.stack([np.zeros(7), [-1.7e308, 1.7e308, 0, 5e-324, 1e-300, np.nan, 3.0]], axis=1)
    answers = model.predict(new)
    assert np.isfinite(answers).all()
    np.testing.assert_array_equal([model.row_predictor()(row) for row in new], answers)


def test_all_columns_constant_have_no_embedding(kind):
    X = np.ones((60, 2))
    model = make(numeric_embedding=kind).fit(X, np.arange(60.0))
    assert model.encoder_.bins == []
    assert np.isfinite(model.predict(X)).all()


def test_a_missing_number_has_a_vector_of_its_own(kind):
    """Also where it says nothing of the number that it would be."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 1))
    gaps = rng.random(1000) < 0.3
    x[gaps] = np.nan
    model = make(hidden_layer_sizes=(), max_iter=60, numeric_embedding=kind).fit(x, 5.0 * gaps)
    assert model.score(x, 5.0 * gaps) > 0.95


def test_a_missing_number_that_training_never_saw_is_the_mean(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(10, 1, size=(1000, 1))
    model = make(numeric_scaling="standard", numeric_embedding=kind).fit(x, x[:, 0])
    mean, missing = model.predict([[x.mean()], [np.nan]])
    assert missing == pytest.approx(mean, rel=1e-4)
    assert model.row_predictor()([np.nan]) == missing


def test_warm_start_keeps_the_bins(kind):
    table = frame()
    model = make(warm_start=True, numeric_embedding=kind).fit(table, target(table))
    encoder, more = model.encoder_, frame(seed=5)
    model.fit(more, target(more))
    assert model.encoder_.bins == encoder.bins
    assert np.isfinite(model.predict(table)).all()


def test_statistics_are_embedded_like_other_numbers(kind):
    rng = np.random.default_rng(0)
    ids = pd.DataFrame({"id": rng.integers(0, 150, 2000).astype(str), "x": rng.normal(size=2000)})
    effect = rng.normal(size=150)[ids["id"].astype(int)]
    model = make(target_statistics="auto", max_iter=3, numeric_embedding=kind).fit(ids, effect)
    assert len(model.encoder_.bins) == 3
    answers = model.predict(ids[:30])
    rows = [model.row_predictor()(row) for row in ids[:30].to_dict("records")]
    np.testing.assert_array_equal(rows, answers)


@pytest.mark.parametrize("kind", ["counts", "steps"])
def test_many_columns_of_which_few_count(kind):
    """Most counts are 0, and steps are none of products: scaled numbers tell little of either."""
    rng = np.random.default_rng(0)
    n, columns = 3000, 300 if kind == "counts" else 150
    if kind == "counts":
        X = rng.poisson(rng.gamma(0.3, 0.3, columns), (n, columns)).astype(float)
        y = np.log1p(X) @ (rng.normal(size=columns) * (rng.random(columns) < 0.3))
    else:
        X = np.exp(0.8 * rng.normal(size=(n, columns)))
        y = 1.5 * (X[:, 0] > 1) + (X[:, 1] > 2) + np.log(X[:, 2])
    y = y + 0.5 * rng.normal(size=n)
    options = {"n_members": 1, "hidden_layer_sizes": (64,), "random_state": 0}
    scores = [
        DCNRegressor(**options, **changes).fit(X[:2000], y[:2000]).score(X[2000:], y[2000:])
        for changes in ({}, {"numeric_embedding": None})
    ]
    assert scores[0] > scores[1] + 0.02
