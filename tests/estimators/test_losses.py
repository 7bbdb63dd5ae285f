"""Losses beside squared error and log-loss, in the estimators."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import (
    d2_absolute_error_score,
    d2_pinball_score,
    d2_tweedie_score,
    log_loss,
    r2_score,
)
from sklearn.model_selection import GridSearchCV

from dcnfast import DCNClassifier, DCNRegressor, losses

FAST = {"n_members": 2, "hidden_layer_sizes": (32,), "max_iter": 30, "random_state": 0}
LEVELS = [0.1, 0.5, 0.9]


@pytest.fixture(scope="module")
def data():
    """Return columns of 1500 rows, of which 1000 train, and targets by loss."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4))
    truth = X[:, 0] + X[:, 1] * X[:, 2]
    mean = np.exp(0.4 * truth)
    noisy = truth + 0.3 * rng.normal(size=1500)
    return X, {
        "truth": truth,
        "squared_error": noisy,
        "absolute_error": noisy,
        "huber": noisy,
        "quantile": noisy,
        "poisson": rng.poisson(mean),
        "gamma": 3e4 * mean * rng.gamma(2.0, 0.5, 1500),
        "tweedie": 50 * mean * rng.poisson(1.0, 1500) * rng.gamma(2.0, 0.5, 1500),
        "log_loss": 1 / (1 + np.exp(-noisy)),
        "stars": np.digitize(noisy, [-1.5, 0, 1, 2]),
        "rare": noisy > 1.5,
    }


def fit(loss, data, kind=DCNRegressor, target=None, **options):
    X, y = data
    model = kind(loss=loss, **FAST | options)
    y = y[target or (loss if isinstance(loss, str) else loss.name)]
    return model.fit(X[:1000], y[:1000]), X[1000:], y[1000:]


def same_when_saved(model, X, tmp_path, method="predict"):
    """Check files, pickles, rows and members against what a model says."""
    from dcnfast import load

    want = getattr(model, method)(X)
    model.save(tmp_path / "model.dcn")
    for other in (load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(getattr(other, method)(X), want)
        assert other.loss == model.loss
    row = copy.deepcopy(model).row_predictor()
    np.testing.assert_allclose([row(x) for x in X[:9]], want[:9], rtol=1e-12)
    mean = model.predict_members(X).mean(axis=1)
    scale = np.abs(want).max()
    np.testing.assert_allclose(mean, want, rtol=2e-4, atol=2e-6 * scale)


D2 = {
    "absolute_error": d2_absolute_error_score,
    "quantile": d2_pinball_score,
    "poisson": lambda y, p, **w: d2_tweedie_score(y, p, power=1, **w),
    "gamma": lambda y, p, **w: d2_tweedie_score(y, p, power=2, **w),
    "tweedie": lambda y, p, **w: d2_tweedie_score(y, p, power=1.5, **w),
    "squared_error": r2_score,
}


@pytest.mark.parametrize("loss", [*D2, "huber", "log_loss"])
def test_every_loss_learns_and_scores(loss, data, tmp_path):
    model, X, y = fit(loss, data)
    score = model.score(X, y)
    assert 0.9 < score < 1 if loss in ("squared_error", "log_loss", "huber") else 0.04 < score < 1
    same_when_saved(model, X, tmp_path)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    if loss in D2:
        predicted = model.predict(X)
        assert score == pytest.approx(D2[loss](y, predicted), rel=5e-3)
        weighted = model.score(X, y, sample_weight=weight)
        assert weighted == pytest.approx(D2[loss](y, predicted, sample_weight=weight), rel=5e-3)
        assert weighted != score


@pytest.mark.parametrize(
    ("loss", "y"),
    [(loss, y) for loss in (*D2, "huber") for y in (0.0, 3.0) if (loss, y) != ("gamma", 0)],
)
def test_equal_targets_score_as_the_constant_does(loss, y, data):
    X = data[0][:60]
    model = DCNRegressor(loss=loss, n_members=1, max_iter=1, random_state=0).fit(X, np.full(60, y))
    assert model.score(X, np.full(60, y)) in (0.0, 1.0)


def test_several_quantiles(data, tmp_path):
    model, X, y = fit(losses.Quantile(LEVELS), data)
    predicted = model.predict(X)
    assert predicted.shape == (500, 3)
    assert (np.diff(predicted, axis=1) >= 0).all()
    below = (y[:, None] <= predicted).mean(axis=0)
    np.testing.assert_allclose(below, LEVELS, atol=0.08)
    same_when_saved(model, X, tmp_path)
    assert 0.6 < model.score(X, y) < 1
    assert model.n_outputs_ == 1
    assert model.shrinkage_.shape == (3,)
    far = model.predict(X * 1e6)
    assert np.isfinite(far).all()
    assert (np.diff(far, axis=1) >= 0).all()


def test_quantiles_of_several_targets(data, tmp_path):
    X, y = data
    both = np.column_stack([y["quantile"], 100 - 1e3 * y["quantile"]])
    options = {"loss": losses.Quantile((0.25, 0.75)), "prediction_clip": True}
    model = DCNRegressor(**FAST | options).fit(X[:1000], both[:1000])
    predicted = model.predict(X[1000:])
    assert predicted.shape == (500, 2, 2)
    assert (np.diff(predicted, axis=2) >= 0).all()
    assert model.n_outputs_ == 2
    low, high = both[:1000].min(axis=0)[:, None], both[:1000].max(axis=0)[:, None]
    assert ((predicted >= low) & (predicted <= high)).all()
    below = (both[1000:, :, None] <= predicted).mean(axis=0)
    np.testing.assert_allclose(below, [[0.25, 0.75]] * 2, atol=0.1)
    free = DCNRegressor(**FAST | options | {"prediction_clip": False}).fit(X[:1000], both[:1000])
    assert free.prune_members(X[1000:], both[1000:]).predict(X[1000:]).shape == (500, 2, 2)
    same_when_saved(free, X[1000:], tmp_path)
    one = DCNRegressor(**FAST | {"loss": losses.Quantile([0.25])}).fit(X[:200], both[:200])
    assert one.predict(X[:3]).shape == (3, 2)


def test_a_constant_target_has_equal_quantiles():
    X = np.random.default_rng(0).normal(size=(200, 2))
    model = DCNRegressor(loss=losses.Quantile(LEVELS), **FAST).fit(X, np.full(200, 7.5))
    np.testing.assert_array_equal(model.predict(X), 7.5)
    assert model.score(X, np.full(200, 7.5)) == 1


@pytest.mark.parametrize("n", [20, 200, 2500])
@pytest.mark.parametrize("loss", ["gamma", "tweedie", "huber", losses.Quantile(LEVELS)])
def test_noise_is_no_worse_than_the_best_constant(loss, n):
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(2 * n, 8)), rng.gamma(1.0, 1e-3, 2 * n)
    model = DCNRegressor(loss=loss, **FAST | {"max_iter": 5}).fit(X[:n], y[:n])
    assert np.isfinite(model.predict(X)).all()
    assert model.score(X[n:], y[n:]) > (-0.9 if n == 20 else -0.08)


