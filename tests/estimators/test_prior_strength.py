"""prior_strength: a model that is updated does not forget what it was fitted to."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.estimators.saved import fitted_state, read_fitted
from dcnfast.plain import join, separate

SMALL = {
    "hidden_layer_sizes": (16,), "n_members": 1, "random_state": 0, "early_stopping": False,
    "learning_rate_init": 0.01,
}  # fmt: skip


def night(seed, shop, n=1500):
    """Rows of one shop, whose targets depend on the item in its own way."""
    rng = np.random.default_rng(seed)
    item = rng.integers(0, 20, n)
    effect = np.random.default_rng(ord(shop)).normal(size=20)[item]
    X = pd.DataFrame({"shop": [shop] * n, "item": item.astype(str), "x": rng.normal(size=n)})
    return X, effect + (X.x if shop == "a" else -X.x).to_numpy()


def error(model, rows):
    X, y = rows
    return float(np.mean((model.predict(X) - y) ** 2))


def updated(way, strength):
    """A model of one shop's rows, then of another's; its error on both."""
    model = DCNRegressor(**SMALL, prior_strength=strength, max_iter=15, tol=None)
    model.fit(*night(0, "a"))
    learned = error(model, night(9, "a"))
    if way == "warm":
        model.set_params(warm_start=True, max_iter=4).fit(*night(1, "b"))
    else:
        for seed in range(1, 5):
            model.partial_fit(*night(seed, "b"))
    return learned, error(model, night(9, "a")), error(model, night(9, "b"))


@pytest.mark.parametrize("way", ["partial", "warm"])
def test_less_is_forgotten(way):
    learned, free, new = updated(way, 0.0)
    same, held, new_held = updated(way, 100.0)
    assert learned == same < 0.01
    assert free > 4
    assert held < 0.6 * free
    assert new < new_held < 0.1  # of a variance of 2: learned as well
    _, firm, new_firm = updated(way, 1e4)
    assert firm < 0.2 * free
    assert new_held < new_firm < 1


def test_fit_itself_is_not_held():
    X, y = night(0, "a", 300)
    one, other = (
        DCNRegressor(**SMALL, max_iter=2, prior_strength=s).fit(X, y).predict(X) for s in (0, 5)
    )
    np.testing.assert_array_equal(one, other)


def test_it_is_of_the_parameters_that_predict(tmp_path):
    X, y = night(0, "a", 400)
    model = DCNClassifier(**SMALL, max_iter=3, prior_strength=1.0, ema_decay=0.9).fit(X, y > 0)
    training = model._training
    anchor, fisher = training.state.prior
    np.testing.assert_array_equal(anchor, model._model.network.flat_parameters)
    np.testing.assert_array_equal(anchor, model._model.network.flat_averages)
    assert fisher.shape == anchor.shape
    assert (fisher >= 0).all()
    assert fisher.any()
    assert training.prior_rows == 400
    model.save(tmp_path / "model.dcn")  # which has only what predicts
    assert dcnfast.load(tmp_path / "model.dcn")._training is None


def test_a_pickle_goes_on_as_the_model_does():
    X, y = night(0, "a", 400)
    model = DCNRegressor(**SMALL, max_iter=3, prior_strength=1.0).fit(X, y)
    other = pickle.loads(pickle.dumps(model))
    assert pickle.dumps(other) == pickle.dumps(model)
    for one in (model, other):
        one.partial_fit(*night(1, "b", 400)).partial_fit(*night(2, "b", 400))
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert other._training.prior_rows == 400
    free = clone(model).set_params(prior_strength=0.0).fit(X, y)
    free.partial_fit(*night(1, "b", 400)).partial_fit(*night(2, "b", 400))
    assert not np.array_equal(model.predict(X), free.predict(X))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: s.update(rows=0), "rows"),
        (lambda s: s["fisher"].update(head_b=-np.ones(1, "f4")), "fisher"),
        (lambda s: s["anchor"].pop("head_b"), "head_b"),
        (lambda s: s["anchor"].update(head_b=np.full(1, np.nan, "f4")), "finite anchor"),
        (lambda s: s.update(more=1), "more"),
    ],
)
def test_a_forged_pickle_is_refused(change, text):
    X, y = night(0, "a", 100)
    model = DCNRegressor(**SMALL, max_iter=1, prior_strength=1.0).fit(X, y)
    tree = join(*separate(fitted_state(vars(model), trains=True)))
    change(tree["training"]["prior"])
    with pytest.raises(ValueError, match=text):
        read_fitted(tree, DCNRegressor)


def test_a_stream_from_nothing_has_no_prior():
    X, y = night(0, "a", 400)
    models = [DCNRegressor(**SMALL, prior_strength=s) for s in (0.0, 10.0)]
    for model in models:
        model.partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X))


@pytest.mark.parametrize("strength", [-1.0, "much", None])
def test_a_strength_is_a_number(strength):
    with pytest.raises(ValueError, match="prior_strength"):
        DCNRegressor(prior_strength=strength).fit(*night(0, "a", 50))


def test_information_that_is_not_finite_holds_nothing():
    X = 1e12 * np.random.default_rng(0).normal(size=(200, 1))
    options = {"numeric_scaling": None, "prior_strength": 1.0, "early_stopping": False}
    model = DCNRegressor(**options, max_iter=3, random_state=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(X, X[:, 0] / 1e12)
    assert "prior_strength holds no update" in str(told[-1].message)
    assert model._training.prior_rows == 0
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
