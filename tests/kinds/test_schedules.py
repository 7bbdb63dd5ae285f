"""Schedules: what each multiplies the learning rate by, and that the engine does so."""

import numpy as np
import pytest

from dcnfast import DCNRegressor, _core, schedules
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.optimizers import AdamW, OptimizerStep
from dcnfast.training.schedules import DROPOUT_SCHEDULES, SCHEDULES
from dcnfast.training.state import Training


def test_cosine_by_hand():
    got = schedules.Cosine(final=0.2).factors(0, 5, 4)
    root = 0.5**0.5
    want = [1, 0.2 + 0.4 * (1 + root), 0.6, 0.2 + 0.4 * (1 - root), 0.2]
    np.testing.assert_allclose(got, want)


def test_flat_cosine_by_hand():
    got = schedules.FlatCosine(flat=0.5).factors(0, 8, 8)
    np.testing.assert_allclose(got[:5], 1)
    np.testing.assert_allclose(got[5:], (1 + np.cos(np.pi * np.array([1, 2, 3]) / 4)) / 2)


def test_exponential_by_hand():
    got = schedules.Exponential(final=0.01).factors(0, 3, 4)
    np.testing.assert_allclose(got, [1, 0.1**0.5, 0.1])


def test_warm_up_is_a_line_in_front_of_the_rest():
    np.testing.assert_allclose(
        schedules.Constant(warmup=0.5).factors(0, 8, 8), [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1]
    )
    peak = schedules.OneCycle().factors(0, 100, 100)
    assert np.argmax(peak) == 30
    assert (np.diff(peak[:31]) > 0).all()
    assert (np.diff(peak[30:]) < 0).all()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.99])
