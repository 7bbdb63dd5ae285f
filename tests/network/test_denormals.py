"""No number below the normal range is left anywhere, and the caller's arithmetic is untouched."""

import threading

import numpy as np
import pytest

from dcnfast import DCNClassifier
from dcnfast.cpu import available_isas
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.testing import force_isa
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.state import Training

# A long training makes them; so does a short one with rates that kill units, and with penalties and
# betas that shrink quickly what gets no gradient.
NETWORKS = {
    "dead units": {"cross_layers": 0, "hidden": (40, 40), "alpha_deep": 1e-3},
    "large alpha": {"cross_layers": 2, "hidden": (16,), "alpha_cross": 1.0, "alpha_deep": 1.0},
    "ten layers": {"cross_layers": 10, "cross": "vector"},
    "gates": {"cross_layers": 3, "preactivation": "sigmoid", "hidden": (8,), "activation": "tanh"},
    "gated": {"cross_layers": 2, "cross": "gated", "alpha_cross": 0.1},
    "mixture": {
        "cross_layers": 2,
        "cross": "mixture",
        "cross_rank": 3,
        "cross_experts": 2,
        "preactivation": "tanh",
        "alpha_cross": 0.1,
    },
    "exponential": {
        "cross_layers": 2,
        "cross": "exponential",
        "cross_linear": True,
        "alpha_cross": 0.1,
    },
    "onlydense": {
        "cross_layers": 2,
        "cross": "onlydense",
        "preactivation": "relu",
        "alpha_cross": 0.1,
    },
    "low rank": {"cross_layers": 2, "cross": "lowrank", "cross_rank": 3, "alpha_cross": 0.01},
    "gelu and norms": {
        "cross_layers": 1,
        "hidden": (16,),
        "activation": "gelu",
        "layer_norm": True,
    },
    "averages": {"cross_layers": 1, "hidden": (16,), "ema_decay": 0.5, "alpha_deep": 0.5},
}
ZIPF = {
    "lazy": {"sparse_adam": "lazy", "ema_decay": 0.9, "alpha_embedding": 0.1},
    "exact": {"sparse_adam": "exact", "ema_decay": 0.9, "alpha_embedding": 0.1},
}


def is_denormal(numbers):
    return (numbers != 0) & (np.abs(numbers) < np.finfo(numbers.dtype).tiny)


def train(config, *, steps=300, learning_rate=0.3, n_threads=1):
    """Train on columns of which one is constant and one nearly 0, towards labels that are sure."""
    rng = np.random.default_rng(0)
    n, M = 64, config.n_dense
    dense = rng.normal(size=(n, M))
    dense[:, 0], dense[:, 1] = 0, 1e-30 * dense[:, 1]
    ids = np.column_stack([rng.zipf(1.5, n) % rows for _, rows, _ in config.fields] or [[]] * n)
    ids = np.ascontiguousarray(ids.reshape(n, len(config.fields)), np.int32)
    target = {
        "squared_error": lambda: 50 * rng.normal(size=(n, 1)),
        "log_loss": lambda: (dense[:, [2]] > 0).astype(float),
        "softmax": lambda: (dense[:, [2]] > 0) * 2.0,
    }[config.loss]()
    dense, target = dense.astype(config.dtype), target.astype(config.dtype)
    training = Training(Model(config).initialize(np.random.RandomState(1)))
    order, table = np.arange(n), training.model.table(ids, dense, target, None)
    beta = 0.5 if config.dtype == "float32" else 0.05  # 300 steps take a moment out of the range
    options = OptimizerStep(learning_rate, beta, beta, 1e-3).compile()
    for step in range(steps):
        training.state.train_epoch(table, order, n, options, step, n_threads)
    return training, training.model.logits(ids, 100 * dense, n_threads)


def state_of(training):
    network, state = training.model.network, training.state
    return {
        "parameters": network.flat_parameters,
        "averages": network.flat_averages,
        "first moments": state.flat_first_moments,
        "second moments": state.flat_second_moments,
    }


