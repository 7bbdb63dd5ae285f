"""Mixtures, exponential and onlydense crosses in estimators: options, files, what is read."""

import pickle

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRegressor, crosses, load, optimizers, schedules
from dcnfast.inspection import cross_weights

rng = np.random.default_rng(1)
N = 400
TABLE = pd.DataFrame(
    {
        "city": rng.choice(list("abc"), N),
        "age": rng.normal(size=N),
        "rate": np.where(rng.random(N) < 0.1, np.nan, rng.normal(size=N)),
    }
)
Y = TABLE["age"] * (TABLE["city"] == "a") + rng.normal(0, 0.1, N)
SMALL = {
    "hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0, "early_stopping": False,
    "n_members": 1, "cross_layers": 2, "embedding_dim": 3,
}  # fmt: skip
BOTH = [
    crosses.Mixture(),
    crosses.Mixture(experts=2, rank=3, gate="sigmoid", shared_gate=True, activation="gelu"),
    crosses.Mixture(experts=3, gate="constant", activation="tanh", bias=False),
    crosses.Exponential(),
    crosses.Exponential(linear=True, bias=False),
    crosses.OnlyDense(),
    crosses.OnlyDense(scale=2.0, activation="gelu", bias=False, initial_scale=1.0),
]


def fitted(cross, cls=DCNRegressor, **parameters):
    y = Y if cls is DCNRegressor else Y > 0
    return cls(**SMALL | {"cross": cross} | parameters).fit(TABLE, y)


@pytest.mark.parametrize(
    "options",
    [
        {"experts": 3}, {"rank": 3}, {"gate": "sigmoid"}, {"gate": "constant"},
        {"shared_gate": True}, {"activation": "tanh"}, {"bias": False},
        {"initializer": "he_normal"}, {"initial_scale": 1.0},
    ],
    ids=repr,
)  # fmt: skip
def test_every_option_of_a_mixture_has_an_effect(options):
    plain, other = fitted(crosses.Mixture()), fitted(crosses.Mixture(**options))
    assert not np.array_equal(plain.predict(TABLE), other.predict(TABLE))


def test_the_linear_option_has_an_effect():
    plain, other = fitted(crosses.Exponential()), fitted(crosses.Exponential(linear=True))
    assert not np.array_equal(plain.predict(TABLE), other.predict(TABLE))


@pytest.mark.parametrize(
    "options", [{"scale": 2.0}, {"activation": "tanh"}, {"bias": False}, {"initial_scale": 1.0}]
)
def test_every_option_of_onlydense_has_an_effect(options):
    plain, other = fitted(crosses.OnlyDense()), fitted(crosses.OnlyDense(**options))
    assert not np.array_equal(plain.predict(TABLE), other.predict(TABLE))


def test_onlydense_learns_a_product():
    """Without a deep part, and from biases that are no longer where they began."""
    options = {"hidden_layer_sizes": (), "max_iter": 60, "learning_rate_init": 0.01}
    model = fitted(crosses.OnlyDense(), **options)
    assert (
        model.score(TABLE, Y)
        > 0.9
        > fitted("onlydense", **options | {"max_iter": 1}).score(TABLE, Y)
    )
    assert not np.allclose(model.parameters_["cross_b"], 1, atol=0.01)


def test_shapes_of_what_is_learned():
    model = fitted(crosses.Mixture(experts=3, activation="tanh"))
    D = model._model.config.width
    R = D // 6
    shapes = {n: p.shape for n, p in model.parameters_.items() if n.startswith("cross_")}
    assert shapes == {
        "cross_U": (2, 3, D, R), "cross_V": (2, 3, R, D), "cross_C": (2, 3, R, R),
        "cross_gate": (2, 3, D), "cross_b": (2, D),
    }  # fmt: skip
    shared = fitted(crosses.Mixture(experts=3, rank=2, shared_gate=True, bias=False)).parameters_
    shapes = {n: p.shape for n, p in shared.items() if n.startswith("cross_")}
    assert shapes == {
        "cross_U": (2, 3, D, 2), "cross_V": (2, 3, 2, D), "cross_gate": (3, D),
    }  # fmt: skip


def test_one_expert_has_no_softmax():
    model = fitted(crosses.Mixture(experts=1, rank=4, shared_gate=True))
    assert "cross_gate" not in model.parameters_
    assert "cross_gate" in fitted(crosses.Mixture(experts=1, gate="sigmoid")).parameters_


@pytest.mark.parametrize("cross", BOTH, ids=repr)
@pytest.mark.parametrize("members", [1, 3])
def test_saved_pickled_and_row_by_row(cross, members, tmp_path):
    model = fitted(cross, n_members=members)
    want = model.predict(TABLE)
    model.save(tmp_path / "model.dcn")
    for other in (load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(TABLE), want)
        assert other.cross == cross
    predictor = model.row_predictor()
    rows = TABLE.iloc[:20].to_dict("records")
    np.testing.assert_allclose([predictor(row) for row in rows], want[:20], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cross", BOTH, ids=repr)
def test_any_number_of_threads(cross):
    one, more = (fitted(cross, DCNClassifier, n_jobs=n).predict_proba(TABLE) for n in (1, 3))
    np.testing.assert_array_equal(one, more)


@pytest.mark.parametrize("cross", BOTH, ids=repr)
def test_dense_weights(cross):
    model = fitted(cross)
    p, W = model.parameters_, cross_weights(model, 1)
    D = model._model.config.width
    assert W.shape == (D, D)
    assert W.dtype == np.float32
    if isinstance(cross, crosses.Exponential):
        half = (D + 1) // 2
        np.testing.assert_array_equal(W[:half], p["cross_W"][1])
        n = np.linspace(-8, 8, 20_001)[:, None]  # a standard normal number, and how dense it is
        density = np.exp(-(n**2) / 2) / np.exp(-(n**2) / 2).sum()
        mask = np.maximum(p["cross_scale"][1] * n + p["cross_shift"][1], 0)
        mean = (density * mask).sum(axis=0)[: D - half, None]
        np.testing.assert_allclose(W[half:], mean * p["cross_W"][1][: D - half], rtol=1e-4)
        return
    if isinstance(cross, crosses.OnlyDense):
        np.testing.assert_array_equal(W, np.float32(cross.scale) * p["cross_W"][1])
        return
    U, V = p["cross_U"][1].astype(float), p["cross_V"][1].astype(float)
    inner = np.eye(U.shape[2]) if "cross_C" not in p else p["cross_C"][1]
    slope = {None: 1, "gelu": 0.25, "tanh": 1}[cross.activation]
    share = {"softmax": 1 / cross.experts, "sigmoid": 0.5, "constant": 1}[cross.gate]
    np.testing.assert_allclose(W, slope * share * (U @ inner @ V).sum(axis=0), rtol=1e-3, atol=1e-7)


def test_two_kinds_of_one_name_are_told_apart_in_a_file(tmp_path):
    """There is an exponential cross and an exponential schedule."""
    model = fitted(
        crosses.Exponential(),
        learning_rate=schedules.Exponential(final=0.5),
        optimizer=optimizers.AdamW(weight_decay_schedule=schedules.Exponential(final=0.25)),
    )
    model.save(tmp_path / "model.dcn")
    other = load(tmp_path / "model.dcn")
    assert other.cross == crosses.Exponential()
    assert other.learning_rate == schedules.Exponential(final=0.5)
    assert other.optimizer.weight_decay_schedule == schedules.Exponential(final=0.25)
