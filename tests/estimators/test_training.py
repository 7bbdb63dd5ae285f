"""How a fit goes: stopping, going on, giving up, being interrupted, being watched."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from dcnfast import DCNRegressor
from dcnfast.datasets import make_almond_clicks
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.optimizers import AdamW
from dcnfast.training.early_stopping import Next, Watch
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.settings import Settings
from dcnfast.training.state import Training


class Recorder:
    """A callback that keeps the answers after every epoch, and stops after ``stop_at``."""

    def __init__(self, X, stop_at=None):
        self.X, self.stop_at, self.tasks, self.answers = X, stop_at, [], []

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.tasks.append(context.task_name)
        if context.task_name == "epoch":
            self.answers.append(fitted_estimator.predict(self.X))
        return len(self.answers) == self.stop_at


def test_early_stopping_restores_the_best_epoch(table, regressor):
    recorder = Recorder(table.X)
    model = regressor(
        early_stopping=True, validation_fraction=0.4, learning_rate_init=0.05, max_iter=100,
        n_iter_no_change=5, hidden_layer_sizes=(64,),
    ).set_callbacks(recorder)  # fmt: skip
    model.fit(table.X, table.y)
    best = int(np.argmax(model.validation_scores_))
    assert best < model.n_iter_ - 1 < 99
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_)
    np.testing.assert_array_equal(model.predict(table.X), recorder.answers[best])


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_stops_without_progress(early_stopping, table, estimator):
    model = estimator.make(early_stopping=early_stopping, tol=10.0, n_iter_no_change=3, max_iter=50)
    assert model.fit(table.X, estimator.y).n_iter_ == 4  # the first epoch is progress
    assert model.set_params(tol=None).fit(table.X, estimator.y).n_iter_ == 50
    assert (model.validation_scores_ is None) == (not early_stopping)


def test_held_out_rows_keep_the_proportions_of_the_classes(table, classifier):
    y = np.where(np.arange(300) < 290, "common", "rare")  # 30 rows held out, 1 of them rare
    model = classifier(early_stopping=True, tol=None, learning_rate_init=1e-30, max_iter=1)
    p = model.fit(table.X, y).predict_proba(table.X)
    losses = -np.log(np.where(y == "rare", p[:, 1], p[:, 0]))
    low, high = np.sort(losses[:290]), losses[290:]
    assert (
        29 * low[0] + high.min() <= -30 * model.validation_scores_[0] <= 29 * low[-1] + high.max()
    )


@pytest.mark.parametrize("target", ["y", "binary", "multiclass"])
def test_warm_start_goes_on_exactly(target, table, regressor, classifier):
    make, y = regressor if target == "y" else classifier, getattr(table, target)

    def model(**changes):
        return make(random_state=np.random.RandomState(0), tol=None, **changes)

    twice = model(warm_start=True, max_iter=4).fit(table.X, y).fit(table.X, y)
    once = model(max_iter=8).fit(table.X, y)
    assert twice.loss_curve_ == once.loss_curve_
    assert twice.n_iter_ == once.n_iter_ == 8
    for name, parameter in once.parameters_.items():
        np.testing.assert_array_equal(parameter, twice.parameters_[name])
    assert model(max_iter=4).fit(table.X, y).fit(table.X, y).n_iter_ == 4


@pytest.mark.parametrize(
    ("changes", "columns", "text"),
    [
        ({}, 2, "n_outputs_"),
        ({"hidden_layer_sizes": (9,)}, 1, "hidden"),
        ({"dtype": "float64"}, 1, "dtype"),
        ({"cross": "vector"}, 1, "cross"),
    ],
)
def test_warm_start_refuses_another_network(changes, columns, text, table, regressor):
    model = regressor(warm_start=True).fit(table.X, table.y)
    y = np.column_stack([table.y] * columns) if columns > 1 else table.y
    with pytest.raises(ValueError, match=f"warm_start: .*{text}.* want the same"):
        model.set_params(**changes).fit(table.X, y)


def test_warm_start_refuses_other_classes(table, classifier):
    model = classifier(warm_start=True).fit(table.X, table.binary)
    with pytest.raises(ValueError, match="warm_start: classes_"):
        model.fit(table.X, table.multiclass)


def test_warm_start_may_change_the_pace(table, regressor):
    model = regressor(warm_start=True).fit(table.X, table.y)
    before = model.score(table.X, table.y)
    model.set_params(learning_rate_init=0.01, batch_size=20, max_iter=40).fit(table.X, table.y)
    assert model.score(table.X, table.y) > before


# ---- training that fails


@pytest.mark.parametrize("parameters", [{}, {"hidden_layer_sizes": ()}, {"cross": "vector"}])
@pytest.mark.parametrize("rate", [1e30, 1e300])
def test_divergence_is_said_and_leaves_finite_predictions(rate, parameters, table, estimator):
    model = estimator.make(learning_rate_init=rate, max_iter=50, **parameters)
    with pytest.warns(ConvergenceWarning, match="Training diverged in epoch"):
        model.fit(table.X, estimator.y)
    for X in (table.X, 1e6 * table.X, np.full((1, 4), 1e300)):
        assert np.isfinite(estimator.answer(model, X)).all()
    assert all(np.isfinite(p).all() for p in model.parameters_.values())


@pytest.mark.parametrize("parameters", [{}, {"hidden_layer_sizes": ()}, {"cross": "vector"}])
def test_high_rate(parameters, table, regressor, classifier):
    model = regressor(learning_rate_init=1e6, max_iter=50, **parameters)
    with pytest.warns(ConvergenceWarning, match="A lower learning_rate_init"):
        model.fit(table.X, table.y)
    assert np.isfinite(model.predict(table.X)).all()
    # predictions are made finite: of what was learned that says nothing
    assert all(np.isfinite(p).all() for p in model.parameters_.values())
    # the log-loss grows in proportion to the logits only, and stays a number, but what a number
    model = classifier(learning_rate_init=1e6, max_iter=50, **parameters)
    with pytest.warns(ConvergenceWarning, match="ended worse than a constant"):
        model.fit(table.X, table.binary)
    assert log_loss(table.binary, model.predict_proba(table.X)) < 0.7


def test_divergence_keeps_the_last_good_epoch(table, regressor):
    model = regressor(warm_start=True).fit(table.X, table.y)
    good = model.predict(table.X)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 9"):
        model.set_params(learning_rate_init=1e30).fit(table.X, table.y)
    np.testing.assert_array_equal(model.predict(table.X), good)
    assert model.n_iter_ == 8


def test_training_goes_on_after_divergence(table, regressor):
    model = regressor(warm_start=True).fit(table.X, table.y)
    before = model.loss_curve_[-1]
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.set_params(learning_rate_init=1e30).fit(table.X, table.y)
    model.set_params(learning_rate_init=1e-3, max_iter=30).fit(table.X, table.y)
    assert model.n_iter_ == 8 + 30
    assert model.loss_curve_[-1] < before


def test_the_best_epoch_is_kept():
    model = Model(NetworkConfig(n_dense=2, cross_layers=1))
    settings = Settings(OptimizerStep(0.1, 0.9, 0.9, 1e-7), 1, 1, True, 0, 1e-4, 10, 1, 0)
    training = Training(model)
    watch = Watch(settings, training)
    for loss, value in ((0.5, 1.0), (0.7, 2.0), (0.6, 3.0)):
        model.restore(np.full_like(model.snapshot(), value))
        assert watch.note(loss) is Next.GO_ON
    astray = np.full_like(model.snapshot(), np.nan)
    model.restore(astray)
    training.state.set_optimizer(astray, astray, 7)
    watch.go_back()
    assert set(model.snapshot()) == {1.0}
    state = training.state
    assert set(state.flat_first_moments) == set(state.flat_second_moments) == {0}
    assert state.step == 0


@pytest.mark.parametrize("scale", [1e30, 1e300])
def test_huge_targets_are_standardised(scale, table, regressor):
    plain, huge = (regressor().fit(table.X, s * table.y).predict(table.X) for s in (1, scale))
    assert plain.std() > 0.1
    np.testing.assert_allclose(huge / scale, plain, rtol=1e-4, atol=1e-4)


def test_dead_network_is_named(regressor):
    X, y = make_almond_clicks(2000).data, make_almond_clicks(2000).target
    model = regressor(
        cross_layers=0, hidden_layer_sizes=(128, 64, 32), learning_rate_init=0.5, max_iter=30,
        batch_size=100, tol=None,
    )  # fmt: skip
    with pytest.warns(
        ConvergenceWarning, match=r"no longer depend on its inputs.* dead units.* may help"
    ):
        model.fit(X, y)
    assert np.ptp(model.predict(X)) == 0


def test_network_that_has_nothing_to_say_is_not_called_dead(regressor):
    X = np.ones((100, 2))
    regressor().fit(X, np.arange(100.0))  # warnings are errors here
    regressor().fit(np.arange(200.0).reshape(100, 2), np.ones(100))


# ---- Ctrl-C

INTERRUPTED = """
import numpy as np, os, signal, sys, threading, time, warnings
from dcnfast import DCNRegressor
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
X = np.random.default_rng(0).normal(size=(20_000, 100))
y = X[:, 0] * X[:, 1]
started = []
def press():
    time.sleep(2.5)
    started.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press).start()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = DCNRegressor(early_stopping=False, tol=None, batch_size=200, max_iter=10**6, n_jobs=2,
                         n_members=1, numeric_embedding=None).fit(X, y)
