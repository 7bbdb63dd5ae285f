"""learning_rate="plateau": the rate is cut where the watched score no longer gains."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.schedules import Constant, OneCycle, Plateau
from dcnfast.training import folds, trainer
from dcnfast.training.batches import Rows
from dcnfast.training.early_stopping import HeldOut, Next, Progress, Settled
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.settings import History, Settings
from dcnfast.training.state import Training

CUT, END = Next.CUT, Next.END


def settings(schedule, **changes):
    fixed = {
        "step": OptimizerStep(0.05), "batch_size": 20, "max_iter": 50, "shuffle": False, "seed": 0,
        "tol": 0.01, "n_iter_no_change": 3, "n_threads": 1, "verbose": 0, "planned_epochs": 50,
    }  # fmt: skip
    return Settings(**fixed | {"schedule": schedule} | changes)


def what_follows(losses, schedule, **changes):
    """Return {epoch counted from 1: what follows it, if that is not just the next one}."""
    progress = Progress(settings(schedule, **changes))
    followed = {epoch: progress.note(loss) for epoch, loss in enumerate(losses, 1)}
    return {epoch: then for epoch, then in followed.items() if then is not Next.GO_ON}


@pytest.mark.parametrize(
    ("losses", "options", "changes", "want"),
    [
        ([1.0] * 12, {}, {}, {4: CUT, 7: CUT, 10: END, 11: END, 12: END}),
        ([1.0] * 6, {"patience": 2, "max_cuts": 1}, {}, {3: CUT, 5: END, 6: END}),
        # a gain counts the wait anew, one below tol does not
        ([1.0, 0.995, 0.9, 0.895, 0.895, 0.895], {}, {}, {6: CUT}),
        ([1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.4], {}, {}, {7: CUT}),
        # every fall is a gain, and nothing ends training
        ([1.0 - e * 1e-6 for e in range(9)], {}, {"tol": None}, {}),
        ([1.0] * 12, {}, {"tol": None}, {4: CUT, 7: CUT}),
        # ten epochs of warm-up
        ([1.0] * 14, {"warmup": 0.2}, {}, {13: CUT}),
        # what folds have planned, and nothing else
        ([1.0] * 9, {}, {"tol": None, "planned_cuts": (0, 0, 0, 1, 2, 2, 2, 2, 2)},
         {3: CUT, 4: CUT}),
    ],
)  # fmt: skip
def test_cuts_by_hand(losses, options, changes, want):
    assert what_follows(losses, Plateau(**options), **changes) == want


@pytest.mark.parametrize("schedule", [Constant(), OneCycle()], ids=str)
def test_other_schedules_end_where_they_did(schedule):
    assert what_follows([1.0] * 5, schedule) == {4: END, 5: END}
    assert what_follows([1.0] * 5, schedule, tol=None) == {}


def test_factors_by_hand():
    schedule = Plateau(factor=0.5, warmup=0.5)
    np.testing.assert_allclose(schedule.factors(0, 4, 4, 0), [1 / 3, 2 / 3, 1, 1])
    np.testing.assert_allclose(schedule.factors(4, 2, 4, 3), [0.125, 0.125])


class Scores:
    """Scores of held-out rows, as prescribed."""

    def __init__(self, *scores):
        self.left = list(scores)

    def __call__(self, *_):
        return self.left.pop(0)


def make_training(rng, **config):
    network = NetworkConfig(
        fields=(("city", 6, 3),), n_dense=4, cross_layers=2, hidden=(5,), sparse_adam="exact",
        **config,
    )  # fmt: skip
    training = Training(Model(network).initialize(np.random.RandomState(0)))
    dense = rng.normal(size=(60, 4)).astype(np.float32)
    ids = rng.integers(6, size=(60, 1)).astype(np.int32)
    return training, Rows(training.model, ids, dense, dense[:, :1] * dense[:, 1:2], None)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_after_a_cut_the_best_epoch_goes_on_at_the_lower_rate(ema_decay, rng):
    """The same bits as by hand: two epochs, two that lead nowhere, back, one at half the rate."""
    training, rows = make_training(rng, ema_decay=ema_decay)
    by_hand = training.copy()
    chosen = settings(Plateau(patience=2, factor=0.5), max_iter=5)
    held_out = HeldOut(
        rows, Settled(training.model, rows.encoded, [np.ones(6)]), Scores(1, 2, 0, 1, 3)
    )
    history, random = History(), np.random.RandomState(0)
    trainer.train(training, rows, held_out, chosen, random, history, lambda _: False)
    assert history.validation_scores == [1, 2, 0, 1, 3]

    constant, losses = settings(Constant()), []
    for epoch in range(4):
        losses.append(trainer.run_epoch(by_hand, rows, constant, random, epoch, 0)[0])
        if epoch == 1:
            best = by_hand.model.snapshot()
    by_hand.model.restore(best)
    halved = replace(constant, step=OptimizerStep(0.025))
    losses.append(trainer.run_epoch(by_hand, rows, halved, random, 4, 0)[0])
    assert history.loss_curve == losses
    np.testing.assert_array_equal(training.model.snapshot(), by_hand.model.snapshot())
    np.testing.assert_array_equal(
        training.state.flat_second_moments, by_hand.state.flat_second_moments
    )


def test_planned_cuts_go_on_from_the_averages(rng):
    """As the folds' networks did, from their best parameters."""
    training, rows = make_training(rng, ema_decay=0.9)
    by_hand, random = training.copy(), np.random.RandomState(0)
    chosen = settings(Plateau(), max_iter=3, tol=None, planned_cuts=(0, 0, 1))
    trainer.train(training, rows, None, chosen, random, History(), lambda _: False)
    for epoch, cuts in enumerate((0, 0, 1)):
        if cuts:
            by_hand.model.adopt_averages()
        trainer.run_epoch(by_hand, rows, chosen, random, epoch, cuts)
    np.testing.assert_array_equal(training.model.snapshot(), by_hand.model.snapshot())