@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "softmax"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.usefixtures("isa")
def test_training_leaves_none(network, loss, dtype):
    rate = 3e-3 if network == "ten layers" else 0.3
    config = NetworkConfig(
        n_dense=6, dtype=dtype, loss=loss, n_outputs=3 if loss == "softmax" else 1,
        **NETWORKS[network],
    )  # fmt: skip
    training, logits = train(config, learning_rate=rate)
    for name, numbers in (state_of(training) | {"logits": logits}).items():
        assert np.isfinite(numbers).all()
        assert not is_denormal(numbers).any(), name
    # the fit has gone where they are made: moments of what gets no gradient have ended at 0
    assert (training.state.flat_first_moments == 0).any()


@pytest.mark.parametrize("kind", ZIPF)
@pytest.mark.usefixtures("isa")
def test_rare_rows_of_tables_leave_none(kind, dtype):
    fields = (("user", 500, 8), ("item", 50, 3))
    config = NetworkConfig(
        fields=fields, n_dense=6, cross_layers=1, hidden=(8,), wide=True, dtype=dtype, **ZIPF[kind]
    )
    training, logits = train(config, learning_rate=0.01)
    for name, numbers in (state_of(training) | {"logits": logits}).items():
        assert not is_denormal(numbers).any(), name


@pytest.mark.parametrize("network", ["dead units", "large alpha"])
def test_the_bits_do_not_depend_on_threads_or_vector_units(network):
    config = NetworkConfig(n_dense=6, loss="log_loss", deterministic="isa", **NETWORKS[network])
    results = []
    for isa in available_isas():
        for n_threads in (1, 3):
            with force_isa(isa):
                training, logits = train(config, steps=120, n_threads=n_threads)
            results.append((training.model.network.flat_parameters.tobytes(), logits.tobytes()))
    assert len(set(results)) == 1


@pytest.mark.usefixtures("isa")
def test_what_comes_from_outside_is_flushed(dtype):
    config = NetworkConfig(n_dense=6, cross_layers=2, hidden=(8,), ema_decay=0.9, dtype=dtype)
    old = Model(config).initialize(np.random.RandomState(0))
    flat = np.array(old.network.flat_parameters)
    tiny = np.finfo(dtype).tiny / 4
    assert is_denormal(tiny)
    flat[::3] = tiny
    model, new = Model.__new__(Model), Training.__new__(Training)
    model.__setstate__(old.__getstate__() | dict.fromkeys(("parameters", "averages"), abs(flat)))
    moments = dict.fromkeys(("first_moments", "second_moments"), abs(flat))
    new.__setstate__({"model": model, "step": 0} | moments)
    without = np.where(is_denormal(flat), 0, abs(flat)).astype(dtype)
    for numbers in state_of(new).values():
        np.testing.assert_array_equal(numbers, without)
    assert np.count_nonzero(without) > len(without) / 2


@pytest.mark.usefixtures("isa")
def test_numbers_of_a_table_may_be_denormal(dtype):
    config = NetworkConfig(n_dense=3, cross_layers=2, dtype=dtype)
    model = Model(config).initialize(np.random.RandomState(0))
    ids = np.empty((40, 0), np.int32)
    tiny = np.full((40, 3), np.finfo(dtype).tiny / 4, dtype)
    got = model.logits(ids, tiny, 1)
    np.testing.assert_array_equal(got, model.logits(ids, np.zeros_like(tiny), 1))


def flushes():
    """Return whether this thread's arithmetic does away with denormal numbers."""
    tiny = np.full(64, np.finfo(np.float32).tiny)
    return bool((tiny * np.float32(0.5) == 0).any() or (tiny / 2 + tiny / 4 == 0).any())


def test_the_callers_arithmetic_stays_as_it_was():
    config = NetworkConfig(n_dense=6, cross_layers=2, hidden=(8,))
    assert not flushes()
    found = []

    def work():
        train(config, steps=3, n_threads=2)
        found.append(flushes())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    work()
    assert found == [False, False]


def test_a_row_alone_is_what_predict_says_also_there():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    X[:, 1] *= 1e-300
    y = X[:, 0] > 0
    model = DCNClassifier(alpha=1.0, max_iter=60, tol=None, random_state=0).fit(X, y)
    assert not is_denormal(model._model.network.flat_averages).any()
    predict_row = model.row_predictor()
    got = np.array([predict_row(row) for row in X[:20]])
    np.testing.assert_array_equal(got, model.predict_proba(X[:20]))
    assert not flushes()
