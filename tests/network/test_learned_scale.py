"""Learned factors of the columns of x0: gradients, what they leave as it was, how they learn."""

import pickle

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.optimizers import SGD, AdamW
from dcnfast.testing import force_isa
from dcnfast.training.optimizers import OPTIMIZERS

NETWORK = {
    "fields": (("city", 11, 3), ("day", 7, 8)), "n_dense": 2, "numeric_bins": (3, 60),
    "numeric_scales": (0.5, 0.1), "numeric_width": 8, "cross_layers": 2, "hidden": (17, 9),
    "wide": True, "learned_scale": True, "activation": "gelu",
}  # fmt: skip
PLAIN = {"n_dense": 9, "cross_layers": 1, "hidden": (5,), "learned_scale": True}


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rows", [1, 12, 13, 191, 700])
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("network", [NETWORK, PLAIN, NETWORK | {"cross_layers": 0, "hidden": ()}])
def test_gradients(network, n_members, rows, make_case):
    case = make_case(
        rows, dtype="float64", dropout=0.2, cross_dropout=0.3, n_members=n_members, **network
    )  # fmt: skip
    loss, gradients = case.gradients()
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=1e-12)
    assert gradients.keys() == want.keys()
    assert np.abs(want["input_scale"]).max() > 0
    for name, g in want.items():
        atol = 1e-12 * np.abs(g).max()
        np.testing.assert_allclose(gradients[name], g, rtol=0, atol=atol, err_msg=name)
    np.testing.assert_allclose(case.predict(), case.reference_predict(), rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("n_members", [1, 3])
def test_gradients_are_slopes(n_members, make_case):
    case = make_case(13, dtype="float64", n_members=n_members, **NETWORK)
    _, gradients = case.gradients()
    parameters, step = case.parameters(), 1e-5
    for d, slope in enumerate(gradients["input_scale"]):
        moved = [dict(parameters, input_scale=parameters["input_scale"].copy()) for _ in range(2)]
        moved[0]["input_scale"][d] += step
        moved[1]["input_scale"][d] -= step
        above, below = (case.reference_loss(p) for p in moved)
        assert (above - below) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("n_members", [1, 3])
def test_factors_of_one_change_no_bit(n_members, dtype, make_case):
    scaled = make_case(40, dtype=dtype, n_members=n_members, **NETWORK)
    plain = make_case(
        40, dtype=dtype, n_members=n_members, **NETWORK | {"learned_scale": False}
    )  # fmt: skip
    flat = scaled.model.snapshot()
    for name, shape, offset in scaled.model.network.tensors:
        values = 1.0 if name == "input_scale" else plain.model.parameters[name].ravel()
        flat[offset : offset + int(np.prod(shape))] = values
    scaled.model.restore(flat)
    args = plain.ids, plain.dense, 1
    np.testing.assert_array_equal(scaled.model.logits(*args), plain.model.logits(*args))


@pytest.mark.parametrize("n_members", [1, 3])
def test_bits_do_not_depend_on_threads_or_isa(n_members, dtype, isa, make_case):
    start = make_case(700, dtype=dtype, n_members=n_members, dropout=0.2, **NETWORK)
    one, two = start.restart(), start.restart()
    one.train(64), two.train(64, n_threads=2)
    np.testing.assert_array_equal(one.model.snapshot(), two.model.snapshot())
    assert not np.array_equal(
        one.model.parameters["input_scale"], start.model.parameters["input_scale"]
    )
    if isa in ("avx2", "avx512"):
        with force_isa("avx2"):
            other = start.restart()
            other.train(64)
        np.testing.assert_array_equal(one.model.snapshot(), other.model.snapshot())


FAST = {
    "max_iter": 4, "hidden_layer_sizes": (8,), "early_stopping": False, "random_state": 0,
    "learned_scale": True, "ema_decay": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
    X["city"] = rng.choice(list("ABC"), 300)
    return X, X.a * X.b + (X.city == "B")


@pytest.mark.parametrize("numeric_embedding", [None, "piecewise", "periodic"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_a_row_has_the_answer_of_the_table(n_members, numeric_embedding, table):
    X, y = table
    for kind, target in ((DCNRegressor, y), (DCNClassifier, y > 0.5)):
        options = FAST | {"n_members": n_members, "numeric_embedding": numeric_embedding}
        model = kind(**options).fit(X, target)
        answers = (model.predict if kind is DCNRegressor else model.predict_proba)(X[:20])
        predict = model.row_predictor()
        np.testing.assert_array_equal([predict(row) for row in X[:20].to_dict("records")], answers)
        loaded = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_members_that_are_kept_keep_the_factors(table):
    X, y = table
    model = DCNRegressor(n_members=3, **FAST).fit(X, y)
    members = model.predict_members(X)
    scale = model.parameters_["input_scale"].copy()
    model.prune_members(X, y, n_members=2)
    np.testing.assert_array_equal(model.parameters_["input_scale"], scale)
    kept = model.predict_members(X)
    assert kept.shape == (300, 2)
    for column in kept.T:
        assert any(np.allclose(column, member, rtol=1e-5) for member in members.T)


def test_they_begin_at_one_and_learn_at_six_times_the_rate(table):
    """The first step of SGD is the gradient, times the rate."""
    X, y = table

    def moved(optimizer):
        options = FAST | {"max_iter": 1, "batch_size": 300, "gradient_clip": None, "n_members": 1}
        model = DCNRegressor(optimizer=optimizer, learning_rate_init=1e-3, **options)
        scale = model.fit(X, y).parameters_["input_scale"]
        assert scale.shape == (sum(model.embedding_dims_.values()) + 2 * 8,)
        return scale.astype("f8") - 1

    steps = {}
    for rate in (None, 1.0, 0.0):
        factors = None if rate is None else {"input_scale": rate}
        steps[rate] = moved(SGD(rate_factors=factors, momentum=0.0))
    assert not steps[0.0].any()
    assert np.abs(steps[1.0]).max() > 1e-5
    np.testing.assert_allclose(steps[None], 6 * steps[1.0], rtol=0.02, atol=1e-6)


def test_every_optimizer_has_their_rate_and_weight_decay_leaves_them(table):
    for kind in OPTIMIZERS.values():
        assert kind().step(0.1, "float32").rate_factors["input_scale"] == 6
        named = kind(rate_factors={"input_scale": 2, "bias": 3}).step(0.1, "float32")
        assert [named.rate_factors[role] for role in ("input_scale", "bias")] == [2, 3]
    optimizer = AdamW(weight_decay=100.0, rate_factors={"input_scale": 1e-9})
    scale = DCNRegressor(optimizer=optimizer, **FAST).fit(*table).parameters_["input_scale"]
    np.testing.assert_allclose(scale, 1, atol=1e-6)


def test_a_warm_start_keeps_them_or_says_that_there_were_none(table):
    model = DCNRegressor(warm_start=True, **FAST).fit(*table)
    before = model.parameters_["input_scale"].copy()
    assert not np.array_equal(model.fit(*table).parameters_["input_scale"], before)
    with pytest.raises(ValueError, match="warm_start: learned_scale was True, got False"):
        model.set_params(learned_scale=False).fit(*table)