def test_means_have_the_unit_of_the_target(data):
    """Targets are divided by their mean: the same network, whatever the currency."""
    X, y = data
    for loss in ("gamma", "tweedie"):
        in_cents, in_millions = (
            DCNRegressor(loss=loss, **FAST).fit(X[:300], unit * y[loss][:300]).predict(X)
            for unit in (1.0, 2.0**-30)
        )
        np.testing.assert_array_equal(in_cents * 2.0**-30, in_millions)
        assert in_cents.mean() == pytest.approx(y[loss].mean(), rel=0.25)


def test_tiny_positive_targets_are_finite():
    X = np.random.default_rng(0).normal(size=(100, 2))
    y = np.where(X[:, 0] > 0, 5e-324, 1e300)
    model = DCNRegressor(loss="gamma", **FAST).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


def test_nothing_ever_costs():
    X = np.random.default_rng(1).normal(size=(200, 3))
    predicted = DCNRegressor(loss="tweedie", **FAST).fit(X, np.zeros(200)).predict(X)
    assert ((predicted >= 0) & (predicted < 1)).all()


@pytest.mark.parametrize(
    ("loss", "bad", "wanted"),
    [
        ("gamma", 0.0, "numbers above 0 with loss='gamma'"),
        ("gamma", -1.0, "numbers above 0 with loss='gamma'"),
        ("tweedie", -1.0, "numbers of at least 0 with loss='tweedie'"),
        ("poisson", -1.0, "counts or rates of at least 0 with loss='poisson'"),
        ("log_loss", 1.5, "rates between 0 and 1 with loss='log_loss'"),
    ],
)
def test_targets_out_of_range(loss, bad, wanted, data):
    X, _ = data
    y = np.where(np.arange(200) == 77, bad, 0.5)
    with pytest.raises(ValueError, match=rf"y goes from .* to .*, want {wanted}"):
        DCNRegressor(loss=loss).fit(X[:200], y)
    good = np.full(200, 0.5)
    with pytest.raises(ValueError, match=rf"y_val goes from .*, want {wanted}"):
        DCNRegressor(loss=loss).fit(X[:200], good, X_val=X[:200], y_val=y)
    model = DCNRegressor(loss=loss, **FAST | {"max_iter": 1}).fit(X[:200], good)
    with pytest.raises(ValueError, match=rf"y goes from .*, want {wanted}"):
        model.score(X[:200], y)


