"""A state that comes from a pickle is checked: it may be cut, old, or made by somebody else."""

import copy
import pickle
import threading

import numpy as np
import pytest

from dcnfast import DCNClassifier, DCNRegressor, parallel
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.parallel import FEW_ROWS, each
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.state import Training

CONFIG = {"fields": (("city", 3, 2),), "n_dense": 4, "cross_layers": 1, "ema_decay": 0.9}


@pytest.fixture(params=["float32", "float64"])
def state(request):
    model = Model(NetworkConfig(**CONFIG, dtype=request.param))
    model.initialize(np.random.RandomState(0))
    model.network.set_averages(model.snapshot() / 2)
    return model.__getstate__() | Training(model).__getstate__()


def load(state):
    """Return a training whose model and moments are from the state."""
    model, training = Model.__new__(Model), Training.__new__(Training)
    model.__setstate__(state)
    training.__setstate__(state | {"model": model})
    return training


def test_good_state(state):
    training = load(state)
    for one in (training, training.model):
        assert pickle.dumps(pickle.loads(pickle.dumps(one))) == pickle.dumps(one)
    np.testing.assert_array_equal(training.model.network.flat_averages, state["averages"])


@pytest.mark.parametrize("bad", [None, [], {}, {"model": None}, {"model": {}}])
def test_no_model(bad):
    with pytest.raises(ValueError, match="no dict with a model"):
        Training.__new__(Training).__setstate__(bad)


FLAT = ["parameters", "first_moments", "second_moments", "averages"]


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a[:-1], "shape"),
        (lambda a: a[None], "shape"),
        (lambda a: np.append(a, a), "shape"),
        (lambda a: a.astype("float16"), "float16"),
        (lambda a: a.astype(int), "int64"),
        (lambda a: a.tolist(), "are list, want an array"),
        (lambda _: None, "are NoneType, want an array"),
        (lambda a: a + np.nan, "not finite"),
        (lambda a: np.where(np.arange(len(a)) == 5, a.dtype.type(np.inf), a), "not finite"),
    ],
)
def test_bad_numbers(state, name, change, text):
    with pytest.raises(ValueError, match=f"the state's {name}.*{text}"):
        load(state | {name: change(state[name])})


@pytest.mark.parametrize("name", ["config", "step", *FLAT[:3]])
def test_missing_keys(state, name):
    del state[name]
    with pytest.raises(ValueError, match=f"state.*{name}"):
        load(state)


@pytest.mark.parametrize("step", [-1, 2**32, 2**64, 10**30, 1.0, "1", None, True])
def test_bad_steps(state, step):
    with pytest.raises(ValueError, match=r"the state's step is .*, want an integer from 0 to 2"):
        load(state | {"step": step})


def test_negative_squares(state):
    with pytest.raises(ValueError, match="second_moments are negative"):
        load(state | {"second_moments": state["second_moments"] - 1})


@pytest.mark.parametrize(
    "change",
    [
        {"n_dense": 2**62}, {"n_dense": -1}, {"dropout": 1.0}, {"cross": "no"}, {"nobody": 1},
        {"hidden": (2**62,)}, {"fields": (("city", 2**62, 2**62),)}, {"alpha_deep": np.nan},
        {"dtype": "float16"}, {"n_dense": None}, {"ema_decay": 1.0}, {"cross_layers": 10**9},
    ],
)  # fmt: skip
def test_bad_descriptions(state, change):
    with pytest.raises((ValueError, TypeError)):
        load(state | {"config": state["config"] | change})


@pytest.mark.parametrize("bad", [None, [], "state", {"config": 3}])
def test_no_state(bad):
    with pytest.raises(ValueError, match="no dict with a config"):
        Model.__new__(Model).__setstate__(bad)


