"""Estimators take kinds by name or as objects, and searches go over both."""

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.crosses import LowRank, Matrix, Vector
from dcnfast.inspection import cross_weights
from dcnfast.losses import LogLoss, Softmax, SquaredError
from dcnfast.network.crosses import CROSSES
from dcnfast.optimizers import Adam, AdamW

X = np.random.default_rng(0).normal(size=(240, 5))
Y = X[:, 0] * X[:, 1] + 0.3 * X[:, 2]


def make(kind=DCNRegressor, **options):
    fixed = {
        "max_iter": 3, "hidden_layer_sizes": (6,), "random_state": 0, "early_stopping": False,
        "numeric_embedding": None, "n_members": 1,
    }  # fmt: skip
    return kind(**fixed | options)


# the same by flat names and as an object
SAME = [
    ({"cross": "lowrank", "cross_rank": 2}, {"cross": LowRank(rank=2)}),
    ({"cross": "lowrank"}, {"cross": LowRank()}),
    (
        {"cross": "lowrank", "diag_scale": 0.3, "cross_bias": False, "preactivation": "tanh",
         "cross_initializer": "glorot_uniform"},
        {"cross": LowRank(diag_scale=0.3, bias=False, preactivation="tanh",
                          initializer="glorot_uniform")},
    ),
    ({"diag_scale": 0.3, "preactivation": "relu"},
     {"cross": Matrix(diag_scale=0.3, preactivation="relu")}),
    ({}, {"cross": Matrix(), "optimizer": AdamW(), "loss": SquaredError()}),
    ({"optimizer": "adam"}, {"optimizer": Adam()}),
    ({"cross": "vector", "cross_bias": False}, {"cross": Vector(bias=False)}),
    ({"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
     {"optimizer": AdamW(beta_1=0.5, beta_2=0.9, epsilon=1e-3)}),
]  # fmt: skip


@pytest.mark.parametrize(("flat", "objects"), SAME)
def test_objects_train_the_same_bits(flat, objects):
    one, other = (make(**options).fit(X, Y) for options in (flat, objects))
    assert list(one.parameters_) == list(other.parameters_)
    for name, parameter in one.parameters_.items():
        np.testing.assert_array_equal(parameter, other.parameters_[name])
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    np.testing.assert_array_equal(cross_weights(one), cross_weights(other))


def test_rows_that_are_not_named_move_as_the_object_says():
    rows = [[f"id{i % 60}"] for i in range(240)]
    fits = [
        make(batch_size=20, **options).fit(rows, Y).predict(rows)
        for options in ({}, {"sparse_adam": "exact"}, {"optimizer": AdamW(sparse="exact")})
    ]
    np.testing.assert_array_equal(fits[1], fits[2])
    assert np.abs(fits[0] - fits[1]).max() > 1e-6


def test_losses_as_objects():
    rates = (Y > 0).astype(float)
    one, other = (make(loss=loss).fit(X, rates) for loss in ("log_loss", LogLoss()))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert other.row_predictor()(X[0]) == pytest.approx(other.predict(X[:1])[0], rel=1e-5)
    with pytest.raises(ValueError, match="want rates between 0 and 1 with loss='log_loss'"):
        make(loss=LogLoss()).fit(X, Y)
    for name, loss in (("log_loss", LogLoss()), ("softmax", Softmax())):
        one, other = (make(DCNClassifier, loss=given).fit(X, rates) for given in (name, loss))
        np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
        assert one.n_parameters_ == other.n_parameters_


CONFLICTS = [
    ({"cross": LowRank(rank=8), "cross_rank": 3},
     "cross_rank is 3 beside cross=LowRank(rank=8), want cross as a name with cross_rank, or the "
     "object with rank and cross_rank at its default, None"),
    ({"cross": Vector(), "cross_rank": 3}, "cross_rank is 3 beside cross=Vector()"),
    ({"cross": Matrix(), "cross_bias": False}, "cross_bias is False beside cross=Matrix()"),
    ({"cross": Matrix(), "cross_initializer": "he_normal"}, "cross_initializer is 'he_normal'"),
    ({"cross": Vector(), "preactivation": "relu"}, "preactivation is 'relu' beside"),
    ({"cross": LowRank(), "diag_scale": 0.1}, "diag_scale is 0.1 beside cross=LowRank()"),
    ({"optimizer": Adam(), "beta_1": 0.8}, "beta_1 is 0.8 beside optimizer=Adam()"),
    ({"optimizer": Adam(), "sparse_adam": "exact"}, "sparse_adam is 'exact' beside"),
    ({"cross": LowRank(rank=0)}, "cross: rank of LowRank is 0, want an integer of at least 1"),
    ({"optimizer": Adam(beta_2=2)}, "optimizer: beta_2 of Adam is 2, want a number in [0, 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "text"), CONFLICTS)
def test_what_does_not_go_together_is_said_before_anything_is_read(options, text):
    model = make()
    model.fit(X, Y)
    before = model.predict(X)
    model.set_params(**options)
    with pytest.raises(ValueError, match=re.escape(text)):
        model.fit("no table", None)
    np.testing.assert_array_equal(model.predict(X), before)


def test_nested_parameters():
    model = make(cross=LowRank(rank=2), optimizer=Adam())
    assert model.get_params()["cross__rank"] == 2
    assert model.get_params()["optimizer__beta_1"] == 0.9
    model.set_params(cross__rank=3, optimizer__beta_1=0.5)
    assert model.fit(X, Y).parameters_["cross_U"].shape == (2, 5, 3)
    model.set_params(cross=Matrix(), cross__diag_scale=0.5)
    assert model.cross == Matrix(diag_scale=0.5)
    assert "cross__rank" not in model.get_params()
    text = "cross__rank is given and cross is the name 'lowrank', want an object that has rank, as "
    with pytest.raises(ValueError, match=re.escape(text + "cross=LowRank()")):
        make(cross="lowrank").set_params(cross__rank=3)
    text = "cross__rank is given and cross is the name 'matrix', want an object that has rank, as "
    with pytest.raises(ValueError, match=re.escape(text + "cross=LowRank()")):
        make(cross="matrix").set_params(cross__rank=3)
    with pytest.raises(ValueError, match="RowwiseAdagrad, SGD has heavy_ball"):
        make(optimizer="adam").set_params(optimizer__heavy_ball=1)
    with pytest.raises(ValueError, match="'ranks' is no option of LowRank"):
        make(cross=LowRank()).set_params(cross__ranks=3)
    with pytest.raises(ValueError, match="Invalid parameter 'crosses'"):
        make(cross=LowRank()).set_params(crosses__rank=3)


def test_a_clone_has_objects_of_its_own():
    model = make(cross=LowRank(rank=2), optimizer=Adam(beta_1=0.8), loss=SquaredError())
    cloned = clone(model)
    assert cloned.get_params() == model.get_params()
    cloned.set_params(cross__rank=4)
    assert model.cross == LowRank(rank=2)
    loaded = pickle.loads(pickle.dumps(model.fit(X, Y)))
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_an_object_that_changes_after_the_fit_changes_no_prediction():
    cross = LowRank(rank=2)
    model = make(cross=cross).fit(X, Y)
    before = model.predict(X)
    cross.set_params(rank=1)
    np.testing.assert_array_equal(model.predict(X), before)
    model.set_params(warm_start=True)
    with pytest.raises(ValueError, match="warm_start: cross_rank was 2, got 1"):
        model.fit(X, Y)


def search(model, grid):
    return GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, Y)


def test_searches_over_options_and_over_kinds():
    found = search(make(cross=LowRank()), {"cross__rank": [1, 3], "optimizer": [Adam(), "adam"]})
    assert len(found.cv_results_["params"]) == 4
    assert found.best_estimator_.cross.rank == found.best_params_["cross__rank"]
    mixed = ["matrix", "vector", LowRank(rank=2), Matrix(preactivation="tanh")]
    found = search(make(), {"cross": mixed})
    assert list(found.cv_results_["param_cross"]) == mixed
    assert len(set(found.cv_results_["mean_test_score"])) == 4
    grid = [{"cross": ["lowrank", "vector"], "cross_rank": [1, 2]}, {"cross": [LowRank(rank=2)]}]
    scores = search(make(), grid).cv_results_["mean_test_score"]
    assert scores[1] == scores[4]  # "lowrank" with cross_rank=2, and the object
    assert scores[2] == scores[3]  # "vector" has no rank
    found = search(make(optimizer=Adam()), {"optimizer__beta_1": [0.5, 0.9]})
    assert len(set(found.cv_results_["mean_test_score"])) == 2


def test_what_an_estimator_looks_like():
    model = make(cross=LowRank(rank=8), optimizer=Adam(beta_2=0.99))
    assert "cross=LowRank(rank=8)" in repr(model)
    assert "optimizer=Adam(beta_2=0.99)" in repr(model)
    for page in (model._repr_html_(), model.fit(X, Y)._repr_html_()):
        assert "LowRank(rank=8)" in page
        assert "Adam(beta_2=0.99)" in page
    assert "cross=" not in repr(make())


@pytest.mark.parametrize("kind", CROSSES.values())
def test_initial_scale_of_a_cross(kind):
    """The first weights begin at that share of what was drawn, everything else as before."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    fixed = {"max_iter": 1, "learning_rate_init": 1e-30, "early_stopping": False, "random_state": 0}
    whole, small = (
        DCNRegressor(cross=kind(initial_scale=scale), **fixed).fit(X, X[:, 0]).parameters_
        for scale in (1.0, 0.25)
    )
    first, *_ = kind.weights
    for name, values in whole.items():
        share = 0.25 if name == first.name else 1
        np.testing.assert_allclose(small[name], share * values, rtol=1e-6, atol=1e-20)
    assert np.any(whole[first.name] != 0)


def test_rate_factors_hold_still_what_they_name():
    """Whatever the number of epochs, cross weights are as drawn; the rest learns."""

    def fitted(max_iter, **factors):
        optimizer = Adam(rate_factors=factors)
        return make(max_iter=max_iter, optimizer=optimizer).fit(X, Y).parameters_

    one, more, free = fitted(1, cross_weight=0), fitted(5, cross_weight=0.0), fitted(5)
    np.testing.assert_array_equal(one["cross_W"], more["cross_W"])
    for name in ("cross_b", "deep_W_0", "head_W"):
        assert not np.array_equal(one[name], more[name])
    assert not np.array_equal(free["cross_W"], more["cross_W"])
    same = fitted(5, cross_weight=1.0, bias=1)
    for name, parameter in same.items():
        np.testing.assert_array_equal(parameter, free[name])
