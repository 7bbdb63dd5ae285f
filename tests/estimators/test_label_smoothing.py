"""label_smoothing: what trains, and what judges."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from dcnfast import DCNRegressor

SMOOTHING = 0.3


def test_two_classes_train_as_smoothed_rates(table, classifier, regressor):
    """(1 - s) y + s / 2 by hand, by a regressor of rates: the same network but for rounding."""
    y = (table.binary == "yes").astype(float)
    fixed = {"dtype": "float64", "max_iter": 5}
    smoothed = classifier(label_smoothing=SMOOTHING, **fixed).fit(table.X, table.binary)
    rates = regressor(loss="log_loss", **fixed)
    rates.fit(table.X, (1 - SMOOTHING) * y + SMOOTHING / 2)
    np.testing.assert_allclose(smoothed.loss_curve_, rates.loss_curve_, rtol=1e-10)
    p = smoothed.predict_proba(table.X)[:, 1]
    np.testing.assert_allclose(p, rates.predict(table.X), rtol=1e-8)


@pytest.mark.parametrize("labels", ["binary", "multiclass"])
@pytest.mark.parametrize("loss", ["log_loss", "softmax"])
def test_probabilities_are_less_sure(loss, labels, table, classifier):
    y, sure = getattr(table, labels), []
    for smoothing in (0.0, SMOOTHING):
        model = classifier(loss=loss, max_iter=150, learning_rate_init=0.02, tol=None)
        model.set_params(label_smoothing=smoothing).fit(table.X, y)
        sure.append(model.predict_proba(table.X).max(axis=1))
        assert model.score(table.X, y) > 0.95
    n_classes = len(np.unique(y))
    target = 1 - SMOOTHING + SMOOTHING / n_classes
    assert np.median(sure[0]) > 0.98
    assert np.median(sure[1]) == pytest.approx(target, abs=0.05)


@pytest.mark.parametrize("labels", ["binary", "multiclass"])
def test_held_out_rows_are_judged_by_their_labels(labels, table, classifier):
    y = getattr(table, labels)
    model = classifier(label_smoothing=SMOOTHING, early_stopping=True, max_iter=1, dtype="float64")
    model.fit(table.X[:200], y[:200], X_val=table.X[200:], y_val=y[200:])
    true = -log_loss(y[200:], model.predict_proba(table.X[200:]))
    np.testing.assert_allclose(model.validation_scores_, [true], rtol=1e-10)


def test_folds_and_shrinkage_know_the_labels_too(table, classifier):
    """The score of the folds' best epoch beats what smoothed labels would cost at the least."""
    model = classifier(label_smoothing=0.8, early_stopping="auto", max_iter=60)
    model.set_params(learning_rate_init=0.02).fit(table.X, table.binary)
    entropy = -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))
    assert max(model.validation_scores_) > -entropy
    assert min(model.loss_curve_) >= entropy


def test_a_fit_that_goes_on_keeps_it(table, classifier):
    model = classifier(label_smoothing=SMOOTHING, warm_start=True).fit(table.X, table.binary)
    with pytest.raises(ValueError, match=r"warm_start: label_smoothing was 0.3, got 0.0"):
        model.set_params(label_smoothing=0.0).fit(table.X, table.binary)
    assert model.set_params(label_smoothing=SMOOTHING).fit(table.X, table.binary).n_iter_ == 16


def test_a_regressor_has_none():
    with pytest.raises(TypeError, match="label_smoothing"):
        DCNRegressor(label_smoothing=0.1)
