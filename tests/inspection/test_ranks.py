"""The rank of cross weights by their singular values, and models made smaller by it."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from dcnfast import DCNClassifier, DCNRegressor, crosses, load
from dcnfast.inspection import cross_weights, effective_rank, singular_values, to_low_rank
from dcnfast.network.compression import least_rank

X = np.random.default_rng(0).normal(size=(600, 6))
Y = X[:, 0] * X[:, 1] + X[:, 2]
FAST = {
    "numeric_embedding": None, "n_members": 1, "hidden_layer_sizes": (8,), "max_iter": 60,
    "learning_rate_init": 0.02, "random_state": 0, "early_stopping": False,
}  # fmt: skip


def fitted(cls=DCNRegressor, **parameters):
    return cls(**FAST | parameters).fit(X, Y if cls is DCNRegressor else Y > 0)


def test_singular_values_are_those_of_the_weights():
    model = fitted(cross_layers=2)
    values = singular_values(model)
    assert values.shape == (2, 6)
    for layer in range(2):
        want = np.linalg.svd(cross_weights(model, layer).astype(float), compute_uv=False)
        np.testing.assert_allclose(values[layer], want, rtol=1e-10)


def test_the_least_rank_that_keeps_a_share():
    values = np.array([[3.0, 1.0, 0.1, 0.0], [2.0, 0.0, 0.0, 0.0]])
    assert least_rank(values, 0.5) == 1
    assert least_rank(values, 0.95) == 2
    assert least_rank(values, 0.9999) == 3
    assert least_rank(values, 1.0) == 3
    assert least_rank(np.zeros((2, 4)), 0.9) == 1


def test_a_low_rank_cross_has_its_rank():
    model = fitted(cross=crosses.LowRank(rank=2), dtype="float64")
    assert effective_rank(model, 1.0) == 2
    small = to_low_rank(model, energy=1.0)
    np.testing.assert_allclose(small.predict(X), model.predict(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cross": "matrix", "diag_scale": 0.3, "cross_bias": False, "preactivation": "tanh"},
        {"cross": crosses.Matrix(symmetric=True, diag_scale=0.2)},
        {"n_members": 3, "ema_decay": 0.9, "wide": True, "numeric_embedding": "piecewise"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("cls", [DCNRegressor, DCNClassifier])
def test_full_rank_predicts_the_same(cls, options, tmp_path):
    model = fitted(cls, dtype="float64", **options)
    before = pickle.dumps(model.get_params())
    answers = model.predict_proba if cls is DCNClassifier else model.predict
    D = model._model.config.width
    small = to_low_rank(model, D)
    got = small.predict_proba if cls is DCNClassifier else small.predict
    np.testing.assert_allclose(got(X), answers(X), rtol=1e-8, atol=1e-8)
    assert pickle.dumps(model.get_params()) == before
    assert small.cross == crosses.LowRank(
        rank=D, diag_scale=model._model.config.diag_scale, bias=model._model.config.cross_bias,
        preactivation=model._model.config.preactivation,
    )  # fmt: skip
    small.save(tmp_path / "small.dcn")
    for other in (load(tmp_path / "small.dcn"), pickle.loads(pickle.dumps(small))):
        np.testing.assert_array_equal(other.predict(X), small.predict(X))


def test_fewer_parameters_and_nearly_the_same_answers():
    model = fitted(cross_layers=1)
    rank = effective_rank(model, 0.999)
    assert rank < 6
    small = to_low_rank(model, energy=0.999)
    assert small.parameters_["cross_U"].shape == (1, 6, rank)
    assert small.n_parameters_ == sum(p.size for p in small.parameters_.values())
    assert small.score(X, Y) > model.score(X, Y) - 0.05
    assert np.corrcoef(small.predict(X), to_low_rank(model, 6).predict(X))[0, 1] > 0.98
    assert "cross_W" in model.parameters_


def test_room_for_categories_is_not_counted():
    frame = pd.DataFrame({"city": [f"c{i % 5}" for i in range(60)], "x": np.arange(60.0)})
    model = DCNRegressor(hidden_layer_sizes=(), n_members=1, random_state=0)
    model.partial_fit(frame, frame.x)
    model.partial_fit(frame.assign(city=frame.city + "'"), frame.x)  # the table has grown
    small = to_low_rank(model, 2)
    for fit in (model, small):
        assert fit.n_parameters_ == sum(p.size for p in fit.parameters_.values())
    assert small.n_parameters_ < model.n_parameters_
    small.partial_fit(frame, frame.x)
    assert np.isfinite(small.predict(frame)).all()


def test_training_goes_on():
    small = to_low_rank(fitted(warm_start=True, diag_scale=0.1), 3)
    before = small.parameters_["cross_U"].copy()
    small.set_params(max_iter=2).fit(X, Y)
    assert small.parameters_["cross_U"].shape == before.shape
    assert not np.array_equal(small.parameters_["cross_U"], before)


@pytest.mark.parametrize("energy", [0, 1.1, -1, np.nan, "x", True, None])
def test_bad_shares(energy):
    with pytest.raises(
        ValueError, match=re.escape(f"energy is {energy!r}, want a number in (0, 1]")
    ):
        effective_rank(fitted(max_iter=1), energy)


@pytest.mark.parametrize("rank", [0, 7, 1.5, "x", True])
def test_bad_ranks(rank):
    with pytest.raises(ValueError, match=f"rank is {rank!r}, want an integer from 1 to 6, or None"):
        to_low_rank(fitted(max_iter=1), rank)


def test_what_has_no_such_rank():
    with pytest.raises(ValueError, match="no cross layers"):
        singular_values(fitted(cross_layers=0, max_iter=1))
    with pytest.raises(ValueError, match="cross is 'gated', want one of"):
        to_low_rank(fitted(cross="gated", max_iter=1))
    table = pd.DataFrame(X, columns=list("abcdef"))
    cross = crosses.Matrix(forbidden_pairs=[("a", "b")])
    model = DCNRegressor(**FAST | {"max_iter": 1}, cross=cross).fit(table, Y)
    with pytest.raises(ValueError, match="forbidden pairs of columns, whose weights a low rank"):
        to_low_rank(model)
    with pytest.raises(NotFittedError):
        effective_rank(DCNRegressor())
