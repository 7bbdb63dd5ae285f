"""Log-loss, normalised entropy and calibration, against scikit-learn and their definitions."""

import numpy as np
import pytest
from sklearn import calibration
from sklearn.metrics import log_loss

from dcnfast import metrics


def draw(n=500, dtype=np.float64):
    rng = np.random.default_rng(0)
    p = rng.random(n).astype(dtype)
    p[:4] = 0, 1, 1, 0
    y = rng.random(n) < p**1.5
    y[:4] = 0, 1, 0, 1
    return y, p, rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss(dtype, weighted):
    y, p, weight = draw(dtype=dtype)
    weight = weight if weighted else None
    want = log_loss(y, p, sample_weight=weight)
    assert metrics.log_loss(y, p, weight) == pytest.approx(
        want, rel=1e-6 if dtype == np.float32 else 1e-13
    )
    labels = np.where(y, "yes", "no")
    assert metrics.log_loss(labels, p, weight) == metrics.log_loss(y, p, weight)
    assert metrics.log_loss(y + 1, p, weight) == metrics.log_loss(y, p, weight)


def test_sure_mistakes_cost_what_the_text_says():
    assert metrics.log_loss([1], [0.0]) == pytest.approx(36.04, abs=0.01)
    assert metrics.log_loss([1], np.zeros(1, np.float32)) == pytest.approx(15.94, abs=0.01)
    assert metrics.log_loss([0, 0], [0, 0]) < 1e-15


def test_rates_are_rows_of_both_kinds():
    rates, p, counts = np.array([0.25, 0.5, 1]), np.array([0.3, 0.4, 0.9]), np.array([4, 2, 1])
    y = [1, 0, 0, 0, 1, 0, 1]
    each = np.repeat(p, counts)
    for metric in (metrics.log_loss, metrics.normalized_entropy, metrics.calibration_ratio):
        assert metric(rates, p, counts) == pytest.approx(metric(y, each), rel=1e-13)


def test_normalized_entropy():
    y, p, weight = draw()
    for w in (None, weight):
        mean = np.full(len(y), np.average(y, weights=w))
        want = log_loss(y, p, sample_weight=w) / log_loss(y, mean, sample_weight=w)
        assert metrics.normalized_entropy(y, p, w) == pytest.approx(want, rel=1e-12)
        assert metrics.normalized_entropy(y, mean, w) == pytest.approx(1, rel=1e-12)


def test_calibration_ratio():
    assert metrics.calibration_ratio([0, 1, 1, 0], [0.5, 0.5, 0.75, 0.25]) == 1
    assert metrics.calibration_ratio([0, 1], [0.5, 1.0]) == 1.5
    assert metrics.calibration_ratio([0, 1], [0.5, 1.0], [3, 1]) == 2.5
    assert metrics.calibration_ratio([0, 1], [0.0, 0.0]) == 0


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("n_bins", [1, 2, 5, 10])
def test_calibration_curve(strategy, n_bins):
    y, p, weight = draw(1000)
    p = (
        np.where(p < 0.9, p, 0.2)
        if strategy == "uniform"
        else np.random.default_rng(1).random(1000)
    )
    curve = metrics.calibration_curve(y, p, n_bins=n_bins, strategy=strategy)
    want = calibration.calibration_curve(y, p, n_bins=n_bins, strategy=strategy)
    np.testing.assert_allclose(curve[:2], want, rtol=1e-12)
    assert curve.weight.sum() == 1000
    if strategy == "quantile":
        assert set(curve.weight) == {1000 / n_bins}
    weighted = metrics.calibration_curve(y, p, weight, n_bins=n_bins, strategy=strategy)
    rows = np.repeat(np.arange(1000), weight.astype(int))
    repeated = metrics.calibration_curve(y[rows], p[rows], n_bins=n_bins, strategy=strategy)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-12)


@pytest.mark.parametrize("unit", [7.0, 1e-310, 1e305])
def test_the_unit_of_weights_does_not_matter(unit):
    y, p, weight = draw(100)
    weight = weight + 1
    for metric in (metrics.log_loss, metrics.normalized_entropy, metrics.auc):
        assert metric(y, p, unit * weight) == pytest.approx(metric(y, p, weight), rel=1e-9)
    one, other = (metrics.calibration_curve(y, p, w) for w in (weight, unit * weight))
    np.testing.assert_allclose(other[:2], one[:2], rtol=1e-9)
    np.testing.assert_allclose(other.weight, unit * one.weight, rtol=1e-6)
    equal = metrics.calibration_curve(y, p, np.full(100, unit))
    np.testing.assert_allclose(equal.weight, unit * metrics.calibration_curve(y, p).weight)


def test_rows_of_one_probability_stay_in_one_bin():
    curve = metrics.calibration_curve([0, 1, 1, 0, 1], [0.5, 0.5, 0.5, 0.5, 0.7], n_bins=4)
    np.testing.assert_allclose(curve, [[0.5, 1], [0.5, 0.7], [4, 1]])


ALL = [
    metrics.log_loss, metrics.normalized_entropy, metrics.calibration_ratio,
    metrics.calibration_curve,
]  # fmt: skip


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([0, 1], [0.1, 1.5]), r"y_pred is 1.5 in row 1, want probabilities in \[0, 1\]"),
        (([0, 1], [-0.1, 0.5]), "y_pred is -0.1 in row 0"),
        (([0, 1], [0.1, np.nan]), "y_pred has NaN in row 1"),
        (([0, 1, 2], [0.1, 0.1, 0.1]), "y_true has 0, 1 and 2, want two labels"),
        (([3, 3], [0.1, 0.1]), "y_true has one label, 3, want two"),
        (([0, 1], [0.1, 0.2], [0, 0]), "sample_weight is 0 in all rows"),
        (([0, 1], [0.1, 0.2, 0.3]), "y_true has 2 rows and y_pred 3"),
    ],
)
def test_bad_input(metric, arguments, text):
    with pytest.raises(ValueError, match=text):
        metric(*arguments)


def test_one_class():
    assert metrics.log_loss([1, 1], [0.5, 0.5]) == pytest.approx(np.log(2))
    assert metrics.calibration_ratio([1, 1], [0.5, 0.5]) == 0.5
    for y in ([1, 1], [0, 0]):
        with pytest.raises(ValueError, match=f"y_true is {y[0]} in all rows with a weight"):
            metrics.normalized_entropy(y, [0.5, 0.5])
    with pytest.raises(ValueError, match="y_true is 0 in all rows with a weight"):
        metrics.calibration_ratio([0, 1], [0.5, 0.5], [1, 0])


@pytest.mark.parametrize("n_bins", [0, 1.5, True, None])
def test_bad_number_of_bins(n_bins):
    with pytest.raises(ValueError, match=r"n_bins is .*, want an integer of at least 1"):
        metrics.calibration_curve([0, 1], [0.1, 0.2], n_bins=n_bins)


def test_bad_strategy():
    with pytest.raises(ValueError, match="strategy is 'equal', want 'quantile' or 'uniform'"):
        metrics.calibration_curve([0, 1], [0.1, 0.2], strategy="equal")
