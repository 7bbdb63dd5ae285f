"""What is said of a fit that ended badly or too early, and what is kept then."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, mean_squared_error

from dcnfast.crosses import Matrix
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.outcome import judge
from dcnfast.training.settings import Settings
from dcnfast.training.state import Training

SETTINGS = Settings(OptimizerStep(0.1, 0.9, 0.9, 1e-7), 1, 1, True, 0, None, 10, 1, 0)
UNSCALED = {"numeric_scaling": None, "max_iter": 5, "tol": None}
DEEP = {
    "hidden_layer_sizes": (64,) * 10, "deep_initializer": "he_normal", "cross_layers": 10,
    "cross": Matrix(initializer="he_normal", initial_scale=1.0), "max_iter": 5, "tol": None,
}  # fmt: skip


def constant_loss(y):
    return y.var() if y.dtype == float else log_loss(y, np.full(len(y), np.mean(y == "yes")))


def loss(estimator, model, X, y):
    kind = mean_squared_error if y.dtype == float else log_loss
    return kind(y, estimator.answer(model, X))


@pytest.mark.parametrize("early_stopping", [False, True, "auto"])
@pytest.mark.parametrize(("parameters", "scale"), [(UNSCALED, 1e4), (DEEP, 1.0)])
def test_far_out_is_said_and_the_constant_is_kept(
    parameters, scale, early_stopping, table, estimator
):
    X, y = scale * table.X, estimator.y
    model = estimator.make(early_stopping=early_stopping, **parameters)
    with pytest.warns(
        ConvergenceWarning, match=r"worse than a constant.* numeric_scaling='auto'.* may help"
    ):
        model.fit(X, y)
    assert loss(estimator, model, X, y) <= 1.1 * constant_loss(y)
    assert all(np.isfinite(p).all() for p in model.parameters_.values())


def test_a_bad_fit_goes_on_from_the_constant(table, regressor):
    model = regressor(warm_start=True, learning_rate_init=1.0, max_iter=5, tol=None)
    with pytest.warns(ConvergenceWarning, match="worse than a constant"):
        model.fit(table.X, table.y)
    model.set_params(learning_rate_init=0.01, max_iter=60).fit(table.X, table.y)
    assert model.score(table.X, table.y) > 0.1


def linear(weight):
    """Return a model that says weight * x."""
    model = Model(NetworkConfig(n_dense=1))
    model.restore(np.where(np.arange(len(model.snapshot())) == 0, weight, 0).astype(np.float32))
    assert model.logits(np.empty((1, 0), np.int32), np.ones((1, 1), np.float32), 1) == weight
    return model


@pytest.mark.parametrize(
    ("weight", "best", "kept"),
    [
        (1.0, 1.0, 1.0),  # as good as can be
        (3.0, 3.0, 3.0),  # five times the constant's loss, but never better: on its way
        (3.0, 0.9, 0.9),  # it has been better
        (3.0, 2.5, 3.0),  # but not by half
        (9.0, 9.0, 0.0),  # far out, and always was
        (9.0, 0.5, 0.5),
        (9.0, 4.0, 0.0),  # the constant is better than the best epoch
        (3e38, 0.5, 0.5),
        (1e30, 1e30, 0.0),
    ],
)
def test_what_is_kept(weight, best, kept):
    x = np.random.default_rng(0).normal(size=(3_000, 1)).astype(np.float32)
    rows = Rows(linear(1.0), np.empty((3_000, 0), np.int32), x, x - x.mean(), None)
    model = linear(1.0)
    flat = model.snapshot()
    flat[0] = weight
    model.restore(flat)
    notices = judge(Training(model), rows, SETTINGS, linear(best).snapshot())
    assert model.snapshot()[0] == np.float32(kept)
    assert bool(notices) == (weight != kept)
    assert all(n.kind == "convergence" and "worse than a constant" in n.text for n in notices)


def test_a_bad_sample_alone_is_no_bad_fit():
    """The rows that are looked at first are all outliers; the others are right."""
    x = np.ones((5_120, 1), np.float32)
    y = np.where(np.arange(5_120)[:, None] % 10 == 0, -30, 1).astype(np.float32)
    rows = Rows(linear(1.0), np.empty((5_120, 0), np.int32), x, y, None)
    assert judge(Training(linear(1.0)), rows, SETTINGS, linear(0.0).snapshot()) == []


# ---- max_iter ends


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("early_stopping", [False, True, "auto"])
def test_too_few_epochs_are_said(early_stopping, table, estimator):
    model = estimator.make(early_stopping=early_stopping, max_iter=7)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(7\) reached and the opt"):
        model.fit(table.X, estimator.y)
    model.set_params(tol=None).fit(table.X, estimator.y)  # as many as were asked for
    model.set_params(tol=10.0, n_iter_no_change=2, max_iter=50).fit(table.X, estimator.y)


@pytest.mark.filterwarnings("error")
def test_a_callback_that_stops_is_no_end_too_early(table, regressor):
    class Stop:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context):
            return context.task_name == "epoch"

    model = regressor(max_iter=7).set_callbacks(Stop()).fit(table.X, table.y)
    assert model.n_iter_ == 1
