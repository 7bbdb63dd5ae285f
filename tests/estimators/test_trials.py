"""What rows held out say before a network is trained on all rows: how, and how long."""

import numpy as np
import pytest

from dcnfast import DCNClassifier, DCNRegressor, load
from dcnfast.estimators import splits, trials
from dcnfast.estimators.splits import FOLDS
from dcnfast.training import automatic, folds, trainer
from dcnfast.training.folds import Choice
from dcnfast.training.shrinkage import Judgement

SMALL = {"hidden_layer_sizes": (16,), "n_members": 2, "random_state": 0, "n_jobs": 1}
QUICK = SMALL | {"max_iter": 1, "batch_size": 1000}


def numbers(n, n_columns=2):
    return np.random.default_rng(0).uniform(-1, 1, (n, n_columns))


def choice(losses, scores=(-1.0,)):
    sure = Judgement(np.ones(1), np.ones(1))
    return Choice((0,) * len(scores), sure, list(scores), 1, np.asarray(losses, float))


def kind(model):
    return model._model.config.numeric_embedding


def test_every_training_counts_in_the_epochs_there_is_time_for(tried, monkeypatch):
    """Two of one kind; where two kinds are tried, three, so that each has two thirds of that."""
    for n, kinds in ((4_000, {"piecewise": 2, "auto": 3}), (11_000, {"piecewise": 2, "auto": 2})):
        X = numbers(n)
        for given, times in kinds.items():
            one = DCNRegressor(**QUICK, numeric_embedding="piecewise").fit(X, X[:, 0])
            of_an_epoch = 3 * one._model.config.multiply_adds() * n
            monkeypatch.setattr(automatic, "MOST", 66 * of_an_epoch)
            options = QUICK | {"max_iter": "auto", "n_iter_no_change": 1, "tol": 1e9}
            tried.clear()
            DCNRegressor(**options, numeric_embedding=given).fit(X, X[:, 0])
            assert tried[0][1].planned_epochs == 66 // times


def test_a_network_trained_alone_has_less_time(monkeypatch):
    X, y = numbers(400), numbers(400)[:, 0]
    watched = {"X_val": X[300:], "y_val": y[300:]}
    model = DCNRegressor(**QUICK).fit(X[:300], y[:300], **watched)
    monkeypatch.setattr(automatic, "MOST_ALONE", 12 * 3 * model._model.config.multiply_adds() * 300)
    model.set_params(max_iter="auto", n_iter_no_change=50)
    assert model.fit(X[:300], y[:300], **watched).n_iter_ == 12


def test_a_part_is_held_out_once_and_the_network_then_trains_on_all_rows(tried, monkeypatch):
    seen, run = [], trainer.run_epoch

    def run_epoch(training, rows, *arguments):
        seen.append((training.model.config.n_members, len(rows)))
        return run(training, rows, *arguments)

    monkeypatch.setattr(trainer, "run_epoch", run_epoch)
    X = numbers(2_400)
    y = X[:, 0] * X[:, 1]
    model = DCNRegressor(
        **SMALL | {"max_iter": 20, "n_members": 3, "numeric_embedding": "piecewise"}
    ).fit(X, y)
    (((fold,), found),) = tried
    assert (len(fold.rows), len(fold.held)) == (2_040, 360)
    assert fold.training.model.config.n_members == 3
    assert seen == [(3, 2_400)] * len(found.cuts)
    assert model.n_iter_ == len(found.cuts)
    assert model.validation_scores_ == found.scores
    assert found.scores[-1] == max(found.scores)
    assert model.score(X, y) > 0.9


def test_what_a_part_leaves_in_doubt_folds_decide(tried, monkeypatch):
    monkeypatch.setattr(trials, "DOUBTED", 2_400)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6_400, 3))
    y = 0.2 * X[:, 0] + rng.normal(size=6_400)
    options = SMALL | {"numeric_embedding": None, "max_iter": 20}
    model = DCNRegressor(**options).fit(X[:2_400], y[:2_400])
    (part, doubted), (parts, found) = tried
    assert (len(part), len(parts)) == (1, FOLDS)
    assert sum(len(fold.held) for fold in parts) == 2_400
    assert doubted.judgement.support[0] < found.judgement.support[0]
    np.testing.assert_array_equal(model.shrinkage_, found.judgement.shrinkage)
    assert model.validation_scores_ == found.scores
    assert 0.02 < model.score(X[2_400:], y[2_400:]) < 0.05
    tried.clear()
    DCNRegressor(**options).fit(X[:2_401], y[:2_401])  # is more rows than are held out again
    DCNRegressor(**options).fit(X[:2_400], X[:2_400, 0])  # leaves no doubt
    assert len(tried) == 2


