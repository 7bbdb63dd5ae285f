"""Early stopping untouched: who holds out what, and five folds of few rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, mean_squared_error

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.estimators.splits import FOLDS, assign_folds
from dcnfast.training import folds


@pytest.fixture
def untouched(estimator):
    """Return early stopping to what it is by itself."""
    estimator.make.keywords["early_stopping"] = "auto"
    yield estimator
    estimator.make.keywords["early_stopping"] = False


@pytest.mark.parametrize(
    ("n", "changes", "held_out", "n_folds"),
    [
        (59, {}, False, 0),
        (60, {}, True, 1),
        (1_999, {}, True, 1),
        (2_000, {}, True, 1),
        (2_000, {"max_time": 60}, True, 0),
        (60, {"max_time": 60}, True, 0),
        (1_999, {"tol": None}, True, 1),
        (2_000, {"tol": None}, True, 0),
        (200, {"scoring": "r2"}, True, 0),
        (200, {"early_stopping": True}, True, 0),
        (200, {"early_stopping": False}, False, 0),
        (200, {"warm_start": True}, False, 0),
        (10_000, {"warm_start": True}, False, 0),
        (10_001, {"warm_start": True}, True, 0),
    ],
)
def test_who_holds_out_what(n, changes, held_out, n_folds, regressor, tried):
    X = np.random.default_rng(0).normal(size=(n, 1))
    settings = {"early_stopping": "auto", "max_iter": 1, "batch_size": 1000} | changes
    model = regressor(**settings).fit(X, X[:, 0])
    assert (model.validation_scores_ is not None) == held_out
    assert len(tried) == n_folds


def test_rows_without_weight_do_not_count(regressor, tried):
    X = np.random.default_rng(0).normal(size=(100, 1))
    weight = (np.arange(100) < 59).astype(float)
    regressor(early_stopping="auto").fit(X, X[:, 0], weight)
    assert not tried


@pytest.mark.parametrize("labels", [None, np.repeat([0, 1, 2], [40, 20, 3])])
def test_every_row_is_held_out_once(labels):
    number = assign_folds(63, np.random.RandomState(0), labels)
    assert sorted(np.bincount(number)) == [12, 12, 13, 13, 13]
    if labels is not None:
        for k, n in ((0, 8), (1, 4)):
            assert set(np.bincount(number[labels == k])) == {n}
        assert len(set(number[labels == 2])) == 3


def test_folds_are_judged_by_rows_that_they_have_not_seen(frame, untouched, tried):
    y = untouched.frame_y
    model = untouched.make(max_iter=40, learning_rate_init=0.01).fit(frame.X, y)
    ((parts, choice),) = tried
    assert len(parts) == FOLDS
    assert sum(len(part.held) for part in parts) == 300
    for part in parts:
        assert len(part.rows) + len(part.held) == 300
    assert model.n_iter_ == len(choice.cuts) == len(model.validation_scores_)
    assert max(model.validation_scores_) == model.validation_scores_[-1] == choice.scores[-1]
    np.testing.assert_array_equal(model.shrinkage_, choice.judgement.shrinkage)
    constant = np.var(y) if y.dtype == float else log_loss(y, np.full(300, np.mean(y == "yes")))
    fitted = (
        mean_squared_error(y, model.predict(frame.X))
        if y.dtype == float
        else log_loss(y, model.predict_proba(frame.X))
    )
    assert fitted < constant


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_number_of_threads_changes_no_bit(n_jobs, frame, untouched):
    one, other = (
        untouched.make(n_jobs=n).fit(frame.X, untouched.frame_y).parameters_ for n in (1, n_jobs)
    )
    for name, parameter in one.items():
        np.testing.assert_array_equal(parameter, other[name])


def test_row_without_weight_is_as_good_as_absent(table, untouched):
    present = np.arange(300) % 3 > 0
    X = np.where(present[:, None], table.X, 1e9)
    weighted = untouched.make().fit(X, untouched.y, sample_weight=present.astype(float))
    absent = untouched.make().fit(X[present], untouched.y[present])
    np.testing.assert_array_equal(
        untouched.answer(weighted, table.X), untouched.answer(absent, table.X)
    )


def test_weights_count_in_the_held_out_rows(regressor):
    """Half the rows follow a rule and half contradict it: the weights say which."""
    rng = np.random.default_rng(0)
    X, rule = rng.normal(size=(400, 2)), np.arange(400) < 200
    y = np.where(rule, X[:, 0], -X[:, 0])
    for sign, heavy in ((1, rule), (-1, ~rule)):
        model = regressor(early_stopping="auto", max_iter=100, learning_rate_init=0.01)
        model.fit(X, y, sample_weight=np.where(heavy, 1.0, 0.05))
        assert np.corrcoef(model.predict(X), sign * X[:, 0])[0, 1] > 0.9


def test_rare_classes_and_single_rows(table, classifier):
    y = np.array(["common"] * 295 + ["rare"] * 4 + ["once"])
    model = classifier(early_stopping="auto").fit(table.X, y)
    p = model.predict_proba(table.X)
    assert p.shape == (300, 3)
    assert np.isfinite(model.predict_log_proba(table.X)).all()
    assert (p[:, 0] > 0.5).all()
    two = np.where(np.arange(300) == 7, "once", "common")
    assert np.isfinite(
        classifier(early_stopping="auto").fit(table.X, two).predict_proba(table.X)
    ).all()


def test_several_outputs_are_shrunk_one_by_one(table, regressor):
    noise = np.random.default_rng(5).normal(size=300)
    model = regressor(early_stopping="auto", max_iter=100, learning_rate_init=0.01)
    model.fit(table.X, np.column_stack([table.X[:, 0], noise]))
    assert model.shrinkage_[0] > 0.9
    assert model.shrinkage_[1] < 0.3
    np.testing.assert_allclose(model.predict(table.X)[:, 1], noise.mean(), atol=0.4)


def test_noise_is_answered_by_the_constant(table, untouched):
    rng = np.random.default_rng(1)
    y = rng.permutation(untouched.y)
    model = untouched.make(max_iter=30).fit(table.X, y)
    answer = untouched.answer(model, table.X)
    assert set(model.shrinkage_) == {0.0}
    assert np.ptp(answer, axis=0).max() == 0
    rate = y.mean() if y.dtype == float else np.mean(y == "yes")
    np.testing.assert_allclose(
        answer[0].flat[-1] if answer.ndim > 1 else answer[0], rate, atol=2e-3
    )
    assert model.row_predictor()(table.X[0]) == pytest.approx(answer[0])


def test_callbacks_see_the_shrunk_network(table, regressor):
    class Last:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            self.answer = fitted_estimator.predict(table.X)
            self.epochs = getattr(self, "epochs", 0) + (context.task_name == "epoch")
            self.of_epoch = self.answer if context.task_name == "epoch" else self.of_epoch

    last = Last()
    y = table.y + 3 * np.random.default_rng(0).normal(size=300)
    model = regressor(early_stopping="auto", max_iter=30, learning_rate_init=0.01)
    model.set_callbacks(last).fit(table.X, y)
    assert model.shrinkage_[0] < 1
    assert last.epochs == model.n_iter_
    np.testing.assert_array_equal(last.answer, model.predict(table.X))
    np.testing.assert_array_equal(last.of_epoch, last.answer)


def test_large_network_is_not_trained_for_each_fold(table, regressor, tried, monkeypatch):
    monkeypatch.setattr("dcnfast.estimators.trials.LARGEST", 10)
    model = regressor(early_stopping="auto").fit(table.X, table.y)
    assert not tried
    assert len(model.validation_scores_) == model.n_iter_


def test_a_part_shrinks_as_well(regressor):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2_500, 3)), rng.normal(size=2_500)
    model = regressor(early_stopping="auto").fit(X, y)
    assert model.shrinkage_[0] < 0.5
    assert mean_squared_error(y, model.predict(X)) < 1.02 * y.var()
    assert (regressor(early_stopping=True).fit(X, y).shrinkage_ == 1).all()


def test_interrupted_folds_leave_a_usable_model(table, untouched, monkeypatch):
    epochs, run = [], folds.run_epoch

    def run_epoch(*arguments):
        epochs.append(1)
        if len(epochs) == 3 * FOLDS + 2:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(folds, "run_epoch", run_epoch)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = untouched.make(max_iter=50).fit(table.X, untouched.y)
    assert 1 <= model.n_iter_ <= 3
    assert np.isfinite(untouched.answer(model, table.X)).all()


def test_folds_that_diverge_end_in_words(table, untouched):
    model = untouched.make(learning_rate_init=1e30, hidden_layer_sizes=(), max_iter=50)
    with pytest.warns(ConvergenceWarning, match="diverged|worse than a constant"):
        model.fit(table.X, untouched.y)
    assert np.isfinite(untouched.answer(model, table.X)).all()


def test_verbose_says_what_the_folds_do(table, regressor, capsys):
    model = regressor(early_stopping="auto", max_iter=3, verbose=1).fit(table.X, table.y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + model.n_iter_
    assert lines[0].startswith("Epoch   1 of 3, 5 folds: score of held-out rows -")


@pytest.mark.parametrize("cls", [DCNRegressor, DCNClassifier])
def test_categories_that_a_fold_has_not_seen(cls):
    """Each row has its own: training on the others tells nothing of it, and that is noticed."""
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"id": np.arange(300).astype(str)})
    y = rng.normal(size=300) if cls is DCNRegressor else rng.random(300) < 0.4
    model = cls(random_state=0).fit(X, y)
    answer = model.predict(X) if cls is DCNRegressor else model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(answer, y.mean(), atol=5e-3)