def test_a_bad_state_leaves_the_model_as_it_was(state):
    training = load(state)
    model, compiled = training.model, training.state
    config, network = model.config, model.network
    with pytest.raises(ValueError, match="not finite"):
        model.__setstate__(state | {"averages": state["averages"] * np.nan})
    assert model.config is config
    assert model.network is network
    with pytest.raises(ValueError, match="not finite"):
        training.__setstate__(state | {"first_moments": state["first_moments"] * np.nan})
    assert training.state is compiled


def test_an_old_step_goes_on(state):
    """Exact Adam with a step that 32 bits hold, and one more than they do."""
    state["config"] = state["config"] | {"sparse_adam": "exact"}
    training = load(state | {"step": 2**32 - 10})
    model, dtype = training.model, training.model.config.dtype
    ids, dense = np.zeros((6, 1), np.int32), np.ones((6, 4), dtype)
    table = model.table(ids, dense, np.ones((6, 1), dtype), None)
    arguments = table, np.arange(6), 3, OptimizerStep(0.01).compile(), 0, 1
    for _ in range(3):
        training.state.train_epoch(*arguments)
    assert model.is_finite()
    training.state.train_epoch(*arguments)
    with pytest.raises(ValueError, match=r"step is 4294967294 and 3 may follow, want less than"):
        training.state.train_epoch(*arguments)
    assert np.isfinite(model.logits(ids, dense, 1)).all()


@pytest.mark.parametrize("name", ["mean", "scale", "factor"])
def test_scales_that_are_not_numbers(name):
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = copy.deepcopy(DCNRegressor(max_iter=1).fit(X, X[:, 0]))
    getattr(model.encoder_.scaler.standardizer, name)[1] = np.nan
    with pytest.raises(ValueError, match=r"of 'x1' are .*nan.*, want finite numbers"):
        model.row_predictor()


def test_knots_that_are_not_numbers():
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = DCNRegressor(max_iter=1, numeric_scaling="quantile").fit(X, X[:, 0])
    for bad in (np.nan, 9.0):  # and no longer ascending
        changed = copy.deepcopy(model)
        changed.encoder_.scaler._knots[1][0][3] = bad
        with pytest.raises(ValueError, match="the knots of 'x1' are no pairs"):
            changed.row_predictor()


# ---- threads that cannot be had


@pytest.fixture(params=[0, 1, 2])
def few_threads(request, monkeypatch):
    """Let so many threads start, and no more."""
    left, start = [request.param], threading.Thread.start

    def start_or_not(self):
        if left[0] == 0:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(self)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    return request.param


def test_each_carries_on_with_the_threads_there_are(few_threads):
    idents = each(lambda i: (i, threading.get_ident()), range(50), FEW_ROWS + 1, 8)
    assert [i for i, _ in idents] == list(range(50))
    assert len({ident for _, ident in idents}) <= few_threads + 1


@pytest.mark.usefixtures("few_threads")
def test_a_large_table_is_fitted_with_the_threads_there_are():
    rng = np.random.default_rng(0)
    X = np.empty((FEW_ROWS + 1, 4), object)
    X[:, :2] = rng.choice(["a", "b", "c"], (len(X), 2))
    X[:, 2:] = rng.normal(size=(len(X), 2))
    y = np.arange(len(X)) % 2
    model = DCNClassifier(max_iter=1, hidden_layer_sizes=(4,), n_jobs=4).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_ctrl_c_stops_all_threads(monkeypatch):
    """No thread goes on with items that nobody waits for."""
    taken, here = [], threading.get_ident()

    def work(i):
        taken.append(i)
        if threading.get_ident() == here:
            raise KeyboardInterrupt
        gate.wait(timeout=30)

    gate = threading.Event()
    take = parallel._Work._take

    def take_and_open(self):
        try:
            take(self)
        finally:
            gate.set()

    monkeypatch.setattr(parallel._Work, "_take", take_and_open)
    with pytest.raises(KeyboardInterrupt):
        each(work, range(1000), FEW_ROWS + 1, 2)
    assert len(taken) < 10