def test_classes_keep_their_share(tried):
    y = np.arange(2_000) % 10 == 0
    DCNClassifier(**QUICK, numeric_embedding=None).fit(numbers(2_000), y)
    (((fold,), _),) = tried
    assert fold.held.target.sum() == 30


@pytest.mark.parametrize(
    ("changes", "n_trials"),
    [
        ({}, 1),
        ({"early_stopping": True}, 0),
        ({"scoring": "r2"}, 0),
        ({"warm_start": True}, 0),
        ({"max_time": 60}, 0),
        ({"tol": None}, 0),
    ],
)
def test_when_it_is_done(changes, n_trials, tried):
    X = numbers(2_000)
    DCNRegressor(**QUICK | {"numeric_embedding": None} | changes).fit(X, X[:, 0])
    assert len(tried) == n_trials


def test_more_rows_are_trained_on_once(tried, monkeypatch):
    monkeypatch.setattr(splits, "TWICE", 2_000)
    X = numbers(2_001)
    model = DCNRegressor(**QUICK).fit(X, X[:, 0])
    assert not tried
    assert len(model.validation_scores_) == model.n_iter_
    DCNRegressor(**QUICK).fit(X[1:], X[1:, 0])
    assert tried


def test_a_large_network_is_trained_once(tried, monkeypatch):
    monkeypatch.setattr(trials, "LARGEST", 10)
    X = numbers(2_000)
    model = DCNRegressor(**QUICK).fit(X, X[:, 0])
    assert not tried
    assert kind(model) == "piecewise"


@pytest.mark.parametrize(
    ("n", "n_columns", "changes", "kinds"),
    [
        (999, 2, {}, ["piecewise"] * FOLDS),
        (1_000, 2, {}, ["piecewise"] * FOLDS + ["periodic"] * FOLDS),
        (2_000, 2, {}, ["piecewise", "periodic"]),
        (3_001, 2, {}, ["piecewise"]),
        (2_000, 2, {"numeric_embedding": "periodic"}, ["periodic"]),
        (2_000, 129, {}, ["piecewise"]),
        (2_000, 2, {"numeric_embedding": None}, [None]),
    ],
)
def test_ways_that_are_tried(n, n_columns, changes, kinds, tried, monkeypatch):
    monkeypatch.setattr(trials, "TRIED", range(1_000, 3_001))
    X = numbers(n, n_columns)
    DCNRegressor(**QUICK | changes, wide=False).fit(X, X[:, 0])
    configs = [fold.training.model.config for parts, _ in tried for fold in parts]
    assert [c.numeric_embedding if c.numeric_bins else None for c in configs] == kinds


def test_categories_alone_are_tried_once(tried):
    X = np.random.default_rng(0).integers(0, 9, (1_000, 2)).astype(str)
    DCNRegressor(**QUICK).fit(X, np.arange(1_000.0))
    assert len(tried) == 1


@pytest.mark.parametrize(("better", "taken"), [(True, "periodic"), (False, "piecewise")])
def test_the_better_way_is_taken(better, taken, tried, monkeypatch):
    monkeypatch.setattr(Choice, "is_better", lambda *_: better)
    X = numbers(1_000)
    model = DCNRegressor(**SMALL | {"max_iter": 4}).fit(X, np.sin(3 * X[:, 0]))
    _, found = tried[better]
    assert kind(model) == taken
    assert model.validation_scores_ == found.scores
    assert model.n_iter_ == len(found.cuts)


def test_the_rows_that_two_ways_are_judged_by_are_the_same(tried):
    X = numbers(1_000)
    DCNRegressor(**QUICK).fit(X, X[:, 0])
    (one, _), *others = tried
    assert len(others) == 2  # the linear model is tried, too
    for other, _ in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a.held.target, b.held.target)


