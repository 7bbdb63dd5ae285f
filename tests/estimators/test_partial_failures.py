"""partial_fit: callbacks see a call, and a failed one loses nothing."""

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNRegressor
from tests.estimators.streams import SMALL, stream


def failing_calls():
    X, y = stream(60, 5)
    return {
        "columns": (lambda m: m.partial_fit(X.drop(columns="x"), y), ValueError),
        "names": (lambda m: m.partial_fit(X.rename(columns={"x": "z"}), y), ValueError),
        "rows": (lambda m: m.partial_fit(X, y[:-1]), ValueError),
        "NaN": (lambda m: m.partial_fit(X, [np.nan] * 60), ValueError),
        "two targets": (lambda m: m.partial_fit(X, np.column_stack([y, y])), ValueError),
        "weights": (lambda m: m.partial_fit(X, y, [-1.0] * 60), ValueError),
        "no weight": (lambda m: m.partial_fit(X, y, [0.0] * 60), ValueError),
        "kinds": (
            lambda m: m.partial_fit(X.assign(user=pd.Series(["a"] * 60, dtype="category")), y),
            TypeError,
        ),
        "network": (lambda m: m.set_params(cross_layers=3).partial_fit(X, y), ValueError),
        "parameter": (lambda m: m.set_params(cross_layers=-1).partial_fit(X, y), ValueError),
        "callback": (lambda m: m.set_callbacks(Raises()).partial_fit(X, y), RuntimeError),
    }


class Looks:
    """Notes what happens, and what the estimator is then."""

    def __init__(self, model):
        self.model, self.seen = model, []

    def setup(self, estimator, context):
        self.note("setup", estimator)

    def teardown(self, estimator, context):
        self.note("teardown", estimator)

    def on_fit_task_begin(self, estimator, context):
        self.note(f"begin {context.task_name}", estimator)

    def on_fit_task_end(self, estimator, context):
        self.note(f"end {context.task_name}", estimator)

    def note(self, what, estimator):
        assert estimator is not self.model
        self.seen.append((what, len(getattr(estimator, "loss_curve_", ()))))


def test_callbacks_see_a_call_as_a_fit_of_one_epoch():
    X, y = stream(200, 5)
    model = DCNRegressor(**SMALL)
    callback = Looks(model)
    model.set_callbacks(callback)
    for n in (0, 1):
        model.partial_fit(X, y)
        names = [name for name, _ in callback.seen]
        inner = [name for name in names if "epoch" in name]
        assert inner == ["begin epoch", "end epoch"]
        assert (names[0], names[-1]) == ("setup", "teardown")
        assert names[1].startswith("begin")
        assert names[-2].startswith("end")
        assert len(names) == 6
        assert [epochs for _, epochs in callback.seen] == [n, n, n, n + 1, n + 1, n + 1]
        callback.seen.clear()
    assert not {name for name in vars(model) if "callback" in name} - {"_skl_callbacks"}


class Raises:
    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        raise RuntimeError("late")


@pytest.mark.parametrize("name", failing_calls())
def test_a_failed_call_loses_nothing(name):
    X, y = stream(400, 20)
    model = DCNRegressor(**SMALL).partial_fit(X, y)
    before, answers = dict(vars(model)), model.predict(X)
    call, error = failing_calls()[name]
    with pytest.raises(error):
        call(model)
    after = vars(model)
    assert {k: v for k, v in after.items() if before.get(k) is not v}.keys() <= {
        "cross_layers", "_skl_callbacks",
    }  # fmt: skip
    model.set_params(cross_layers=2).set_callbacks()
    np.testing.assert_array_equal(model.predict(X), answers)
    twin = DCNRegressor(**SMALL).partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(model.partial_fit(X, y).predict(X), twin.predict(X))


def test_a_target_out_of_range_is_refused():
    X, y = stream(100, 5)
    model = DCNRegressor(**SMALL, loss="poisson").partial_fit(X, np.abs(y))
    with pytest.raises(ValueError, match="y goes from -1 to -1"):
        model.partial_fit(X, np.full(100, -1.0))


def test_what_is_known_of_a_fit_stays_when_an_update_diverges():
    X, _ = stream(400, 20)
    y = np.random.default_rng(0).normal(size=400)  # noise, towards whose mean a fit shrinks
    few = SMALL | {"optimizer": "sgd", "gradient_clip": None, "early_stopping": "auto"}
    model = DCNRegressor(**few).fit(X, y)
    shrinkage, scores = model.shrinkage_.copy(), list(model.validation_scores_)
    assert shrinkage[0] < 1
    with pytest.warns(UserWarning, match="diverged in partial_fit"):
        model.set_params(learning_rate_init=1e30).partial_fit(X, y)
    np.testing.assert_array_equal(model.shrinkage_, shrinkage)
    assert model.validation_scores_ == scores


def test_training_that_diverges_leaves_what_was():
    X, y = stream(400, 20)
    model = DCNRegressor(**SMALL, optimizer="sgd", gradient_clip=None).partial_fit(X, y)
    answers, epochs = model.predict(X), model.n_iter_
    model.set_params(learning_rate_init=1e30)
    other, _ = stream(400, 50)
    with pytest.warns(UserWarning, match="diverged in partial_fit"):
        model.partial_fit(other, y)
    np.testing.assert_array_equal(model.predict(X), answers)
    assert model.n_iter_ == epochs
    fresh = DCNRegressor(**SMALL, optimizer="sgd", gradient_clip=None, learning_rate_init=1e30)
    with pytest.warns(UserWarning, match="diverged in partial_fit"):
        fresh.partial_fit(X, y)
    assert np.isfinite(fresh.predict(X)).all()