BAD_OPTIONS = [
    (losses.Quantile([0.5, 0.1]), "loss: levels of Quantile is"),
    (losses.Quantile([]), "loss: levels of Quantile is"),
    (losses.Quantile([0.0, 0.5]), "loss: levels of Quantile is"),
    (losses.Huber(delta=-1), "loss: delta of Huber is -1"),
    (losses.Tweedie(power=2.5), "loss: power of Tweedie is 2.5"),
]


@pytest.mark.parametrize(("loss", "text"), BAD_OPTIONS)
def test_bad_options_are_refused_before_anything_is_read(loss, text):
    with pytest.raises(ValueError, match=text):
        DCNRegressor(loss=loss).fit("no table", None)


@pytest.mark.parametrize("loss", ["huber", "gamma", "tweedie", losses.Quantile(LEVELS)])
def test_a_weight_is_a_repetition(loss, data):
    X, y = data
    y = y["gamma"] if loss in ("gamma", "tweedie") else y["huber"]
    weight = np.where(np.arange(200) % 2, 2.0, 1.0)
    twice = np.repeat(np.arange(200), weight.astype(int))
    few = {"loss": loss, "early_stopping": False, "random_state": 0, "max_iter": 20, "n_members": 1}
    few |= {"dropout": 0.0, "cross_dropout": 0.0, "learning_rate_init": 3e-3, "dtype": "float64"}
    few |= {"numeric_scaling": "standard", "numeric_embedding": None}
    a = DCNRegressor(batch_size=200, **few).fit(X[:200], y[:200], sample_weight=weight)
    b = DCNRegressor(batch_size=300, **few).fit(X[twice], y[twice])
    np.testing.assert_allclose(a.predict(X[:200]), b.predict(X[:200]), rtol=1e-6)
    assert a.score(X[:200], y[:200], weight) == pytest.approx(b.score(X[twice], y[twice]), rel=1e-9)


def test_outliers_move_medians_and_centres_less(data):
    X, y = data
    truth, spoiled = y["truth"], y["huber"].copy()
    spoiled[:1000:50] += 1e4
    errors = {}
    for loss in ("squared_error", "absolute_error", losses.Huber(delta=0.05)):
        model = DCNRegressor(loss=loss, **FAST).fit(X[:1000], spoiled[:1000])
        errors[str(loss)] = np.median(np.abs(model.predict(X[1000:]) - truth[1000:]))
    squared, *robust = errors.values()
    assert max(robust) < squared / 4, errors


def test_options_are_parameters(data):
    X, y = data
    model = DCNRegressor(loss=losses.Quantile(0.5), **FAST | {"max_iter": 3})
    assert model.get_params()["loss__levels"] == 0.5
    search = GridSearchCV(model, {"loss__levels": [0.1, [0.1, 0.5]]}, cv=2, error_score="raise")
    assert search.fit(X[:200], y["quantile"][:200]).best_score_ < 1
    cloned = clone(model).set_params(loss__levels=[0.2, 0.8]).fit(X[:200], y["quantile"][:200])
    assert model.loss == losses.Quantile(0.5)
    before = cloned.predict(X)
    cloned.loss.levels.append(0.9)  # changes nothing that was fitted
    np.testing.assert_array_equal(cloned.predict(X), before)
    assert "Quantile(levels=[0.2, 0.8, 0.9])" in repr(cloned)


def test_a_warm_start_keeps_the_options(data):
    X, y = data
    model = DCNRegressor(loss=losses.Huber(), warm_start=True, **FAST | {"max_iter": 3})
    model.fit(X[:200], y["huber"][:200])
    model.set_params(loss__delta=1.0)
    with pytest.raises(ValueError, match=r"constants of loss was \(1.35,\), got \(1.0,\)"):
        model.fit(X[:200], y["huber"][:200])
    assert model.set_params(loss="huber").fit(X[:200], y["huber"][:200]).n_iter_ == 6


@pytest.mark.parametrize("loss", ["gamma", losses.Quantile(LEVELS)])
def test_held_out_rows_and_scorers(loss, data):
    model, X, y = fit(loss, data, early_stopping=True)
    assert len(model.validation_scores_) == model.n_iter_
    scoring = lambda model, X, y: model.score(X, y)  # noqa: E731
    scored, *_ = fit(loss, data, early_stopping=True, scoring=scoring)
    assert 0 < max(scored.validation_scores_) < 1
    folds, *_ = fit(loss, data, early_stopping="auto")
    assert folds.score(X, y) > 0.1


