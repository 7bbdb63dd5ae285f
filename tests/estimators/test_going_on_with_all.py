"""A network that was trained without some rows goes on with all of them."""

import pickle

import numpy as np
import pytest

from dcnfast import (
    DCNClassifier,
    DCNRegressor,
    load,
    numeric_embeddings,
    optimizers,
    schedules,
    target_statistics,
)
from dcnfast.checkpoints import Checkpoints
from dcnfast.estimators import trials
from dcnfast.training import folds, trainer

OPTIONS = {
    "hidden_layer_sizes": (16,), "n_members": 2, "numeric_embedding": "piecewise",
    "n_iter_no_change": 3, "tol": 1e-3, "random_state": 0, "n_jobs": 1,
}  # fmt: skip
N = 2_400


@pytest.fixture(autouse=True)
def _few_rows_are_many(monkeypatch):
    monkeypatch.setattr(trials, "FEW", 2_399)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (N, 3))
    return X, X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=N)


@pytest.fixture
def epochs(monkeypatch):
    """Return a list of the parameters and the rows that every epoch of the fit begins with."""
    begun, run = [], trainer.run_epoch

    def run_epoch(training, rows, *arguments):
        begun.append((training.model.network.flat_parameters.copy(), len(rows)))
        return run(training, rows, *arguments)

    monkeypatch.setattr(trainer, "run_epoch", run_epoch)
    return begun


def test_from_where_it_was_best(rows, tried, epochs):
    X, y = rows
    model = DCNRegressor(**OPTIONS).fit(X, y)
    (((fold,), found),) = tried
    n = len(found.scores)
    assert n >= trials.FEWEST_EPOCHS
    assert [len(fold.rows), len(fold.held)] == [2_040, 360]
    assert [size for _, size in epochs] == [N] * round(0.3 * n)
    assert model.n_iter_ == n + round(0.3 * n) == len(model.loss_curve_)
    assert model.loss_curve_[:n] == fold.history.loss_curve[:n]
    assert model.validation_scores_ == found.scores
    assert found.scores[-1] == max(found.scores)
    assert model.score(X, y) > 0.75


def test_its_moments_go_on_too(rows, epochs):
    """The best epoch is not the last one that was tried: parameters, moments and steps go back."""
    at_best = list[tuple]()

    class Watched(folds.Fold):
        def take_note_of_best(self):
            super().take_note_of_best()
            state = self.training.state
            at_best.append(
                (self.training.model.network.flat_parameters.copy(), int(state.step),
                 np.array(state.flat_second_moments))
            )  # fmt: skip

    begins, train = [], trials.choose_epochs

    def choose_epochs(parts, *arguments):
        choice = train(parts, *arguments)
        best = parts[0].best
        begins.append((int(best.state.step), np.array(best.state.flat_second_moments)))
        assert int(parts[0].training.state.step) > begins[0][0]
        return choice

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "Fold", Watched)
        patch.setattr(trials, "choose_epochs", choose_epochs)
        DCNRegressor(**OPTIONS | {"tol": 1e-6}).fit(*rows)
    parameters, step, moments = at_best[-1]
    np.testing.assert_array_equal(epochs[0][0], parameters)
    assert begins[0][0] == step > 0
    np.testing.assert_array_equal(begins[0][1], moments)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_iter": 12},
        {"learning_rate": "cosine", "max_iter": "auto"},
        {"learning_rate": schedules.Constant(warmup=0.1)},
        {"learning_rate": "plateau"},
        {"dropout": 0.1, "dropout_schedule": "flat_cosine"},
        {"optimizer": optimizers.AdamW(weight_decay_schedule="cosine")},
        {"numeric_embedding": numeric_embeddings.Piecewise(edges="tree")},
        {"target_statistics": target_statistics.TargetStatistics(min_categories=2)},
    ],
)
def test_another_is_trained_where_it_can_not(changes, rows, tried, epochs, monkeypatch):
    monkeypatch.setattr("dcnfast.training.automatic.AUTOMATIC_EPOCHS", 20)
    X, y = rows
    with_category = np.column_stack([X, np.arange(N) % 7])
    model = DCNRegressor(**OPTIONS | changes, categorical_features=[3])
    model.fit(with_category, y)
    (((fold,), found),) = tried
    assert fold.best is None
    assert [size for _, size in epochs] == [N] * len(found.cuts)
    assert model.n_iter_ == len(found.cuts) == len(found.scores)
    assert not np.isnan(model.history_["validation_score"]).any()


def test_another_is_trained_of_few_rows(rows, tried, epochs, monkeypatch):
    monkeypatch.setattr(trials, "FEW", N)
    model = DCNRegressor(**OPTIONS).fit(*rows)
    (((_,), found),) = tried
    assert len(found.scores) < trials.LONG
    assert len(epochs) == model.n_iter_ == len(found.scores)