def test_better_is_more_than_chance():
    rng = np.random.default_rng(0)
    losses = rng.uniform(1, 2, 100) / 100
    noise = rng.normal(size=100) / 1000
    noise -= noise.mean()
    error = np.sqrt((noise**2).sum())  # of the sum
    usual = choice(losses)
    assert not choice(losses).is_better(usual)
    assert not choice(losses + noise - 0.9 * error / 100).is_better(usual)
    assert choice(losses + noise - 1.1 * error / 100).is_better(usual)
    assert not choice(losses + noise + 1.1 * error / 100).is_better(usual)


def test_a_network_that_is_far_out_is_not_better():
    usual = choice(np.ones(3))
    for far in ([np.inf, 1, 1], [np.nan, 0, 0]):
        assert not choice(far).is_better(usual)
    assert not usual.is_better(choice([np.nan, 1, 1]))


def test_losses_are_those_of_the_best_epoch(tried):
    X = numbers(1_000)
    weight = np.random.default_rng(1).uniform(0.5, 2, 1_000)
    DCNRegressor(**SMALL, max_iter=6).fit(X, X[:, 0] * X[:, 1], sample_weight=weight)
    assert len(tried) == 2
    for _, found in tried:
        assert found.losses.shape == (1_000,)
        assert found.losses.sum() == pytest.approx(-max(found.scores))


@pytest.mark.parametrize(("epoch", "n_trials"), [(3, 1), (12, 2)])
def test_ctrl_c_ends_the_trials(epoch, n_trials, tried, monkeypatch):
    epochs, run = [], folds.run_epoch

    def run_epoch(*arguments):
        epochs.append(1)
        if len(epochs) == epoch:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(folds, "run_epoch", run_epoch)
    X = numbers(2_000)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = DCNRegressor(**SMALL | {"max_iter": 9}).fit(X, X[:, 0])
    assert len(tried) == n_trials
    assert kind(model) == "piecewise"
    assert model.n_iter_ == len(tried[0][1].cuts) <= (2 if n_trials == 1 else 9)
    assert np.isfinite(model.predict(X)).all()


def test_ctrl_c_while_folds_decide_leaves_what_the_part_said(interrupted_second_trial, monkeypatch):
    tried = interrupted_second_trial
    monkeypatch.setattr(trials, "DOUBTED", 2_000)
    X = numbers(2_000)
    y = np.random.default_rng(1).normal(size=2_000)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = DCNRegressor(**SMALL | {"max_iter": 2, "numeric_embedding": None}).fit(X, y)
    assert [len(parts) for parts, _ in tried] == [1, FOLDS]
    assert model.validation_scores_ == tried[0][1].scores
    np.testing.assert_array_equal(model.shrinkage_, tried[0][1].judgement.shrinkage)


@pytest.mark.parametrize("n", [300, 2_000])
def test_ctrl_c_before_any_epoch_of_a_trial_is_over(n, tried, monkeypatch):
    epochs, run = [], folds.run_epoch

    def run_epoch(*arguments):
        epochs.append(1)
        if len(epochs) == 1:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(folds, "run_epoch", run_epoch)
    X = numbers(n)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = DCNRegressor(**SMALL).fit(X, X[:, 0])
    assert (len(tried), model.n_iter_) == (1, 1)
    assert model.validation_scores_ is None
    assert {len(column) for column in model.history_.values()} == {1}


def test_a_fit_goes_on_as_it_was_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(Choice, "is_better", lambda *_: True)
    X = numbers(1_000)
    y = X[:, 0] + X[:, 1]
    model = DCNRegressor(**SMALL | {"max_iter": 40, "wide": False}).fit(X, y)
    assert kind(model) == "periodic"
    model.save(tmp_path / "model.dcn")
    for goes_on in (model, load(tmp_path / "model.dcn")):
        before = goes_on._model.config
        goes_on.partial_fit(X, y)
        assert kind(goes_on) == "periodic"
        assert goes_on._model.config == before
        assert goes_on.get_params()["numeric_embedding"] == "auto"
        assert goes_on.score(X, y) > 0.5


def test_products_that_are_found_late_are_waited_for(tried):
    """Ten epochs of 300 rows are forty steps, in which nothing is found."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (1_300, 10)).astype(float)
    y = X[:, :4].sum(axis=1) % 2
    options = {"n_members": 2, "hidden_layer_sizes": (32,), "random_state": 0}
    model = DCNRegressor(**options).fit(X[:300], y[:300])
    assert len(tried[0][1].scores) > 100
    assert model.score(X[300:], y[300:]) > 0.8
