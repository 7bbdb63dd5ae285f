"""What partial_fit trains is a copy, of which seldom more than the rows named is copied."""

import copy
import threading
import time
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNRegressor
from dcnfast.training.spare import Spare

SMALL = {"hidden_layer_sizes": (8,), "n_members": 1, "random_state": 0}


def rows(seed, n=200, n_ids=60):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, n_ids, n)
    X = pd.DataFrame({"id": ids, "x": rng.normal(size=n)}).astype({"id": "category"})
    return X, X.x.to_numpy() + ids % 3


CALLS = [rows(seed, n_ids=60 + 20 * (seed > 4)) for seed in range(8)]


@pytest.fixture
def taken(monkeypatch):
    """Whether each update found a spare to train."""
    found, take = [], Spare.take

    def noted(*args):
        training = take(*args)
        found.append(training is not None)
        return training

    monkeypatch.setattr(Spare, "take", noted)
    return found


def run(model, calls=CALLS):
    for X, y in calls:
        model.partial_fit(X, y)
    return model


@pytest.mark.parametrize(
    "options", [{}, {"wide": True}, {"hash_buckets": 30}, {"optimizer": "rowwise_adagrad"}], ids=str
)
def test_a_spare_is_what_a_copy_would_be(options, taken, monkeypatch):
    model = run(DCNRegressor(**SMALL | options))
    assert sum(taken) >= 4
    monkeypatch.setattr(Spare, "take", lambda *_: None)
    other = run(DCNRegressor(**SMALL | options))
    for name, p in model.parameters_.items():
        np.testing.assert_array_equal(p, other.parameters_[name], err_msg=name)
    for X, _ in CALLS:
        np.testing.assert_array_equal(model.predict(X), other.predict(X))


@pytest.mark.parametrize("options", [{"sparse_adam": "exact"}, {"ema_decay": 0.9}], ids=str)
def test_where_all_rows_move_all_are_copied(options, taken):
    run(DCNRegressor(**SMALL | options))
    assert not any(taken)


def asks(model):
    return partial(model.predict, CALLS[0][0])


READERS = {
    "row predictor": lambda m: partial(m.row_predictor(), {"id": 3, "x": 0.5}),
    "view": lambda m: partial(np.array, m.parameters_["head_W"]),
    "copy": lambda m: asks(copy.copy(m)),
    "pickled": lambda m: asks(copy.deepcopy(m)),
    "model": lambda m: partial(lambda model: np.array(model.network.flat_parameters), m._model),
    "state": lambda m: partial(lambda s: np.array(s.flat_first_moments), m._training.state),
    "network": lambda m: partial(lambda n: np.array(n.flat_parameters), m._model.network),
}


@pytest.mark.parametrize("name", READERS)
def test_what_somebody_holds_stays_as_it_is(name):
    for n in range(2, 6):
        model = run(DCNRegressor(**SMALL), CALLS[:n])
        read = READERS[name](model)
        before = read()
        run(model, CALLS[n:])
        np.testing.assert_array_equal(read(), before)


def test_copies_of_an_estimator_go_their_own_ways():
    model = run(DCNRegressor(**SMALL), CALLS[:4])
    other = copy.copy(model)
    run(model, CALLS[4:6])
    run(other, CALLS[6:])
    run(model, CALLS[6:])
    expected = run(DCNRegressor(**SMALL), CALLS)
    apart = run(DCNRegressor(**SMALL), CALLS[:4] + CALLS[6:])
    X = CALLS[-1][0]
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    np.testing.assert_array_equal(other.predict(X), apart.predict(X))


def test_a_failed_call_takes_the_spare_and_nothing_else():
    model = run(DCNRegressor(**SMALL), CALLS[:4])
    with pytest.raises(ValueError, match="cross_layers was 2"):
        run(model.set_params(cross_layers=3), CALLS[4:5])
    with pytest.warns(UserWarning, match="diverged"):
        run(model.set_params(cross_layers=2, learning_rate_init=1e38), CALLS[4:5])
    run(model.set_params(learning_rate_init="auto"), CALLS[4:])
    X = CALLS[-1][0]
    np.testing.assert_array_equal(model.predict(X), run(DCNRegressor(**SMALL)).predict(X))


def test_readers_have_the_model_of_before_or_after_a_call():
    X = CALLS[0][0][:20]
    twin, model = (run(DCNRegressor(**SMALL, n_jobs=1), CALLS[:1]) for _ in range(2))
    expected = [twin.predict(X)]
    for call in CALLS * 3:
        expected.append(run(twin, [call]).predict(X))
    seen, done = Counter(), threading.Event()

    def read():
        while not done.is_set():
            time.sleep(0.001)
            try:
                got = model.predict(X)
                seen[any(np.array_equal(got, e) for e in expected)] += 1
            except Exception as error:
                seen[repr(error)] += 1

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for call in CALLS * 3:
        run(model, [call])
    done.set()
    for thread in threads:
        thread.join()
    assert set(seen) == {True}, seen
