"""What the parts of the full model are for, and a ranking model as people write it."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss, mean_squared_error

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model


@pytest.mark.parametrize("structure", ["parallel", "stacked", "stacked_parallel"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"wide": True, "embedding_dim": 3},
        {"layer_norm": True, "dropout": 0.1},
        {"cross": "lowrank", "preactivation": "tanh", "diag_scale": 0.1},
        {"cross": "vector", "cross_bias": False, "ema_decay": 0.9},
        {"cross_layers": 0, "sparse_adam": "exact", "activation": "gelu"},
        {"hidden_layer_sizes": (), "cross_initializer": "he_normal"},
    ],
    ids=str,
)
def test_every_model_learns(options, structure, frame, regressor):
    parameters = {"hidden_layer_sizes": (16,), "max_iter": 60, "learning_rate_init": 0.01}
    model = regressor(**parameters | options, structure=structure).fit(frame.X, frame.y)
    assert model.score(frame.X, frame.y) > 0.75


def test_structures_have_their_layers(frame, regressor):
    names = {
        structure: set(regressor(structure=structure, max_iter=1).fit(frame.X, frame.y).parameters_)
        for structure in ("parallel", "stacked", "stacked_parallel")
    }
    assert names["parallel"] == names["stacked"]
    parallel = {f"deep_parallel_{letter}_{i}" for letter in "Wb" for i in range(2)}
    assert names["stacked_parallel"] - names["stacked"] == parallel
    full = regressor(
        wide=True, layer_norm=True, cross_bias=False, embedding_dim=4, max_iter=1
    ).fit(frame.X, frame.y)  # fmt: skip
    assert set(full.parameters_) == {
        "cross_W", "deep_W_0", "deep_b_0", "deep_scale_0", "deep_shift_0", "deep_W_1", "deep_b_1",
        "deep_scale_1", "deep_shift_1", "wide_W", "head_W", "head_b", "embedding_4", "wide",
    }  # fmt: skip
    rows = sum(field.size for field in full.encoder_.fields)
    assert full.parameters_["embedding_4"].shape == (rows, 4)
    assert full.parameters_["wide"].shape == (rows, 1)
    assert full.n_parameters_ == sum(p.size for p in full.parameters_.values())


@pytest.mark.parametrize("kind", ["piecewise", "periodic", None])
def test_the_wide_part_reads_numbers_embedded_or_not(kind, regressor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X[::7, 1] = np.nan
    options = {"numeric_embedding": kind, "max_iter": 20, "learning_rate_init": 0.01}
    model = regressor(**options, wide=True, n_members=2).fit(X, X[:, 0])
    weights = model.parameters_["wide_W"]
    assert weights.shape == (1, 3 if kind else 4)  # an indicator of what was missing
    assert (np.abs(weights) > 1e-3).all()  # they learn
    again = pickle.loads(pickle.dumps(model)).partial_fit(X, X[:, 0])
    assert again.parameters_["wide_W"].shape == weights.shape
    row = model.row_predictor()
    assert row(tuple(X[7])) == pytest.approx(model.predict(X[7:8])[0], rel=1e-5)


def test_a_linear_part_of_before_it_read_embedded_numbers(regressor):
    X = np.random.default_rng(0).normal(size=(300, 3))
    model = regressor(wide=True, numeric_embedding="piecewise", max_iter=2).fit(X, X[:, 0])
    state = model._model.__getstate__()
    config = {k: v for k, v in state["config"].items() if k != "wide_numeric"}
    flat = np.zeros(NetworkConfig(**config).compile().flat_parameters.size, "f4")
    old = Model.__new__(Model)
    old.__setstate__({"config": config, "parameters": flat})
    assert "wide_W" not in old.parameters
    assert not old.logits(np.zeros((2, 0), np.int32), np.zeros((2, 6), "f4"), 1).any()


def test_wide_part_alone_is_a_linear_model(regressor):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"city": rng.choice(list("abc"), 500), "x": rng.normal(size=500)})
    y = X["city"].map({"a": 1.0, "b": -3.0, "c": 2.0}).to_numpy() + 4 * X["x"].to_numpy()
    model = regressor(
        wide=True, cross_layers=0, hidden_layer_sizes=(), embedding_dim=1, learning_rate_init=0.02,
        alpha={"deep": 0.0, "embedding": 0.0}, max_iter=150,
    ).fit(X, y)  # fmt: skip
    assert model.score(X, y) > 0.999


@pytest.mark.parametrize("parameter", ["dropout", "cross_dropout"])
def test_dropout_is_drawn_in_training_only(parameter, table, regressor):
    def fit(**changes):
        return regressor(**{parameter: 0.4}, max_iter=3, **changes).fit(table.X, table.y)

    first, again, other = fit(), fit(), fit(random_state=1)
    np.testing.assert_array_equal(first.predict(table.X), again.predict(table.X))
    np.testing.assert_array_equal(first.predict(table.X), first.predict(table.X))
    assert first.loss_curve_ == again.loss_curve_ == fit(n_jobs=2).loss_curve_
    assert first.loss_curve_ != other.loss_curve_
    # all rows alike: without dropout in predict all answers are
    assert np.ptp(first.predict(np.tile(table.X[:1], (50, 1)))) == 0
    # and in training it acts: far from learning, the loss of the same weights is not the same
    still = {"learning_rate_init": 1e-30, "shuffle": False, "batch_size": 300, "tol": None}
    losses = fit(**still).loss_curve_
    assert len(set(losses)) == 3
    assert (
        len(set(regressor(dropout=0.0, max_iter=3, **still).fit(table.X, table.y).loss_curve_)) == 1
    )
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.2)


@pytest.mark.parametrize("parameter", ["dropout", "cross_dropout"])
def test_dropout_is_drawn_by_random_state(parameter, table, regressor):
    """The same weights and rows, and a rate of nothing: only the units left out differ."""

    def losses(state):
        options = {parameter: 0.4, "warm_start": True, "shuffle": False}
        model = regressor(max_iter=2, tol=None, **options)
        model.fit(table.X, table.y)
        model.set_params(random_state=state, learning_rate_init=1e-30).fit(table.X, table.y)
        return model.loss_curve_[2:]

    assert losses(5) == losses(5)
    assert losses(5) != losses(6)


@pytest.mark.parametrize("dropout", [1e-9, 0.999, 1 - 1e-9])
def test_dropout_at_its_ends(dropout, table, estimator):
    model = estimator.make(dropout=dropout).fit(table.X, estimator.y)
    assert all(np.isfinite(p).all() for p in model.parameters_.values())
    assert estimator.answer(model, table.X).std(axis=0).min() > 0.02


def test_layer_norm_does_not_mind_the_size_of_a_row(table, regressor):
    """One hidden layer, no cross: a row and its multiple look the same but for bias and shift."""
    model = regressor(
        layer_norm=True,
        cross_layers=0,
        hidden_layer_sizes=(32,),
        max_iter=2,
        numeric_scaling=None,
        numeric_clip=False,
    ).fit(table.X, table.y)
    near, far = model.predict(1e3 * table.X), model.predict(1e4 * table.X)
    np.testing.assert_allclose(near, far, atol=0.02)
    assert np.ptp(near) > 10 * np.abs(near - far).max()


def test_averages_predict_and_lag_behind(table, regressor):
    plain = regressor(max_iter=3, tol=None).fit(table.X, table.y)
    averaged = regressor(max_iter=3, tol=None, ema_decay=0.999).fit(table.X, table.y)
    assert averaged.loss_curve_ == plain.loss_curve_  # training does not know of them
    first = regressor(max_iter=1).fit(table.X, table.y).parameters_["cross_W"]
    ends = (model.parameters_["cross_W"] for model in (plain, averaged))
    far, near = (np.abs(end - first).max() for end in ends)
    assert 0 < near < far


@pytest.mark.parametrize(
    ("initializer", "cross", "deep"),
    [  # 4 columns; 1000 units in each of two hidden layers
        ("truncated_normal", 0.05 * 0.8796, 0.05 * 0.8796),  # of a normal one cut at two deviations
        ("glorot_uniform", np.sqrt(2 / (4 + 4)), np.sqrt(2 / 2000)),
        ("he_normal", np.sqrt(2 / 4), np.sqrt(2 / 1000)),
    ],
)
def test_initializers(initializer, cross, deep, table, regressor):
    """At a rate of nothing the parameters are those drawn."""
    parameters = {"learning_rate_init": 1e-30, "max_iter": 1, "batch_size": 300}
    wide = regressor(deep_initializer=initializer, hidden_layer_sizes=(1000, 1000), **parameters)
    drawn = wide.fit(table.X, table.y).parameters_["deep_W_1"]
    assert drawn.std() == pytest.approx(deep, rel=0.02)
    assert initializer != "truncated_normal" or np.abs(drawn).max() <= 0.1
    high = regressor(cross_initializer=initializer, cross_layers=300, **parameters)
    # nothing of the columns but 0, or a polynomial of degree 301 would overflow
    drawn = high.fit(np.zeros((300, 4)), table.y).parameters_["cross_W"]
    assert drawn.std() == pytest.approx(0.1 * cross, rel=0.05)  # it begins near the identity


@pytest.mark.parametrize("outputs", [1, 2])
def test_rates(outputs, regressor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 2))
    rate = expit(2 * X[:, :outputs] - 1)
    shown = rng.integers(1, 50, size=2000)
    clicks = rng.binomial(shown[:, None], rate) / shown[:, None]
    y = clicks[:, 0] if outputs == 1 else clicks
    model = regressor(loss="log_loss", learning_rate_init=0.01, max_iter=30)
    p = model.fit(X, y, sample_weight=shown).predict(X)
    assert p.shape == y.shape
    assert ((p > 0) & (p < 1)).all()
    assert np.abs(p.reshape(2000, -1) - rate).mean() < 0.02
    far = model.predict(1e30 * X)
    assert ((far >= 0) & (far <= 1)).all()


@pytest.mark.parametrize("bad", [-0.01, 1.01, 5])
def test_rates_are_between_0_and_1(bad, table, regressor):
    y = np.full(300, 0.5)
    y[7] = bad
    with pytest.raises(ValueError, match=r"y goes from .* want rates between 0 and 1"):
        regressor(loss="log_loss").fit(table.X, y)


def test_two_classes_with_softmax(table, classifier):
    parameters = {"learning_rate_init": 0.01, "max_iter": 40}
    one, two = (
        classifier(loss=loss, **parameters).fit(table.X, table.binary)
        for loss in ("log_loss", "softmax")
    )
    assert one.parameters_["head_b"].shape == (1,)
    assert two.parameters_["head_b"].shape == (2,)
    assert two.decision_function(table.X).shape == (300,)
    p = two.predict_proba(table.X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(two.predict(table.X) == "yes", p[:, 1] > 0.5)
    np.testing.assert_allclose(np.exp(two.predict_log_proba(table.X)), p, rtol=1e-9)
    for model in (one, two):
        assert log_loss(table.binary, model.predict_proba(table.X)) < 0.3


@pytest.mark.parametrize(
    ("early_stopping", "ema_decay", "copies"), [(False, 0, 2), (True, 0, 2), (True, 0.9, 3)]
)
def test_a_large_table_is_copied_once_or_twice(early_stopping, ema_decay, copies, regressor):
    """One copy to go back to, one to write rows never seen, one more with averages.

    Python's part: the engine holds the parameters, two moments and the averages.
    """
    X, y = np.arange(500)[:, None], np.arange(500.0)
    model = regressor(
        categorical_features=[0], hash_buckets=200_000, embedding_dim=16, cross_layers=0,
        early_stopping=early_stopping, ema_decay=ema_decay, max_iter=2,
    )  # fmt: skip
    tracemalloc.start()
    try:
        model.fit(X, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (copies + 0.5) * 4 * model.n_parameters_


# ---- TensorFlow Recommenders' ranking tutorial


def make_ratings(n, users=900, movies=1600, seed=0):
    """Draw ratings of the shape of MovieLens 100K: people's and movies' tastes, and noise."""
    rng = np.random.default_rng(seed)
    user = np.minimum(rng.zipf(1.3, size=n) * 7919 % users, users - 1)
    movie = (rng.beta(0.5, 2.0, size=n) * movies).astype(int)
    of_user = {
        "gender": rng.choice(["M", "F"], size=users),
        "zip": rng.integers(10000, 10400, size=users).astype(str),
        "occupation": rng.choice([f"job{i}" for i in range(21)], size=users),
        "age": rng.choice([1, 18, 25, 35, 45, 50, 56], size=users),
    }
    taste, style = rng.normal(size=(users, 3)), rng.normal(size=(movies, 3))
    stars = (
        3.5
        + 0.45 * rng.normal(size=users)[user]
        + 0.5 * rng.normal(size=movies)[movie]
        + 0.15 * np.sum(taste[user] * style[movie], axis=1)
        + 0.9 * rng.normal(size=n)
    )
    X = pd.DataFrame({"user": user + 1, "movie": movie + 1})
    X = X.assign(**{name: values[user] for name, values in of_user.items()})
    return X, np.clip(np.round(stars), 1, 5)


def test_ranking_tutorial(recwarn):
    X, y = make_ratings(24_000)
    train, test = slice(0, 20_000), slice(20_000, None)
    model = DCNRegressor(
        categorical_features=list(X.columns), embedding_dim=32, cross_layers=1,
        structure="stacked", hidden_layer_sizes=(192, 192), learning_rate_init=0.01,
        batch_size=8192, max_iter=8, early_stopping=False, tol=None, random_state=0,
        n_members=1, target_statistics=None,
    ).fit(X[train], y[train])  # fmt: skip
    predicted = model.predict(X[test])
    rmse = np.sqrt(mean_squared_error(y[test], predicted))
    assert rmse < 0.93 * np.std(y[test])
    assert model.n_iter_ == 8
    assert model.embedding_dims_ == dict.fromkeys(X.columns, 32)
    assert model.parameters_["cross_W"].shape == (1, 192, 192)
    assert model.parameters_["embedding_32"].shape[1] == 32
    new = X[test].assign(user=10**6, movie=-1)
    assert np.isfinite(model.predict(new)).all()
    assert not recwarn.list


def test_classifier_of_the_same_table():
    X, y = make_ratings(12_000)
    X, liked = X[["user", "movie"]], y >= 4
    model = DCNClassifier(
        categorical_features=["user", "movie"], embedding_dim=8, learning_rate_init=0.005,
        early_stopping=True, scoring="neg_log_loss", n_iter_no_change=2, random_state=0,
    ).fit(X[:10_000], liked[:10_000])  # fmt: skip
    p = model.predict_proba(X[10_000:])[:, 1]
    assert log_loss(liked[10_000:], p) < log_loss(liked[10_000:], np.full(2_000, liked.mean()))
