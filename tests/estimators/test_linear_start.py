"""Where a linear model says more of the rows held out, the network begins as that model."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from dcnfast import DCNClassifier, DCNRegressor, load
from dcnfast.estimators import trials
from dcnfast.target_statistics import TargetStatistics

SMALL = {"hidden_layer_sizes": (32,), "n_members": 2, "random_state": 0, "n_jobs": 1}


def root_mean_squared_error(model, X, y):
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


def far_out(n=2_300, seed=0):
    """Lognormal columns, of which the target is a sum, with noise of 1."""
    rng = np.random.default_rng(seed)
    X = np.exp(rng.normal(size=(n, 6)))
    return X, X @ rng.normal(size=6) + rng.normal(size=n)


def begun(model):
    return model._model.config.wide


@pytest.fixture
def asked(monkeypatch):
    """Whether each trial of a linear model was made."""
    made, first = [], trials._or_linear
    monkeypatch.setattr(trials, "_or_linear", lambda *a: made.append(1) or first(*a))
    return made


def test_sums_of_numbers_far_out_are_learned_as_a_ridge_regression_does():
    X, y = far_out()
    some, rest = slice(300), slice(300, None)
    model = DCNRegressor(random_state=0).fit(X[some], y[some])
    ridge = RidgeCV(np.logspace(-4, 4, 17)).fit(X[some], y[some])
    assert begun(model)
    assert root_mean_squared_error(model, X[rest], y[rest]) < 1.1 * root_mean_squared_error(
        ridge, X[rest], y[rest]
    )
    without = DCNRegressor(random_state=0, wide=False).fit(X[some], y[some])
    assert not begun(without)
    assert root_mean_squared_error(without, X[rest], y[rest]) > 1.5


def test_what_is_left_of_a_linear_model_is_learned():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(4_000, 3))
    X = np.c_[X, X[:, 0] + 0.01 * rng.normal(size=4_000)]
    y = 100 * (X[:, 3] - X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=4_000)
    model = DCNRegressor(**SMALL).fit(X[:1_500], y[:1_500])
    ridge = RidgeCV(np.logspace(-4, 4, 17)).fit(X[:1_500], y[:1_500])
    assert begun(model)
    errors = [root_mean_squared_error(m, X[1_500:], y[1_500:]) for m in (model, ridge)]
    assert errors[0] < 0.3 * errors[1]


def test_classes_begin_as_a_logistic_regression():
    X, y = far_out()
    rng = np.random.default_rng(2)
    sides = rng.uniform(size=len(y)) < 1 / (1 + np.exp(-(y - y.mean())))
    model = DCNClassifier(**SMALL).fit(X[:300], sides[:300])
    usual = StandardScaler().fit(X[:300])
    logistic = LogisticRegression().fit(usual.transform(X[:300]), sides[:300])
    assert begun(model)
    found = log_loss(sides[300:], model.predict_proba(X[300:]))
    assert found < 1.05 * log_loss(sides[300:], logistic.predict_proba(usual.transform(X[300:])))


@pytest.mark.parametrize(
    "changes",
    [
        {"wide": False},
        {"wide": True},
        {"numeric_embedding": None},
        {"numeric_embedding": "piecewise"},
        {"numeric_scaling": "standard"},
        {"early_stopping": False},
        {"early_stopping": True},
        {"loss": "poisson"},
        {"loss": "quantile"},
        {"branch_loss": True},
        {"hash_buckets": 4},
    ],
)
def test_where_no_linear_model_is_tried(changes, asked):
    X, y = far_out(300)
    DCNRegressor(**SMALL | {"max_iter": 2} | changes).fit(X, np.abs(y))
    assert not asked


def test_no_linear_model_of_rates_categories_statistics_or_a_large_table(asked, monkeypatch):
    X, y = far_out(300)
    quick = SMALL | {"max_iter": 2}
    DCNRegressor(**quick, loss="log_loss").fit(X, 1 / (1 + np.exp(-y)))
    DCNRegressor(**quick).fit(np.char.mod("%d", X), y)
    ids = pd.DataFrame({"id": np.arange(300) % 60, "x": X[:, 0]}).astype({"id": str})
    DCNRegressor(**quick, target_statistics=TargetStatistics()).fit(ids, y)
    assert not asked
    monkeypatch.setattr(trials, "LARGEST_TABLE", 300 * 12 - 1)
    DCNRegressor(**quick).fit(X, y)
    assert not asked
    monkeypatch.setattr(trials, "LARGEST_TABLE", 300 * 12)
    DCNRegressor(**quick).fit(X, y)
    assert len(asked) == 1
    monkeypatch.setattr(trials, "MOST_COLUMNS", 11)
    DCNRegressor(**quick).fit(X, y)
    assert len(asked) == 1


def test_many_rows_of_classes_have_no_linear_model(asked, monkeypatch):
    monkeypatch.setattr(trials, "FEW", 299)
    X, y = far_out(300)
    DCNClassifier(**SMALL | {"max_iter": 2}).fit(X, y > 0)
    assert not asked
    DCNRegressor(**SMALL | {"max_iter": 2}).fit(X, y)
    assert asked


@pytest.mark.parametrize("changes", [{}, {"y": False}, {"X": False}, {"FEW": 799}])
def test_products_of_numbers_far_out(changes, tried, monkeypatch):
    """Bent numbers are not what is multiplied; a linear model alone is worse than the network."""
    rng = np.random.default_rng(1)
    X = np.exp(0.9 * rng.normal(size=(3_800, 4)))
    y = X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3] + 0.1 * rng.normal(size=3_800)
    if "y" in changes:
        y = np.log1p(np.abs(y))
    if "X" in changes:
        X = np.log(X)
    monkeypatch.setattr(trials, "FEW", changes.get("FEW", trials.FEW))
    monkeypatch.setattr(trials, "TRIED", range(1))
    options = SMALL | {"max_iter": 60}
    model = DCNRegressor(**options).fit(X[:800], y[:800])
    assert len(tried) == (1 if changes else 2)
    if not changes:
        bent = DCNRegressor(**options, wide=False).fit(X[:800], y[:800])
        ridge = RidgeCV(np.logspace(-4, 4, 17)).fit(X[:800], y[:800])
        errors = [root_mean_squared_error(m, X[800:], y[800:]) for m in (model, bent, ridge)]
        assert begun(model)
        assert errors[0] < 0.7 * errors[1] < 0.7 * errors[2]


def test_a_trial_in_vain_leaves_the_fit_as_it_is(asked):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 2))
    y = np.sin(5 * X[:, 0]) * X[:, 1]
    fits = [DCNRegressor(**SMALL, wide=wide).fit(X, y) for wide in ("auto", False)]
    assert asked == [1]
    assert not begun(fits[0])
    np.testing.assert_array_equal(*(fit.predict(X) for fit in fits))
    assert fits[0].validation_scores_ == fits[1].validation_scores_


@pytest.fixture(scope="module")
def linear():
    X, y = far_out(400, seed=3)
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(c=np.arange(400) % 3)
    frame["c"] = frame["c"].map({0: "x", 1: "y", 2: "z"})
    y = 3 * X[:, 0] - X[:, 1] + (frame["c"] == "x") + 0.1 * y / y.std()
    model = DCNRegressor(**SMALL).fit(frame, y)
    assert begun(model)
    return model, frame, y


def test_numbers_from_beyond_the_training_rows(linear):
    model, frame, y = linear
    far = frame[:1].assign(a=2 * frame["a"].max())
    ends = far.assign(a=frame["a"].max())
    (beyond,), (end,) = model.predict(far), model.predict(ends)
    assert beyond - end == pytest.approx(3 * frame["a"].max(), rel=0.1)
    clips = DCNRegressor(**SMALL, numeric_clip=True).fit(frame, y)
    assert begun(clips)
    assert clips.predict(far) == clips.predict(ends)
    # finite whatever comes
    assert np.isfinite(model.predict(far.assign(a=1e300, b=-1e300))).all()


def test_one_row_and_categories_that_are_new(linear):
    model, frame, _ = linear
    row, expected = model.row_predictor(), model.predict(frame[:3])
    for i in range(3):
        assert row(tuple(frame.iloc[i])) == pytest.approx(expected[i], rel=1e-5)
    new = model.predict(frame[:3].assign(c="never seen"))
    of_each = [model.predict(frame[:3].assign(c=c)) for c in "xyz"]
    assert (new >= np.min(of_each, axis=0)).all()
    assert (new <= np.max(of_each, axis=0)).all()


def test_it_goes_on_from_memory_and_from_a_file(linear, tmp_path):
    model, frame, y = linear
    model.save(tmp_path / "model.dcn")
    for copy in (pickle.loads(pickle.dumps(model)), load(tmp_path / "model.dcn")):
        assert [copy.get_params()[name] for name in ("wide", "numeric_clip")] == ["auto"] * 2
        np.testing.assert_array_equal(copy.predict(frame), model.predict(frame))
        before = copy._model.config
        copy.partial_fit(frame, y)
        assert copy._model.config == before
        assert copy.score(frame, y) > 0.9
        copy.set_params(warm_start=True, max_iter=2).fit(frame, y)
        assert copy._model.config == before
        copy.set_params(numeric_clip=True)
        with pytest.raises(ValueError, match="numeric_clip was False, got True"):
            copy.partial_fit(frame, y)


def test_a_network_of_many_rows_goes_on_from_its_linear_start(monkeypatch):
    monkeypatch.setattr(trials, "FEW", 2_000)
    monkeypatch.setattr(trials, "FEWEST_EPOCHS", 1)
    X, y = far_out()
    model = DCNRegressor(**SMALL).fit(X, y)
    assert begun(model)
    assert len(model.validation_scores_) < model.n_iter_
    ridge = Ridge(0.1).fit(X, y)
    errors = [root_mean_squared_error(m, X, y) for m in (model, ridge)]
    assert errors[0] < 1.05 * errors[1]


def test_epochs_of_another_network_are_not_its_own(monkeypatch):
    """The other went on with all rows; this one is trained anew."""
    monkeypatch.setattr(trials, "FEW", 2_000)
    monkeypatch.setattr(trials, "FEWEST_EPOCHS", 1)
    choose = trials._choose

    def choose_epochs(estimator, fitted, parts, whole, task, *rest):
        if task.begins_linear:
            monkeypatch.setattr(trials, "FEWEST_EPOCHS", 1_000)
        return choose(estimator, fitted, parts, whole, task, *rest)

    monkeypatch.setattr(trials, "_choose", choose_epochs)
    X, y = far_out()
    model = DCNRegressor(**SMALL).fit(X, y)
    assert begun(model)
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_


def test_ctrl_c_in_the_trial_of_a_linear_model(interrupted_second_trial):
    X, y = far_out(300)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = DCNRegressor(**SMALL | {"max_iter": 3}).fit(X, y)
    (_, usual), (_, linear) = interrupted_second_trial
    assert len(linear.scores) == 0
    assert not begun(model)
    assert model.validation_scores_ == usual.scores[: model.n_iter_]
    assert np.isfinite(model.predict(X)).all()