@pytest.mark.parametrize(
    ("kind", "rare", "goes_on"),
    [("piecewise", False, True), ("periodic", False, False), ("piecewise", True, False)],
)
def test_few_rows_are_gone_on_with_after_a_long_training(
    kind, rare, goes_on, tried, epochs, monkeypatch
):
    """Not with waves; nor where some categories are in held-out rows alone."""
    monkeypatch.setattr(trials, "FEW", N)
    monkeypatch.setattr(trials, "LONG", 3)
    rng = np.random.default_rng(0)
    ids = np.where(np.arange(N) % 40 if rare else 1, 0, np.arange(N))
    X = np.column_stack([rng.uniform(-1, 1, (N, 2)), ids + np.arange(N) % 7])
    y = X[:, 0] * X[:, 1]
    options = OPTIONS | {"numeric_embedding": kind, "categorical_features": [2]}
    model = DCNRegressor(**options).fit(X, y)
    ((_, found),) = tried
    n = len(found.scores)
    assert n > 3
    more = round(0.3 * n) if goes_on else n
    assert [size for _, size in epochs] == [N] * more
    assert model.n_iter_ == (n + more if goes_on else n)
    assert len(model.validation_scores_) == n
    assert model.score(X, y) > 0.7


def test_another_is_trained_after_few_epochs(rows, tried, epochs, monkeypatch):
    monkeypatch.setattr(trials, "FEWEST_EPOCHS", 1_000)
    model = DCNRegressor(**OPTIONS).fit(*rows)
    (((fold,), found),) = tried
    assert fold.best is not None
    assert (epochs[0][0] != fold.best.model.network.flat_parameters).any()
    assert model.n_iter_ == len(found.cuts) == len(found.scores)


@pytest.mark.parametrize(("fraction", "share"), [(0.01, 0.02), (0.1, 0.2), (0.6, 1.0)])
def test_the_more_rows_were_held_out_the_longer(fraction, share, rows, tried, epochs):
    DCNRegressor(**OPTIONS, validation_fraction=fraction).fit(*rows)
    ((_, found),) = tried
    assert len(epochs) == max(1, round(share * len(found.scores)))


def test_categories_of_held_out_rows_alone_are_learned(tried):
    """While they are held out they are predicted as any unknown one; then they are known."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.uniform(-1, 1, N), rng.integers(0, 4, N)])
    y = X[:, 0] + 0.1 * rng.normal(size=N)
    DCNRegressor(**OPTIONS, categorical_features=[1]).fit(X, y)
    (((fold,), _),) = tried
    scaled = (y - y.mean()) / y.std()
    held = [int(np.argmin(np.abs(scaled - t))) for t in fold.held.target[:40, 0]]
    X[held, 1] = 9
    y[held] += 5
    tried.clear()
    model = DCNRegressor(**OPTIONS, categorical_features=[1]).fit(X, y)
    (((fold,), _),) = tried
    own = model.encoder_.columns[0].rows(np.array([9.0]))[0]
    assert (fold.rows.ids[:, 0] != own).all()
    assert (fold.held.ids[:, 0] == own).sum() == len(set(held))
    assert model.encoder_.fields[0].counts[own] == len(set(held))
    new, old = model.predict(np.column_stack([np.zeros(2), [9, 0]]))
    assert new - old > 0.3


def test_scores_stand_at_their_epochs(rows, tmp_path):
    model = DCNRegressor(**OPTIONS).fit(*rows)
    model.save(tmp_path / "model.dcn")
    n = len(model.validation_scores_)
    for same in (model, pickle.loads(pickle.dumps(model)), load(tmp_path / "model.dcn")):
        scores = same.history_["validation_score"]
        assert scores[:n].tolist() == same.validation_scores_ == model.validation_scores_
        assert len(scores) > n
        assert np.isnan(scores[n:]).all()


def test_a_warm_start_after_it_has_scores_of_its_own(rows):
    model = DCNRegressor(**OPTIONS).fit(*rows)
    before = model.n_iter_
    model.set_params(warm_start=True, early_stopping=True, max_iter=2, tol=None).fit(*rows)
    assert model.n_iter_ == before + 2
    scores = model.history_["validation_score"]
    assert np.isnan(scores[:before]).all()
    assert scores[before:].tolist() == model.validation_scores_


def test_the_same_bits_on_any_number_of_threads(rows):
    X, y = rows
    one, two = (
        DCNClassifier(**OPTIONS | {"n_jobs": n_jobs, "batch_size": 512}).fit(X, y > 0)
        for n_jobs in (1, 2)
    )
    assert one.loss_curve_ == two.loss_curve_
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def press_ctrl_c(monkeypatch, module, epoch):
    """Interrupt the epoch of this number that the module runs, counted from 1."""
    run, n = module.run_epoch, []

    def run_epoch(*arguments):
        n.append(1)
        if len(n) == epoch:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(module, "run_epoch", run_epoch)


def test_ctrl_c_in_the_trial_goes_on_from_the_best_so_far(rows, monkeypatch):
    press_ctrl_c(monkeypatch, folds, 8)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = DCNRegressor(**OPTIONS).fit(*rows)
    best = len(model.validation_scores_)
    assert 5 <= best <= 7
    assert model.n_iter_ == best + round(0.3 * best)
    assert np.isfinite(model.predict(rows[0])).all()


def test_a_checkpoint_of_the_epochs_with_all_rows(rows, tmp_path):
    options = OPTIONS | {"checkpoints": Checkpoints(tmp_path / "kept")}
    whole = DCNRegressor(**OPTIONS).fit(*rows)
    with pytest.MonkeyPatch.context() as patch:
        press_ctrl_c(patch, trainer, 2)
        with pytest.warns(UserWarning, match="interrupted by user"):
            part = DCNRegressor(**options).fit(*rows)
    assert part.n_iter_ < whole.n_iter_
    resumed = DCNRegressor(**options).fit(*rows)
    assert resumed.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(resumed.predict(rows[0]), whole.predict(rows[0]))
