"""(1 - a) z + a act(z): gradients, what a share of 1 and of 0 is, how the shares learn."""

import pickle

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.network.activations import ACTIVATIONS
from dcnfast.optimizers import SGD, AdamW
from dcnfast.testing import force_isa
from dcnfast.training.optimizers import OPTIMIZERS

NETWORK = {"n_dense": 9, "cross_layers": 1, "hidden": (17, 5), "parametric_activation": True}


def without_shares(case, values):
    """Return the flat parameters of a network with shares: those of `values`, and 1."""
    flat = case.model.snapshot()
    for name, shape, offset in case.model.network.tensors:
        one = 1.0 if "_a_" in name else values[name].ravel()
        flat[offset : offset + int(np.prod(shape))] = one
    return flat


def assert_gradients(case):
    rtol = 1e-11 if case.config.dtype == "float64" else 1e-4
    loss, gradients = case.gradients()
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=rtol)
    assert gradients.keys() == want.keys()
    for name, g in want.items():
        atol = rtol * np.abs(g).max()
        np.testing.assert_allclose(gradients[name], g, rtol=0, atol=atol, err_msg=name)
    logits = case.reference_predict()
    np.testing.assert_allclose(case.predict(), logits, rtol=rtol, atol=rtol * np.abs(logits).max())
    return want


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("structure", ["parallel", "stacked", "stacked_parallel"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients(activation, structure, layer_norm, dtype, make_case):
    options = {"activation": activation, "structure": structure, "layer_norm": layer_norm}
    case = make_case(50, dtype=dtype, dropout=0.2, **options, **NETWORK)
    want = assert_gradients(case)
    if activation != "identity":
        shares = [np.abs(g).max() for name, g in want.items() if "_a_" in name]
        assert len(shares) == 2 * len(case.reference.topology.branches)
        assert min(shares) > 0


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rows", [1, 11, 12, 13, 191, 700])
@pytest.mark.parametrize("hidden", [(1,), (8,), (15, 16), (33, 1)])
def test_sizes(hidden, rows, make_case):
    options = NETWORK | {"hidden": hidden, "activation": "gelu", "n_members": 2}
    assert_gradients(make_case(rows, dtype="float64", **options))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("layer_norm", [False, True])
def test_gradients_are_slopes(layer_norm, make_case):
    """The compiled backward is the slope of the reference's loss, share by share."""
    options = {"activation": "tanh", "layer_norm": layer_norm, "structure": "stacked"}
    case = make_case(13, dtype="float64", **options, **NETWORK)
    _, gradients = case.gradients()
    parameters, step = case.parameters(), 1e-5
    for name in ("deep_a_0", "deep_a_1", "deep_W_0", "deep_b_1"):
        for at in np.ndindex(gradients[name].shape):
            moved = [parameters | {name: parameters[name].copy()} for _ in range(2)]
            moved[0][name][at] += step
            moved[1][name][at] -= step
            above, below = (case.reference_loss(p) for p in moved)
            slope = gradients[name][at]
            assert (above - below) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("layer_norm", [False, True])
def test_shares_of_one_are_the_activation(layer_norm, dtype, make_case):
    """Of relu to the bit."""
    options = NETWORK | {"activation": "relu", "layer_norm": layer_norm}
    case = make_case(40, dtype=dtype, **options)
    plain = make_case(40, dtype=dtype, **options | {"parametric_activation": False})
    case.model.restore(without_shares(case, plain.model.parameters))
    args = plain.ids, plain.dense, 1
    np.testing.assert_array_equal(case.model.logits(*args), plain.model.logits(*args))


def test_bits_do_not_depend_on_threads_or_isa(dtype, isa, make_case):
    start = make_case(700, dtype=dtype, activation="gelu", dropout=0.2, n_members=2, **NETWORK)
    one, two = start.restart(), start.restart()
    one.train(64), two.train(64, n_threads=2)
    np.testing.assert_array_equal(one.model.snapshot(), two.model.snapshot())
    np.testing.assert_array_equal(one.predict(), two.predict(2))
    whole = one.predict()
    for i in (0, 7, 699):
        np.testing.assert_array_equal(one.rows(slice(i, i + 1)).predict(), whole[i : i + 1])
    if isa in ("avx2", "avx512"):
        with force_isa("avx2"):
            other = start.restart()
            other.train(64)
        np.testing.assert_array_equal(one.model.snapshot(), other.model.snapshot())


FAST = {
    "max_iter": 4, "hidden_layer_sizes": (8, 4), "early_stopping": False, "random_state": 0,
    "parametric_activation": True, "ema_decay": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
    X["city"] = rng.choice(list("ABC"), 300)
    return X, X.a * X.b + (X.city == "B")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_row_has_the_answer_of_the_table(activation, table):
    X, y = table
    for kind, target in ((DCNRegressor, y), (DCNClassifier, y > 0.5)):
        model = kind(activation=activation, **FAST).fit(X, target)
        answers = (model.predict if kind is DCNRegressor else model.predict_proba)(X[:20])
        predict = model.row_predictor()
        np.testing.assert_array_equal([predict(row) for row in X[:20].to_dict("records")], answers)
        loaded = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_shares_begin_at_one_and_learn_at_a_tenth_of_the_rate(table):
    def moved(factors):
        optimizer = SGD(rate_factors=factors, momentum=0.0)
        options = FAST | {"max_iter": 1, "batch_size": 300, "gradient_clip": None, "n_members": 1}
        model = DCNRegressor(
            optimizer=optimizer, learning_rate_init=0.1, dtype="float64", **options
        )
        parameters = model.fit(*table).parameters_
        return np.concatenate([parameters["deep_a_0"], parameters["deep_a_1"]]) - 1

    assert not moved({"activation": 0.0}).any()
    whole = moved({"activation": 1.0})
    assert np.count_nonzero(np.abs(whole) > 1e-5) > 4
    np.testing.assert_allclose(moved(None), whole / 10, rtol=1e-6, atol=1e-12)


def test_every_optimizer_has_their_rate_and_weight_decay_leaves_them(table):
    for kind in OPTIMIZERS.values():
        assert kind().step(0.1, "float32").rate_factors["activation"] == 0.1
        named = kind(rate_factors={"activation": 2}).step(0.1, "float32")
        assert named.rate_factors["activation"] == 2
    optimizer = AdamW(weight_decay=100.0, rate_factors={"activation": 1e-9})
    parameters = DCNRegressor(optimizer=optimizer, **FAST).fit(*table).parameters_
    np.testing.assert_allclose(parameters["deep_a_0"], 1, atol=1e-6)


@pytest.mark.parametrize("without", [{"hidden_layer_sizes": ()}, {"activation": "identity"}])
def test_without_anything_to_bend_it_says_nothing(without, table):
    options = FAST | without
    one, other = (
        DCNRegressor(**options | {"parametric_activation": on}).fit(*table).predict(table[0])
        for on in (False, True)
    )
    np.testing.assert_array_equal(one, other)