def test_factors_lie_between_0_and_1_and_follow_on(name, total, warmup):
    """Epoch by epoch they are those of all steps at once; later steps have the last value."""
    schedule = SCHEDULES[name](warmup=warmup)
    whole = schedule.factors(0, total, total)
    assert ((whole >= 0) & (whole <= 1)).all()
    assert whole.max() > 0
    parts = [schedule.factors(first, 1, total) for first in range(total)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert np.isfinite(schedule.factors(total, 5, total)).all()


def test_the_engine_takes_a_rate_a_batch(rng):
    """Batches with rates are epochs of one batch with that learning rate, on tables as well."""
    config = NetworkConfig(
        fields=(("city", 6, 4),), n_dense=3, cross_layers=1, sparse_adam="exact", ema_decay=0.9
    )
    ids, dense = rng.integers(6, size=(40, 1)).astype(np.int32), rng.normal(size=(40, 3))
    target = rng.normal(size=(40, 1)).astype(np.float32)
    rates = np.array([1.0, 0.5, 0.0, 2.0])
    ends = []
    for whole in (True, False):
        training = Training(Model(config).initialize(np.random.RandomState(0)))
        table = training.model.table(ids, dense.astype(np.float32), target, None)
        step = OptimizerStep(0.05)
        if whole:
            training.state.train_epoch(table, np.arange(40), 10, step.compile(), 0, 1, rates)
        for batch, rate in enumerate([] if whole else rates):
            order = np.arange(10 * batch, 10 * batch + 10)
            options = OptimizerStep(0.05 * rate).compile()
            training.state.train_epoch(table, order, 10, options, 0, 1)
        ends.append(training.model.snapshot())
    np.testing.assert_allclose(*ends, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_rows_that_wait_while_the_rate_is_0_move_when_it_rises(kind):
    """A row of the first batch alone makes up for all steps, as one that is looked at each step."""
    config = NetworkConfig(fields=(("city", 2, 4),), dtype="float64", sparse_adam="exact")
    ids = np.array([[0]] + 40 * [[1]], np.int32)
    nothing, target = np.zeros((41, 0)), np.ones((41, 1))
    rates = np.array([1.0, *np.zeros(20), *np.ones(20)])
    ends = []
    for whole in (True, False):
        training = Training(Model(config).initialize(np.random.RandomState(0)))
        table, step = (
            training.model.table(ids, nothing, target, None),
            OptimizerStep(0.05, kind=kind),
        )
        for _ in range(5):  # beyond the first steps, where Adam's moves may grow
            training.state.train_epoch(table, np.arange(41), 41, step.compile(), 0, 1)
        if whole:
            training.state.train_epoch(table, np.arange(41), 1, step.compile(), 0, 1, rates)
        for i, rate in enumerate([] if whole else rates):
            one = OptimizerStep(0.05 * rate, kind=kind).compile()
            training.state.train_epoch(table, np.array([i]), 1, one, 0, 1)
        ends.append(training.model.parameters["embedding_4"][0].copy())
    np.testing.assert_allclose(*ends, rtol=1e-10)


@pytest.mark.parametrize("sparse_adam", ["lazy", "exact"])
def test_the_engine_takes_a_decay_a_batch(sparse_adam, rng):
    """Batches with decays are epochs of one batch with that weight decay, on tables as well."""
    config = NetworkConfig(
        fields=(("city", 20, 4),), n_dense=3, cross_layers=1, sparse_adam=sparse_adam,
        ema_decay=0.9, dtype="float64",
    )  # fmt: skip
    ids, dense = rng.integers(20, size=(40, 1)).astype(np.int32), rng.normal(size=(40, 3))
    target, decays, rates = rng.normal(size=(40, 1)), (1.0, 0.0, 0.25, 3.0), (0.5, 1.0, 1.0, 0.1)
    ends = []
    for whole in (True, False):
        training = Training(Model(config).initialize(np.random.RandomState(0)))
        table = training.model.table(ids, dense, target, None)
        if whole:
            step = OptimizerStep(0.05, weight_decay=2.0, kind="adamw").compile()
            factors = np.array(rates), np.array(decays)
            training.state.train_epoch(table, np.arange(40), 10, step, 0, 1, *factors)
        for batch, (rate, decay) in enumerate([] if whole else zip(rates, decays, strict=True)):
            order = np.arange(10 * batch, 10 * batch + 10)
            step = OptimizerStep(0.05 * rate, weight_decay=2.0 * decay, kind="adamw").compile()
            training.state.train_epoch(table, order, 10, step, 0, 1)
        ends.append(training.model.snapshot())
    np.testing.assert_allclose(*ends, rtol=1e-12, atol=1e-15)


ONE = {
    "n_members": 1, "numeric_embedding": None, "dropout": 0.0, "cross_dropout": 0.0,
    "random_state": 0,
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_fit_with_each(name):
    """Different answers, each as good as the constant rate's."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = X[:, 0] * X[:, 1]
    fixed = ONE | {"max_iter": 60, "learning_rate_init": 0.02, "early_stopping": False}
    model = DCNRegressor(learning_rate=name, **fixed).fit(X, y)
    assert model.score(X, y) > 0.95
    constant = DCNRegressor(**fixed).fit(X, y)
    assert np.array_equal(model.predict(X), constant.predict(X)) == (name == "constant")


def test_the_plan_is_max_iter_whether_training_stops_earlier_or_not():
    """With folds and held-out rows the first epochs are those of the whole plan."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    y = X[:, 0] + rng.normal(size=3000)
    fits = [
        DCNRegressor(
            **ONE, learning_rate="cosine", max_iter=max_iter, early_stopping=True, tol=None,
            learning_rate_init=0.01,
        ).fit(X, y)
        for max_iter in (4, 40)
    ]  # fmt: skip
    first, longer = (fit.loss_curve_[:4] for fit in fits)
    assert first[0] != longer[0]
    np.testing.assert_allclose(first[0], longer[0], rtol=0.05)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    return X, X[:, 0] * X[:, 1] + rng.normal(size=300)


def fitted(data, **options):
    fixed = ONE | {"max_iter": 20, "early_stopping": False, "learning_rate_init": 0.01}
    return DCNRegressor(**fixed | options).fit(*data).predict(data[0])


@pytest.mark.parametrize("name", DROPOUT_SCHEDULES)
def test_dropout_and_weight_decay_go_as_planned(name, data):
    """The constant changes no bit; any other is between its ends; objects are their names."""
    for of_schedule, of_rate in (
        (lambda s: {"dropout_schedule": s}, lambda r: {"dropout": r, "cross_dropout": r}),
        (
            lambda s: {"optimizer": AdamW(weight_decay=3.0, weight_decay_schedule=s)},
            lambda r: {"optimizer": AdamW(weight_decay=10 * r)},
        ),
    ):
        rate = of_rate(0.3)
        plain = fitted(data, **rate)
        got = fitted(data, **rate | of_schedule(name))
        assert np.array_equal(got, plain) == (name == "constant")
        np.testing.assert_array_equal(
            got, fitted(data, **rate | of_schedule(DROPOUT_SCHEDULES[name]()))
        )
        assert not np.array_equal(got, fitted(data, **of_rate(0.0)))


def test_without_dropout_its_schedule_says_nothing(data):
    np.testing.assert_array_equal(fitted(data, dropout_schedule="cosine"), fitted(data))


def test_schedules_in_a_fit_are_those_of_its_steps(data, monkeypatch):
    """Epoch by epoch, planned for max_iter, each of what it is for."""
    seen = []

    def train(self, *arguments):
        seen.append(arguments[6:])
        return original(self, *arguments)

    original = _core.TrainingStateF32.train_epoch
    monkeypatch.setattr(_core.TrainingStateF32, "train_epoch", train)
    optimizer = AdamW(weight_decay_schedule=schedules.FlatCosine(flat=0.25))
    fitted(
        data, batch_size=100, max_iter=4, dropout=0.1, learning_rate="exponential",
        optimizer=optimizer, dropout_schedule=schedules.Cosine(warmup=0.5),
    )  # fmt: skip
    rates, decays, dropouts = (np.concatenate(each) for each in zip(*seen, strict=True))
    np.testing.assert_array_equal(rates, schedules.Exponential().factors(0, 12, 12))
    np.testing.assert_array_equal(decays, schedules.FlatCosine(flat=0.25).factors(0, 12, 12))
    np.testing.assert_array_equal(dropouts, schedules.Cosine(warmup=0.5).factors(0, 12, 12))


@pytest.mark.parametrize("plateau", ["plateau", schedules.Plateau()])
def test_plateau_is_for_the_learning_rate_alone(plateau, data):
    with pytest.raises(ValueError, match=r"dropout_schedule.*(must be a str among|want one of)"):
        fitted(data, dropout_schedule=plateau)
    text = r"optimizer: weight_decay_schedule of AdamW is .*lateau.*, want one of \['constant'"
    with pytest.raises(ValueError, match=text):
        fitted(data, optimizer=AdamW(weight_decay_schedule=plateau))


def test_searches_reach_the_schedules():
    model = DCNRegressor(
        **ONE, optimizer=AdamW(weight_decay_schedule=schedules.Cosine()),
        dropout_schedule=schedules.Cosine(),
    )  # fmt: skip
    names = "optimizer__weight_decay_schedule__final", "dropout_schedule__final"
    assert [model.get_params()[name] for name in names] == [0, 0]
    model.set_params(**dict.fromkeys(names, 0.5))
    assert model.optimizer.weight_decay_schedule == schedules.Cosine(final=0.5)
    assert model.dropout_schedule == schedules.Cosine(final=0.5)
    text = "dropout_schedule__final is given and dropout_schedule is the name 'cosine', want an "
    with pytest.raises(ValueError, match=text):
        DCNRegressor(dropout_schedule="cosine").set_params(dropout_schedule__final=0.5)
