"""Other threads run while the engine computes, and do not disturb it."""

import signal
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from dcnfast import DCNRegressor, _core
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.optimizers import OptimizerStep

WIDE = NetworkConfig(n_dense=700, cross_layers=2, hidden=(700,), ema_decay=0.9, dtype="float64")


@pytest.fixture(scope="module")
def wide():
    return Model(WIDE).initialize(np.random.RandomState(0))


def row_predictor(network, n_dense):
    zero, one = np.zeros(n_dense), np.ones(n_dense)
    names, knots = [f"c{j}" for j in range(n_dense)], [([], [])] * n_dense
    scales = _core.ColumnScales(
        names, knots, -9 * one, 9 * one, one, zero, one, zero, zero.astype(bool),
        np.empty(0, np.int64), 1e4,
    )  # fmt: skip
    return _core.RowPredictorF64(network, scales)


def calls_of_a_network(model):
    """Return calls of nothing but the engine: all arguments are there, NumPy gives up the GIL too.

    One row is over before another thread is awake, so it is many.
    """
    network, flat = model.network, abs(model.snapshot())
    state = _core.TrainingStateF64(network)
    predict, no_ids = row_predictor(network, 700), np.empty((400, 0), np.int32)
    dense, target, rows = np.ones((400, 700)), np.ones((400, 1)), np.arange(400)
    description = model.config.compile.__func__
    table = model.table(no_ids, dense, target, None)
    return {
        "row": lambda: [predict(no_ids[0], dense[0]) for _ in range(300)],
        "construct": lambda: description(model.config),
        "construct training": lambda: _core.TrainingStateF64(network),
        "set_parameters": lambda: network.set_parameters(flat),
        "set_averages": lambda: network.set_averages(flat),
        "set_optimizer": lambda: state.set_optimizer(flat, flat, 1),
        "predict": lambda: network.predict(no_ids, dense, 1),
        "evaluate": lambda: network.evaluate(no_ids, dense, target, None, 1),
        "evaluate_table": lambda: network.evaluate_table(table, 1),
        "compute_gradients": lambda: state.compute_gradients(table, rows, 0, 1),
    }


def calls_of_kernels():
    k, N = _core.ops_f64, 20_000
    X, scale, shift = np.ones((N, 40)), np.ones(40), np.zeros(40)
    W, b, C, c = np.ones((300, 40)), np.zeros(300), np.ones((3, 80)), np.zeros(3)
    dense, logits, classes, big = (
        np.ones((N, 300)),
        np.ones((N, 3)),
        np.ones((N, 1)),
        np.ones(10**6),
    )
    ids, tables, stacked = np.zeros((N, 3), np.int32), [np.ones((50, 40))] * 3, np.ones((N, 120))
    layers, biases, U = np.zeros((2, 40, 40)), np.zeros((2, 40)), np.zeros((2, 40, 3))
    V, gate = np.zeros((2, 3, 40)), (0.0, "identity", 1)
    Ue, Ve, g = np.zeros((2, 2, 40, 3)), np.zeros((2, 2, 3, 40)), np.zeros((2, 2, 40))
    none, Wh, sh = np.zeros(0), np.zeros((2, 20, 40)), np.zeros((2, 20))
    return {
        "embedding": lambda: k.embedding(ids, tables),
        "embedding_backward": lambda: k.embedding_backward(stacked, ids, tables),
        "dense": lambda: k.dense(X, W, b, "relu"),
        "dense_backward": lambda: k.dense_backward(dense, X, W, b, "relu"),
        "layer_norm": lambda: k.layer_norm(X, scale, shift),
        "layer_norm_backward": lambda: k.layer_norm_backward(X, X, scale, shift),
        "combine": lambda: k.combine(X, X, C, c),
        "combine_backward": lambda: k.combine_backward(logits, X, X, C, c),
        "cross_vector": lambda: k.cross("vector", X, [biases], biases, *gate),
        "cross_vector_backward": lambda: k.cross_backward("vector", X, X, [biases], biases, *gate),
        "cross_matrix": lambda: k.cross("matrix", X, [layers], biases, *gate),
        "cross_matrix_backward": lambda: k.cross_backward("matrix", X, X, [layers], biases, *gate),
        "cross_gated": lambda: k.cross("gated", X, [layers, layers], biases, *gate),
        "cross_gated_backward": lambda: k.cross_backward(
            "gated", X, X, [layers, layers], biases, *gate
        ),
        "cross_mixture": lambda: k.cross("mixture", X, [Ue, Ve, none, g], biases, *gate),
        "cross_mixture_backward": lambda: k.cross_backward(
            "mixture", X, X, [Ue, Ve, none, g], biases, *gate
        ),
        "cross_exponential": lambda: k.cross("exponential", X, [Wh, sh, sh], biases, *gate),
        "cross_exponential_backward": lambda: k.cross_backward(
            "exponential", X, X, [Wh, sh, sh], biases, *gate
        ),
        "cross_onlydense": lambda: k.cross("onlydense", X, [layers], biases, *gate),
        "cross_onlydense_backward": lambda: k.cross_backward(
            "onlydense", X, X, [layers], biases, *gate
        ),
        "cross_lowrank": lambda: k.cross("lowrank", X, [U, V], biases, *gate),
        "cross_lowrank_backward": lambda: k.cross_backward("lowrank", X, X, [U, V], biases, *gate),
        "squared_error": lambda: k.loss("squared_error", X, X, None, 0.0, ()),
        "log_loss": lambda: k.loss("log_loss", X, X, None, 0.1, ()),
        "softmax_loss": lambda: k.loss("softmax", X, classes, None, 0.1, ()),
        "optimizer_update": lambda: k.optimizer_update(
            big, big, big, big, OptimizerStep().compile(), 1, 0.0
        ),
        "measure_fma_peak": lambda: _core.measure_fma_peak(True, 1, 0.005),
        "measure_bandwidth": lambda: _core.measure_bandwidth(1, 0.0),
        "measure_read_bandwidth": lambda: _core.measure_read_bandwidth(10**6, 1, 0.005),
    }