print(time.monotonic() - started[0])
assert [str(w.message) for w in caught] == ["Training interrupted by user."], caught
assert np.isfinite(model.predict(X)).all()
assert model.n_iter_ < 10**6
"""


def test_ctrl_c_stops_at_once_and_leaves_a_usable_model():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 20  # an epoch of these is a second, all of them would be weeks


def test_ctrl_c_between_epochs(table, regressor):
    class Press(Recorder):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch" and context.task_id == 2:
                raise KeyboardInterrupt

    model = regressor().set_callbacks(Press(table.X))
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(table.X, table.y)
    assert model.n_iter_ == 3
    fresh = regressor(max_iter=3).fit(table.X, table.y)
    np.testing.assert_array_equal(model.predict(table.X), fresh.predict(table.X))


@pytest.mark.parametrize("early_stopping", [True, "auto"])
def test_ctrl_c_while_held_out_rows_are_judged(early_stopping, table, regressor):
    """An epoch that nobody judged is in no column of the history."""
    calls = []

    def scorer(model, X, y):
        calls.append(model)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return -np.abs(model.predict(X) - y).mean()

    model = regressor(early_stopping=early_stopping, scoring=scorer, max_iter=9)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(table.X, table.y)
    assert model.n_iter_ == 3
    assert {len(column) for column in model.history_.values()} == {3}
    assert np.isfinite(model.history_["validation_score"]).all()


# ---- callbacks


def test_callbacks_see_every_epoch_and_the_whole(table, estimator):
    recorder = Recorder(table.X)
    estimator.make(max_iter=3, tol=None).set_callbacks(recorder).fit(table.X, estimator.y)
    assert recorder.tasks == ["setup", "epoch", "epoch", "epoch", "fit", "teardown"]


def test_callbacks_see_what_would_be_predicted(frame, regressor):
    """Categories that training does not have are settled for them too."""
    recorder = Recorder(frame.X.assign(city="Paris"))
    model = regressor(max_iter=2).set_callbacks(recorder).fit(frame.X, frame.y)
    np.testing.assert_array_equal(recorder.answers[-1], model.predict(recorder.X))


def test_callback_can_stop_training(table, regressor):
    recorder = Recorder(table.X, stop_at=2)
    model = regressor().set_callbacks(recorder).fit(table.X, table.y)
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(model.predict(table.X), recorder.answers[-1])


def test_scikit_learn_s_own_callbacks(table, regressor):
    monitor = ScoringMonitor(scoring="r2")
    model = regressor(max_iter=3, tol=None).set_callbacks(monitor, ProgressBar())
    weight = 1.0 + (table.y > 0)
    model.fit(table.X, table.y, sample_weight=weight)
    epochs = [row["r2"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(set(epochs)) == 3
    assert epochs[-1] == pytest.approx(model.score(table.X, table.y, sample_weight=weight))


@pytest.mark.parametrize("warm_start", [False, True])
def test_failed_callback_leaves_the_estimator_as_it_was(warm_start, table, regressor):
    class Fail(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("disk full")

    model = regressor(warm_start=warm_start).fit(table.X, table.y)
    before = model.predict(table.X)
    with pytest.raises(RuntimeError, match="disk full"):
        model.set_callbacks(Fail(table.X)).fit(table.X, -table.y)
    np.testing.assert_array_equal(model.predict(table.X), before)


def test_fitting_releases_the_gil(plain):
    X = np.random.default_rng(0).normal(size=(20_000, 50))
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        DCNRegressor(**plain, max_iter=1, n_jobs=1, early_stopping=False).fit(X, X[:, 0])
    finally:
        done.set()
        thread.join()
    assert len(ticks) > 5


def test_weight_decay_takes_a_share_of_the_weights(regressor):
    """Much decay leaves next to nothing of the weights, and the biases, which predict the mean."""
    X = np.random.default_rng(0).normal(size=(300, 4))
    y, fixed = 5 + X[:, 0], {"early_stopping": False, "max_iter": 60, "tol": None}
    free, decayed = (
        regressor(optimizer=AdamW(weight_decay=decay), **fixed).fit(X, y) for decay in (0.0, 300.0)
    )
    free_norm, norm = (
        sum(float((p**2).sum()) for name, p in model.parameters_.items() if "_W" in name)
        for model in (free, decayed)
    )
    assert norm < 1e-2 * free_norm
    np.testing.assert_allclose(decayed.predict(X).mean(), 5, atol=0.1)


def test_alpha_of_auto_is_0_beside_weight_decay(table, regressor):
    """The same bits as with alpha=0, unlike Adam."""
    fits = {
        (optimizer, alpha): regressor(optimizer=optimizer, alpha=alpha, max_iter=2)
        .fit(table.X, table.y)
        .predict(table.X)
        for optimizer in ("adam", "adamw")
        for alpha in ("auto", 0.0)
    }
    np.testing.assert_array_equal(fits["adamw", "auto"], fits["adamw", 0.0])
    assert not np.array_equal(fits["adam", "auto"], fits["adam", 0.0])
