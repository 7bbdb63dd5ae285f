"""What "auto" is: of alpha, averages, batches, members, cross_dropout and embeddings of numbers."""

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNRegressor
from dcnfast.encode.scaling import SCALINGS
from dcnfast.estimators import fitting, preparing, trials
from dcnfast.estimators.splits import FOLDS
from dcnfast.network.config import NetworkConfig
from dcnfast.target_statistics import TargetStatistics
from dcnfast.training.automatic import (
    automatic_batch_size,
    automatic_epochs,
    automatic_members,
    automatic_rate,
)

FEW = {
    "max_iter": 2, "hidden_layer_sizes": (4,), "early_stopping": False, "random_state": 0,
    "n_jobs": 1,
}  # fmt: skip


def many(*values):
    """Return parameters of a test of many columns, which two epochs are too few for."""
    return pytest.param(*values, marks=pytest.mark.filterwarnings("ignore:Training ended worse"))


def fit(n, n_columns=2, **changes):
    X = np.random.default_rng(0).normal(size=(n, n_columns))
    return DCNRegressor(**FEW | changes).fit(X, X[:, 0])


def config(n, **changes):
    return fit(n, **changes)._model.config


@pytest.mark.parametrize(("n", "alpha"), [(100, 0.01), (5000, 0.002)])
def test_alpha_is_ten_over_the_rows(n, alpha):
    auto, same = (fit(n, optimizer="adam", **given) for given in ({}, {"alpha": alpha}))
    np.testing.assert_array_equal(auto.parameters_["cross_W"], same.parameters_["cross_W"])
    by_itself = config(n)  # its optimizer decays weights
    assert by_itself.alpha_deep == by_itself.alpha_cross == by_itself.alpha_embedding == 0


def test_averages_where_rows_are_watched():
    watched = [fit(500, early_stopping=True, **e).loss_curve_ for e in ({}, {"ema_decay": 0.998})]
    models = [fit(500, early_stopping=True, ema_decay=e) for e in ("auto", 0.998, 0.0)]
    scores = [model.validation_scores_ for model in models]
    assert watched[0] == watched[1]
    assert scores[0] == scores[1] != scores[2]
    W = [fit(500, ema_decay=e).parameters_["cross_W"] for e in ("auto", 0.0)]
    np.testing.assert_array_equal(*W)


def test_going_on_keeps_what_auto_was():
    X = np.random.default_rng(0).normal(size=(3000, 2))
    model = DCNRegressor(**FEW, warm_start=True).fit(X, X[:, 0])
    before = model._model.config
    model.set_params(early_stopping=True).fit(X[:2000], X[:2000, 0])
    assert model._model.config == before


@pytest.mark.parametrize(
    ("n", "size"),
    [(1, 1), (64, 64), (65, 16), (120, 16), (455, 64), (29_000, 256), (10**7, 1024)],
)
def test_batch_size(n, size):
    assert automatic_batch_size(n) == size


def network(**changes):
    """Return one member of the default network on ten embedded numbers."""
    sizes = {"hidden": (256, 256), "cross_layers": 2, "numeric_bins": (48,) * 10}
    scales = {"numeric_scales": (0.1,) * 10, "numeric_width": 8}
    return NetworkConfig(**sizes | scales | {"n_dense": 0} | changes)


def test_members_are_fewer_where_a_fit_would_take_long():
    members = [automatic_members(network(), n) for n in (60, 10_000, 10**5, 10**6, 10**8)]
    assert members[:2] == [8, 8]
    assert members == sorted(members, reverse=True)
    assert members[-1] == 1 < members[2] < 8
    wide = network(numeric_bins=(), numeric_scales=(), numeric_width=0, n_dense=5_000)
    assert automatic_members(wide, 10_000) < 8
    twice = [automatic_members(network(), n, 16) for n in (60, 10_000, 10**5, 10**6)]
    assert twice == [16, 16, *members[2:4]]


def test_epochs_are_fewer_where_a_fit_would_take_long():
    large = network(n_members=8)
    epochs = [automatic_epochs(large, n) for n in (60, 10_000, 10**5, 10**6)]
    assert epochs[0] == 200 > epochs[2] > 10 == epochs[-1]
    assert epochs == sorted(epochs, reverse=True)
    assert automatic_epochs(network(), 10**5) > epochs[2]
    alone = [automatic_epochs(large, n, alone=True) for n in (60, 40_000, 10**5)]
    assert alone == [200, alone[1], epochs[2]]
    assert 10 < alone[1] < automatic_epochs(large, 40_000)


@pytest.mark.parametrize(
    ("loss", "size", "rate"),
    [
        ("squared_error", 16, 0.003), ("squared_error", 64, 0.003),
        ("squared_error", 256, 0.006), ("squared_error", 8192, 0.006), ("log_loss", 256, 0.003),
        ("softmax", 1024, 0.006),
    ],
)  # fmt: skip
def test_rate_rises_with_the_batch(loss, size, rate):
    assert automatic_rate(network(loss=loss), size) == pytest.approx(rate)