def gives_up_the_gil(run):
    """Return whether another thread runs during the call: else none does before the interval."""
    gate, ran = threading.Lock(), []
    gate.acquire()

    def wait_for_the_gil():
        gate.acquire()
        ran.append(True)

    other = threading.Thread(target=wait_for_the_gil)
    other.start()
    gate.release()  # it is awake, and wants the GIL
    run()
    seen = bool(ran)
    other.join()
    return seen


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this Python has no GIL"
)
@pytest.mark.parametrize("calls", ["network", "kernels"])
def test_the_gil_is_given_up(calls, wide):
    runs = calls_of_a_network(wide) if calls == "network" else calls_of_kernels()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e5)
    try:
        for name, run in runs.items():
            # the other thread is not always awake in time
            assert any(gives_up_the_gil(run) for _ in range(2000)), name
    finally:
        sys.setswitchinterval(interval)


# ---- one network in several threads


@pytest.fixture(scope="module")
def served():
    X = np.random.default_rng(1).normal(size=(400, 30))
    model = DCNRegressor(max_iter=2, random_state=0, n_jobs=1).fit(X, X[:, 0])
    return X, model.predict(X), model


@pytest.mark.parametrize("shared", [True, False])
def test_row_predictors_in_many_threads(served, shared):
    X, want, model = served
    one = model.row_predictor()
    answers = [None] * 20  # more than there are places for what a call works in

    def work(k):
        predict = one if shared else model.row_predictor()
        answers[k] = [predict(row) for row in X]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(answers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for answer in answers:
        np.testing.assert_array_equal(answer, want)


def arrays(n):
    rng = np.random.default_rng(0)
    return np.empty((n, 0), np.int32), rng.normal(size=(n, 60)), rng.normal(size=(n, 1))


def trainer(state, n, epochs):
    """Return what trains."""
    rows = _core.TableF64(state.network, *arrays(n), None)

    def work():
        for _ in range(epochs):
            state.train_epoch(rows, np.arange(n), 100, OptimizerStep(0.01).compile(), 0, 1)

    return work


def test_a_network_that_is_trained_answers_nobody_else():
    network = Model(NetworkConfig(n_dense=60, cross_layers=2, dtype="float64")).network
    state, other = _core.TrainingStateF64(network), _core.TrainingStateF64(network)
    ids, dense, target = arrays(5)
    flat = np.zeros_like(network.flat_parameters)
    predict_row = row_predictor(network, 60)
    few = _core.TableF64(network, ids, dense, target, None)
    calls = {
        "predict": lambda: network.predict(ids, dense, 1),
        "evaluate": lambda: network.evaluate(ids, dense, target, None, 1),
        "evaluate_table": lambda: network.evaluate_table(few, 1),
        "row": lambda: predict_row(np.empty(0, np.int32), dense[0]),
        "set_parameters": lambda: network.set_parameters(flat),
        "stage_seconds": lambda: state.stage_seconds,
        "shared_fields": lambda: state.shared_fields,
        "step": lambda: state.step,
        "another training": trainer(other, 5, 1),
        "start_timing": state.start_timing,
    }
    train, entered = trainer(state, 100_000, 1), []

    def work():
        while not entered:  # others are there, and the network does not change
            with suppress(RuntimeError):
                train()
                entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    refused = set()
    while thread.is_alive() and len(refused) < len(calls):
        for name in calls.keys() - refused:
            try:
                calls[name]()
            except RuntimeError as error:
                if str(error) == "this network is being trained in another thread":
                    refused.add(name)
    thread.join()
    assert refused == calls.keys()
    for call in calls.values():
        call()


def test_a_network_that_predicts_does_not_change():
    network = Model(NetworkConfig(n_dense=60, cross_layers=2, dtype="float64")).network
    ids, dense, _ = arrays(200_000)
    flat = np.zeros_like(network.flat_parameters)

    over = threading.Event()

    def work():
        while not over.is_set():
            with suppress(RuntimeError):  # one of the two is refused
                network.predict(ids, dense, 1)

    thread = threading.Thread(target=work)
    thread.start()
    refused = False
    for _ in range(10_000):
        try:
            network.set_parameters(flat)
        except RuntimeError as error:
            refused = str(error) == "this network is predicting in another thread"
            break
        time.sleep(0.001)
    over.set()
    thread.join()
    assert refused
    network.set_parameters(flat)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer on this system")
def test_a_signal_handler_asks_for_the_network_that_its_thread_trains():
    network = Model(NetworkConfig(n_dense=60, cross_layers=2, dtype="float64")).network
    ids, dense, _ = arrays(5)
    before = signal.signal(signal.SIGALRM, lambda *_: network.predict(ids, dense, 1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        with pytest.raises(RuntimeError, match="is being trained"):
            trainer(_core.TrainingStateF64(network), 100_000, 1000)()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert np.isfinite(network.predict(ids, dense, 1)).all()