class FakeFold:
    """A network whose parameters are the number of the epoch that it came from."""

    now = kept = 0
    rows = range(1_000)
    held, weight = SimpleNamespace(target=np.zeros((1, 1))), np.ones(1)
    training = SimpleNamespace(model=SimpleNamespace(config=NetworkConfig(n_dense=1)))

    def constant(self):
        return np.zeros((1, 1))

    def take_note_of_best(self):
        """Do nothing: with cuts of the rate, another is trained on all rows."""

    def keep(self):
        self.kept = self.now

    def go_back(self):
        self.now = self.kept


@pytest.mark.parametrize(
    ("losses", "cuts", "scores", "came_from"),
    [
        # the first cut helps, from the second epoch on; the second does not
        ([3, 2, 2, 2, 1, 0, 1, 1], (0, 0, 1, 1), [3, 2, 1, 0], 6),
        # the first cut does not help, the second does
        ([3, 2, 2, 2, 2, 2, 1, 1], (0, 0, 2), [3, 2, 1], 7),
        ([3, 4, 4], (0,), [3], 1),
        ([], (0,), [], 0),
    ],
)
def test_epochs_of_folds_that_led_to_the_best_score(losses, cuts, scores, came_from):
    fold = FakeFold()
    course = folds._Course(settings(Plateau(patience=2)), [fold])
    for epoch, loss in enumerate(losses, 1):
        fold.now = epoch
        course.note_logits(np.full((1, 1), float(epoch)), float(loss))
    choice = course.choice([])
    assert choice.cuts == cuts
    assert choice.scores == [-score for score in scores]
    assert fold.kept == came_from
    assert course.kept == came_from


def test_the_network_on_all_rows_runs_the_epochs_that_folds_have_found(
    table, estimator, monkeypatch
):
    chosen, ran = [], []
    choose, run = folds.choose_epochs, trainer.run_epoch

    def choose_epochs(*arguments):
        chosen.append(choose(*arguments))
        return chosen[-1]

    def run_epoch(*arguments):
        ran.append(arguments[-1])
        return run(*arguments)

    monkeypatch.setattr("dcnfast.estimators.trials.choose_epochs", choose_epochs)
    monkeypatch.setattr(trainer, "run_epoch", run_epoch)
    model = estimator.make(
        learning_rate=Plateau(patience=2), learning_rate_init=0.05, early_stopping="auto",
        max_iter=300, ema_decay=0.9,
    ).fit(table.X, estimator.y)  # fmt: skip
    (choice,) = chosen
    assert tuple(ran) == choice.cuts
    assert choice.cuts[-1] > 0
    assert model.validation_scores_ == choice.scores
    assert max(choice.scores) == choice.scores[-1]
    assert model.n_iter_ == len(choice.cuts)
    assert np.isfinite(estimator.answer(model, table.X)).all()


def test_a_lower_rate_finds_a_better_network(table, regressor):
    """A rate too high to settle, on rows that are not trained on."""
    X, y = table.X, table.y
    scores = {}
    for schedule in ("constant", "plateau"):
        model = regressor(
            learning_rate=schedule, learning_rate_init=0.1, early_stopping=True, max_iter=300,
            n_iter_no_change=5,
        )  # fmt: skip
        model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
        scores[schedule] = max(model.validation_scores_)
    assert scores["plateau"] > scores["constant"]


@pytest.mark.parametrize("watched", [True, False])
def test_a_fit_prints_its_cuts_and_ends_after_the_last(watched, table, regressor, capsys):
    """Without held-out rows the training loss says when; a tol that nothing reaches."""
    model = regressor(
        learning_rate="plateau", n_iter_no_change=2, tol=1e9, max_iter=50, verbose=1,
        early_stopping=watched,
    ).fit(table.X, table.y)  # fmt: skip
    assert model.n_iter_ == 1 + 3 * 2
    lines = capsys.readouterr().out.splitlines()
    assert [i for i, line in enumerate(lines) if line.startswith("Learning rate")] == [3, 6]
    assert lines[3] == "Learning rate 0.0001 from here on, and the best parameters so far"
    assert lines[6].startswith("Learning rate 1e-05")


def test_a_fit_that_goes_on_begins_at_the_full_rate(table, regressor, capsys):
    model = regressor(
        learning_rate="plateau", n_iter_no_change=2, tol=1e9, max_iter=50, verbose=1,
        warm_start=True,
    )  # fmt: skip
    ends = [model.fit(table.X, table.y).n_iter_ for _ in range(3)]
    assert ends == [7, 14, 21]
    assert capsys.readouterr().out.count("Learning rate 0.0001 ") == 3


def test_max_iter_before_the_last_cut_is_told(table, regressor):
    model = regressor(learning_rate="plateau", max_iter=5, n_iter_no_change=3, tol=1e9)
    with pytest.warns(ConvergenceWarning, match=r"cut 1 of 2 times, and 1 of the 3 epochs") as told:
        model.fit(table.X, table.y)
    assert len(told) == 1