@pytest.mark.parametrize("name", ["max_iter", "learning_rate_init"])
def test_auto_is_what_it_says(name):
    given = {"max_iter": 200, "learning_rate_init": automatic_rate(network(), 128)}
    few = FEW | {"batch_size": 128, "early_stopping": True, "tol": 0.1, "n_iter_no_change": 2}
    few.pop("max_iter")
    X = np.random.default_rng(0).normal(size=(300, 2))
    curves = [
        DCNRegressor(**few | changes).fit(X, X[:, 0]).loss_curve_
        for changes in ({}, {name: given[name]})
    ]
    assert curves[0] == curves[1]


def test_members_of_auto():
    assert config(200).n_members == 8
    assert config(200, n_members=3).n_members == 3


def test_members_are_twice_as_many_where_the_rows_to_watch_are_given():
    X = np.random.default_rng(0).normal(size=(200, 2))
    few = FEW | {"max_iter": 1, "early_stopping": "auto"}
    for given, wanted in (({}, 8), ({"X_val": X, "y_val": X[:, 0]}, 16)):
        assert DCNRegressor(**few).fit(X, X[:, 0], **given)._model.config.n_members == wanted
    few |= {"numeric_embedding": None, "hidden_layer_sizes": (2048, 2048)}  # no time for more
    model = DCNRegressor(**few).fit(X, X[:, 0], X_val=X, y_val=X[:, 0])
    assert 1 < model._model.config.n_members < 8


def test_members_of_folds_are_fewer(monkeypatch):
    seen = []
    prepare = preparing.prepare

    def spy(*args, **kwargs):
        fitted = prepare(*args, **kwargs)
        seen.append(fitted.model.config.n_members)
        return fitted

    for module in (trials, fitting):
        monkeypatch.setattr(module, "prepare", spy)
    given = {"early_stopping": "auto", "numeric_embedding": "piecewise"}
    assert config(200, **given).n_members == 8
    assert config(1_000, **given, n_members=2).n_members == 2
    assert seen == [4] * FOLDS + [8] + [2] * FOLDS + [2]


@pytest.mark.parametrize(
    ("changes", "dropout"),
    [
        ({}, 0.5),
        ({"n_members": 2}, 0.5),
        ({"n_members": 1}, 0.2),
        ({"hidden_layer_sizes": ()}, 0.0),
        ({"hidden_layer_sizes": (), "n_members": 1}, 0.0),
        ({"cross_layers": 0}, 0.0),
        ({"cross_dropout": 0.1}, 0.1),
        ({"cross_dropout": 0.1, "hidden_layer_sizes": ()}, 0.1),
    ],
)
def test_cross_dropout(changes, dropout):
    assert config(100, **changes).cross_dropout == dropout


def test_cross_dropout_of_0_draws_nothing():
    """A polynomial that goes on has the orders of rows that it would have had in one fit."""
    X = np.random.default_rng(0).normal(size=(100, 2))
    given = FEW | {"dropout": 0.0, "hidden_layer_sizes": (), "warm_start": True, "tol": None}
    twice = DCNRegressor(**given | {"random_state": np.random.RandomState(0)})
    twice.fit(X, X[:, 0]).fit(X, X[:, 0])
    once = DCNRegressor(**given | {"max_iter": 4}).fit(X, X[:, 0])
    assert twice.loss_curve_ == once.loss_curve_
    auto = fit(100, dropout=0.0, hidden_layer_sizes=())
    zero = fit(100, dropout=0.0, hidden_layer_sizes=(), cross_dropout=0.0)
    assert auto.loss_curve_ == zero.loss_curve_


@pytest.mark.parametrize(
    ("n_columns", "width"),
    [(2, 8), (32, 8), (33, 4), (128, 4), (129, 2), (257, 1), many(2048, 1), many(2049, 0)],
)
def test_numbers_are_embedded_up_to_so_many_columns(n_columns, width):
    found = config(100, n_columns=n_columns, n_members=1)
    assert found.numeric_width == width
    assert len(found.numeric_bins) == (n_columns if width else 0)
    assert found.n_dense == (0 if width else n_columns)


@pytest.mark.parametrize(
    ("n_columns", "width"), [(62, 4), (126, 2), (128, 2), many(2046, 1), many(2048, 1)]
)
def test_statistics_come_on_top_of_the_most_columns(n_columns, width):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, n_columns))).rename(columns=str)
    X["user"], X["item"] = rng.integers(0, 60, (2, 200)).astype(str)
    statistics = TargetStatistics(order=1)
    model = DCNRegressor(**FEW, n_members=1, target_statistics=statistics).fit(X, X["0"])
    found = model._model.config
    assert found.numeric_width == width
    assert len(found.numeric_bins) == n_columns + 4  # a mean and a count of each
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    ("changes", "scaling"),
    [
        ({}, "robust_smooth"),
        ({"numeric_embedding": "piecewise"}, "robust_smooth"),
        ({"numeric_embedding": None}, "auto"),
        ({"numeric_scaling": "quantile"}, "quantile"),
        many({"n_columns": 2049}, "auto"),
    ],
)
def test_scaling(changes, scaling):
    assert scaling in SCALINGS
    assert fit(100, n_members=1, **changes).encoder_.numeric_scaling == scaling