# ---- classes


@pytest.mark.parametrize(
    ("loss", "target", "outputs"),
    [("focal", "stars", 5), ("focal", "rare", 2), (losses.Focal(gamma=1, alpha=0.25), "rare", 2),
     ("ordinal", "stars", 4), ("ordinal", "rare", 1)],
)  # fmt: skip
def test_classes(loss, target, outputs, data, tmp_path):
    model, X, y = fit(loss, data, DCNClassifier, target)
    p = model.predict_proba(X)
    assert p.shape == (500, len(np.unique(y)))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), p, rtol=1e-9, atol=1e-300)
    assert model.shrinkage_.shape == (outputs,)
    assert model.decision_function(X).shape == ((500,) if target == "rare" else (500, 5))
    constant = np.tile(np.bincount(y.astype(int)) / len(y), (500, 1))
    assert log_loss(y, p) < 0.7 * log_loss(y, constant)
    same_when_saved(model, X, tmp_path, "predict_proba")


def test_focal_answers_are_less_sure(data):
    sure, X, y = fit("log_loss", data, DCNClassifier, "rare")
    focal, *_ = fit(losses.Focal(gamma=4), data, DCNClassifier, "rare")
    mean = np.abs(sure.predict_proba(X) - 0.5).mean(), np.abs(focal.predict_proba(X) - 0.5).mean()
    assert mean[1] < 0.8 * mean[0]
    assert focal.score(X, y) > 0.85


def test_alpha_moves_the_probabilities_of_two_classes(data):
    X, y = data
    means = [
        fit(losses.Focal(alpha=alpha), data, DCNClassifier, "rare")[0].predict_proba(X)[:, 1].mean()
        for alpha in (0.1, 0.9)
    ]
    assert means[1] > 1.5 * means[0]
    with pytest.raises(
        ValueError, match=r"alpha of Focal is 0\.5 and there are 5 classes, want two"
    ):
        DCNClassifier(loss=losses.Focal(alpha=0.5)).fit(X, y["stars"])


def test_class_weights_of_ordered_classes(data):
    X, y = data
    heavy = DCNClassifier(loss="ordinal", class_weight={0: 20.0}, **FAST).fit(X, y["stars"])
    plain = DCNClassifier(loss="ordinal", **FAST).fit(X, y["stars"])
    shares = [model.predict_proba(X)[:, 0].mean() for model in (plain, heavy)]
    assert shares[0] == pytest.approx((y["stars"] == 0).mean(), abs=0.05)
    assert shares[1] > 1.3 * shares[0]


@pytest.mark.parametrize("n", [20, 300, 2500])
@pytest.mark.parametrize("loss", ["ordinal", "focal"])
def test_classes_of_noise(loss, n):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(2 * n, 8)), rng.integers(0, 3, 2 * n)
    model = DCNClassifier(loss=loss, **FAST | {"max_iter": 5}).fit(X[:n], y[:n])
    assert log_loss(y[n:], model.predict_proba(X[n:]), labels=[0, 1, 2]) < 1.1 * np.log(3) + 8 / n


def test_more_than_float32_holds():
    X, y = np.random.default_rng(0).normal(size=(50, 2)), np.full(50, 1e39)
    small = {"max_iter": 1, "n_members": 1, "early_stopping": False, "hidden_layer_sizes": ()}
    model, plain = (
        DCNRegressor(loss="poisson", random_state=0, **small).fit(X, t) for t in (y, y / 1e39)
    )
    np.testing.assert_allclose(model.predict(X), 1e39 * plain.predict(X), rtol=1e-6)
    model._target = replace(model._target, scaler=None)  # as in files of before
    with pytest.raises(ValueError, match=r"y has 1e.39, want what float32 holds with loss"):
        model.partial_fit(X, y)


def test_counts_of_zero_alone_have_no_deviance_to_explain():
    X, y = np.random.default_rng(0).normal(size=(50, 2)), np.zeros(50)
    small = {"max_iter": 1, "n_members": 1, "early_stopping": False, "hidden_layer_sizes": ()}
    assert DCNRegressor(loss="poisson", **small).fit(X, y).score(X, y) == 0


@pytest.mark.parametrize("estimator", [DCNRegressor, DCNClassifier])
def test_too_few_rows_to_hold_some_out(estimator):
    y = [0, 1]
    with pytest.raises(ValueError, match="early_stopping holds out 2 of 2 rows with validation_fr"):
        estimator(early_stopping=True, validation_fraction=0.9).fit([[1.0], [2.0]], y)
    with pytest.raises(ValueError, match="early_stopping holds out 1 of 1 rows"):
        DCNRegressor(early_stopping=True).fit([[1.0]], [1.0])
