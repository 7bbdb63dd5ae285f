"""A fit that was stopped goes on from its checkpoint, and ends with the same bits."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRegressor, load
from dcnfast.checkpoints import Checkpoints
from dcnfast.optimizers import AdamW
from dcnfast.schedules import Plateau

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {
    "hidden_layer_sizes": (8,), "n_members": 2, "max_iter": 9, "tol": None, "batch_size": 64,
    "random_state": 0, "n_jobs": 2,
}  # fmt: skip
TABLE = """
import numpy as np, pandas as pd
def table(n=600):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    words = rng.integers(40, size=n).astype(str)
    return pd.DataFrame({"x": x, "word": words}), x**2 + (words > "3")
"""
names = {}
exec(TABLE, names)
table = names["table"]


class StoppedError(Exception):
    pass


class StopAfter:
    """A callback that ends a fit with an exception, at the end of an epoch."""

    def __init__(self, epochs):
        self.left = epochs

    def setup(self, *_, **__):
        pass

    def teardown(self, *_, **__):
        pass

    def on_fit_task_begin(self, *_, **__):
        pass

    def on_fit_task_end(self, *_, **__):
        self.left -= 1
        if self.left == 0:
            raise StoppedError


def stopped(model, epochs, *rows):
    model.set_callbacks(StopAfter(epochs))
    with pytest.raises(StoppedError):
        model.fit(*rows)
    assert not hasattr(model, "loss_curve_")
    return model.set_callbacks()


def assert_same(model, other, X):
    assert model.loss_curve_ == other.loss_curve_
    assert model.validation_scores_ == other.validation_scores_
    np.testing.assert_array_equal(model.shrinkage_, other.shrinkage_)
    np.testing.assert_array_equal(model._logits(X), other._logits(X))


SETTINGS = {
    "watched": {"early_stopping": True},
    "stops early": {"early_stopping": True, "tol": 1e-3, "n_iter_no_change": 2, "max_iter": 40},
    "not watched": {"early_stopping": False, "ema_decay": 0.9},
    "dropout": {"dropout": 0.3, "cross_dropout": 0.3, "early_stopping": True, "ema_decay": 0.99},
    "schedule": {"learning_rate": "one_cycle", "optimizer": AdamW(weight_decay_schedule="cosine")},
    "plateau": {"learning_rate": Plateau(patience=1), "early_stopping": True, "tol": 0.01},
    "exact Adam": {"sparse_adam": "exact", "optimizer": "adam", "early_stopping": True},
    "L2 of tables": {"alpha": 0.1, "embedding_penalty": "table", "optimizer": "adam"},
    "float64": {"dtype": "float64", "early_stopping": True},
    "any seed": {"random_state": None, "early_stopping": True},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_goes_on(name, epochs, tmp_path):
    X, y = table()
    settings = SMALL | SETTINGS[name]
    kept = Checkpoints(tmp_path / "kept")
    model = stopped(DCNRegressor(**settings, checkpoints=kept), epochs, X, y)
    if settings["random_state"] is None:  # the checkpoint has the state of its fit
        assert epochs == 1 or list(kept.folder.iterdir())
        model.fit(X, y)
        assert len(model.loss_curve_) == settings["max_iter"]
        return
    assert len(list(kept.folder.iterdir())) == min(epochs - 1, 2)
    model.fit(X, y)
    assert_same(model, DCNRegressor(**settings).fit(X, y), X)
    assert not list(kept.folder.iterdir())
    assert model.n_iter_ == len(model.history_["epoch"])


def test_goes_on_twice_and_with_other_threads(tmp_path):
    X, y = table()
    settings = SMALL | {"early_stopping": True}
    for epochs in (3, 3):
        model = DCNRegressor(**settings, checkpoints=Checkpoints(tmp_path))
        stopped(model, epochs, X, y)
    model.set_params(n_jobs=1, verbose=0, max_time=1000).fit(X, y)
    assert_same(model, DCNRegressor(**settings).fit(X, y), X)


def test_the_state_of_random_state_is_that_of_the_first_fit(tmp_path):
    X, y = table()
    settings = SMALL | {"early_stopping": True, "random_state": None}
    first = DCNRegressor(**settings | {"random_state": np.random.RandomState(5)}).fit(X, y)
    shared = np.random.RandomState(5)
    kept = Checkpoints(tmp_path)
    stopped(DCNRegressor(**settings | {"random_state": shared}, checkpoints=kept), 4, X, y)
    np.random.seed(3)  # noqa: NPY002
    model = DCNRegressor(**settings, checkpoints=kept).fit(X, y)  # with no seed at all
    assert_same(model, first, X)
    drawn, draws = np.random.randint(2**31), np.random.RandomState(3)  # noqa: NPY002
    assert drawn in draws.randint(2**31, size=3)  # NumPy's own generator is not set back


def test_small_tables_and_warm_starts(tmp_path):
    X, y = table(120)
    settings = SMALL | {"max_iter": 4, "early_stopping": "auto"}  # the epochs are those of folds
    model = stopped(DCNRegressor(**settings, checkpoints=Checkpoints(tmp_path)), 3, X, y)
    assert_same(model.fit(X, y), DCNRegressor(**settings).fit(X, y), X)
    settings |= {"warm_start": True, "early_stopping": False}
    model = DCNRegressor(**settings, checkpoints=Checkpoints(tmp_path)).fit(X, y)
    model.set_callbacks(StopAfter(3))
    with pytest.raises(StoppedError):
        model.fit(X, y)
    assert model.set_callbacks().n_iter_ == 4
    whole = DCNRegressor(**settings).fit(X, y).fit(X, y)
    assert_same(model.fit(X, y), whole, X)
    assert model.n_iter_ == 8
    assert np.isfinite(model.history_["seconds"]).all()


def test_how_often_and_how_many(tmp_path):
    X, y = table()
    for options, found in (
        ({"epochs": 3, "keep": 5}, ["03", "06"]),
        ({"epochs": None, "seconds": 0.0, "keep": 3}, ["05", "06", "07"]),
        ({"epochs": None, "seconds": 1e9}, []),
        ({"epochs": None}, []),
    ):
        folder = tmp_path / f"{options}"[:9].strip("{':") / str(len(found))
        stopped(DCNRegressor(**SMALL, checkpoints=Checkpoints(folder, **options)), 8, X, y)
        assert sorted(p.stem[-2:] for p in folder.iterdir()) == found


def test_interrupted_and_out_of_time(tmp_path):
    X, y = table()
    kept, options = Checkpoints(tmp_path), SMALL | {"early_stopping": True}
    model = DCNRegressor(**options | {"max_time": 1e-9}, checkpoints=kept)
    with pytest.warns(match="max_time is over"):
        model.fit(X, y)
    assert model.n_iter_ == 1
    assert len(list(tmp_path.iterdir())) == 1
    model.set_params(max_time=None).fit(X, y)
    assert_same(model, DCNRegressor(**options).fit(X, y), X)


def test_with_auto_the_time_is_for_one_training(tmp_path):
    X, y = table()
    kept = Checkpoints(tmp_path)
    model = DCNRegressor(**SMALL | {"max_time": 1e-9}, checkpoints=kept)
    for epochs in (1, 2):
        with pytest.warns(match="max_time is over"):
            model.fit(X, y)
        assert model.n_iter_ == epochs
    with pytest.raises(ValueError, match="of a fit with other"):
        DCNRegressor(**SMALL, checkpoints=kept).fit(X, y)
    model.set_params(max_time=1000).fit(X, y)
    assert_same(model, DCNRegressor(**SMALL, max_time=1000).fit(X, y), X)


def test_other_fits_are_refused(tmp_path):
    X, y = table()
    kept = Checkpoints(str(tmp_path))
    stopped(DCNRegressor(**SMALL, checkpoints=kept), 3, X, y)
    for other, rows, what in (
        ({}, (X, y**2), "rows"),
        ({}, (X.assign(x=-X.x), y), "rows"),
        ({"dropout": 0.5}, (X, y), "parameters"),
        ({"max_iter": 20}, (X, y), "parameters"),
        ({"cross_layers": 1}, (X, y), "parameters"),
        ({"cross_initializer": "he_normal"}, (X, y), "first weights"),
        ({"random_state": 1}, (X, y), "random_state"),
    ):
        model = DCNRegressor(**SMALL | other, checkpoints=kept)
        with pytest.raises(
            ValueError, match=f"of a fit with other .*{what}.*, want the same table"
        ):
            model.fit(*rows)
        assert not hasattr(model, "n_iter_")
    with pytest.raises(ValueError, match="of a fit with other"):
        DCNClassifier(**SMALL, checkpoints=kept).fit(X, y > 1)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("before", [None, "r2"])
def test_rows_held_out_are_judged_as_before(before, tmp_path):
    X, y = table()
    kept = Checkpoints(str(tmp_path))
    options = SMALL | {"early_stopping": True}
    stopped(DCNRegressor(**options, scoring=before, checkpoints=kept), 3, X, y)

    def of_its_own(model, X, y):
        return model.score(X, y)

    for scoring in ({None, "r2", "neg_mean_absolute_error"} - {before}) | {of_its_own}:
        with pytest.raises(ValueError, match="of a fit with other parameters"):
            DCNRegressor(**options, scoring=scoring, checkpoints=kept).fit(X, y)
    whole = DCNRegressor(**options, scoring=before).fit(X, y)
    again = DCNRegressor(**options, scoring=before, checkpoints=kept).fit(X, y)
    assert again.history_.keys() == whole.history_.keys()
    np.testing.assert_array_equal(again.predict(X), whole.predict(X))


def test_damaged_checkpoints(tmp_path):
    X, y = table()
    kept = Checkpoints(tmp_path)
    model = stopped(DCNRegressor(**SMALL, checkpoints=kept), 4, X, y)
    old, new = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match="checkpoint"):
        load(new)
    data = bytearray(new.read_bytes())
    data[len(data) // 2] ^= 1
    new.write_bytes(data)
    with pytest.warns(match="checkpoint-00000003.dcn.*damaged.*the one before is used"):
        model.fit(X, y)
    assert_same(model, DCNRegressor(**SMALL).fit(X, y), X)
    stopped(DCNRegressor(**SMALL, checkpoints=kept), 2, X, y)
    (only,) = tmp_path.iterdir()
    only.write_bytes(b"no checkpoint")
    with (
        pytest.warns(match="the one before is used"),
        pytest.raises(ValueError, match="it is no model file of dcnfast"),
    ):
        DCNRegressor(**SMALL, checkpoints=kept).fit(X, y)
    model.save(only)
    with (
        pytest.warns(match="the one before is used"),
        pytest.raises(ValueError, match="it is a model file, want a checkpoint"),
    ):
        DCNRegressor(**SMALL, checkpoints=kept).fit(X, y)
    del old


def test_a_disk_that_fills_up(tmp_path, monkeypatch):
    from dcnfast.estimators import checkpoints

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    X, y = table()
    monkeypatch.setattr(checkpoints, "write_model_file", full)
    with pytest.warns(match="No space left on device; the one before stays"):
        model = DCNRegressor(**SMALL, checkpoints=Checkpoints(tmp_path)).fit(X, y)
    assert_same(model, DCNRegressor(**SMALL).fit(X, y), X)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"folder": 3}, TypeError, "folder of Checkpoints is 3, want a path"),
        ({"epochs": 0}, ValueError, "epochs of Checkpoints is 0, want an integer of at least 1"),
        ({"epochs": 1.5}, TypeError, "epochs of Checkpoints is 1.5"),
        ({"seconds": -1}, ValueError, "seconds of Checkpoints is -1, want a finite number >= 0"),
        ({"seconds": "1"}, TypeError, "seconds of Checkpoints is '1'"),
        ({"keep": 0}, ValueError, "keep of Checkpoints is 0"),
    ],
)
def test_bad_options(options, error, text, tmp_path):
    X, y = table(50)
    options = {"folder": tmp_path} | options
    with pytest.raises(error, match=text):
        DCNRegressor(**SMALL, checkpoints=Checkpoints(**options)).fit(X, y)


def test_bad_parameters(tmp_path):
    X, y = table(50)
    for name, value in (("checkpoints", "folder"), ("max_time", 0), ("max_time", -1.0)):
        with pytest.raises((ValueError, TypeError), match=f"'{name}' parameter"):
            DCNRegressor(**SMALL, **{name: value}).fit(X, y)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        DCNRegressor(**SMALL, checkpoints=Checkpoints(tmp_path / "file")).fit(X, y)


def test_parameters_go_with_a_model(tmp_path):
    X, y = table(80)
    model = DCNRegressor(**SMALL, checkpoints=Checkpoints(tmp_path / "kept", keep=3)).fit(X, y)
    model.save(tmp_path / "m.dcn")
    again = load(tmp_path / "m.dcn").checkpoints
    assert again == Checkpoints(str(tmp_path / "kept"), keep=3)
    assert model.set_params(checkpoints__keep=1).checkpoints.keep == 1
    assert np.isnan(load(tmp_path / "m.dcn").history_["seconds"]).all()


def test_history_where_only_some_fits_watched_rows():
    X, y = table()
    model = DCNRegressor(**SMALL | {"max_iter": 2}, warm_start=True)
    for watched in (True, False, True):
        history = model.set_params(early_stopping=watched).fit(X, y).history_
        assert {len(column) for column in history.values()} == {model.n_iter_}
    assert np.isnan(history["validation_score"]).tolist() == [True] * 4 + [False] * 2


def test_history():
    X, y = table()
    model = DCNRegressor(**SMALL | {"learning_rate": "cosine", "early_stopping": True}).fit(X, y)
    frame = pd.DataFrame(model.history_)
    assert list(frame["epoch"]) == list(range(1, 10))
    assert list(frame["loss"]) == model.loss_curve_
    assert list(frame["validation_score"]) == model.validation_scores_
    assert (np.diff(frame["learning_rate"]) < 0).all()
    assert (frame["seconds"] > 0).all()
    model.set_params(early_stopping=False).fit(X, y)
    assert "validation_score" not in model.history_


CHILD = f"""{TABLE}
import sys, warnings
warnings.simplefilter("ignore")
from dcnfast import DCNRegressor
from dcnfast.checkpoints import Checkpoints
X, y = table(1500)
settings = dict(
    hidden_layer_sizes=(16,), n_members=2, max_iter=30, tol=None, early_stopping=True,
    ema_decay=0.99, batch_size=100, random_state=0, dropout=0.1,
)
kept = Checkpoints(sys.argv[1], keep=2) if sys.argv[1] else None
model = DCNRegressor(**settings, checkpoints=kept).fit(X, y)
model.set_params(checkpoints=None).save(sys.argv[2])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("kills", [2, pytest.param(1000, marks=pytest.mark.campaign)])
def test_killed_at_any_moment(kills, tmp_path):
    """Each fit is killed until it gets through, and then has the bits of one that never was."""
    seed = 20 if kills < 10 else random.randrange(2**32)
    draw = random.Random(seed)

    def start(folder, out):
        arguments = [sys.executable, "-c", CHILD, folder, str(out)]
        return subprocess.Popen(arguments, env=os.environ)

    whole = tmp_path / "whole.dcn"
    assert start("", whole).wait() == 0
    done, folder, out = 0, tmp_path / "kept", tmp_path / "out.dcn"
    while done < kills:
        child = start(str(folder), out)
        deadline = time.monotonic() + 60
        while not list(folder.glob("*.dcn")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.5))
        child.send_signal(signal.SIGKILL)
        done += child.wait() == -signal.SIGKILL
        if out.exists():  # it was sooner
            assert out.read_bytes() == whole.read_bytes(), seed
            out.unlink()
    assert start(str(folder), out).wait() == 0
    assert out.read_bytes() == whole.read_bytes(), seed
    assert not list(folder.iterdir())
