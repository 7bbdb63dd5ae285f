"""Stage 6: losses from logits, against the reference."""

import numpy as np
import pytest
import sklearn._loss as sklearn_losses

from dcnfast import ops, reference
from dcnfast.testing import central_difference

pytestmark = pytest.mark.usefixtures("isa")

# of a case the function and its options
LOSSES = {
    "squared_error": ("squared_error", {}),
    "log_loss": ("log_loss", {}),
    "softmax_loss": ("softmax_loss", {}),
    "poisson_loss": ("poisson_loss", {}),
    "absolute_error": ("absolute_error", {}),
    "huber_loss": ("huber_loss", {}),
    "huber_loss, wide": ("huber_loss", {"delta": 4.0}),
    "quantile_loss": ("quantile_loss", {}),
    "quantile_loss of 2": ("quantile_loss", {"levels": [0.2, 0.9]}),
    "gamma_loss": ("gamma_loss", {}),
    "tweedie_loss": ("tweedie_loss", {}),
    "tweedie_loss, steep": ("tweedie_loss", {"power": 1.9}),
    "focal_loss": ("focal_loss", {}),
    "focal_loss, flat": ("focal_loss", {"gamma": 0.5}),
    "ordinal_loss": ("ordinal_loss", {}),
    "multi_label_loss": ("multi_label_loss", {}),
}
CLASSES = ("softmax_loss", "focal_loss", "ordinal_loss")
SUMMED = ("quantile_loss of 2", "ordinal_loss")  # a logit adds to those before it
LOG_MEANS = ("poisson_loss", "gamma_loss", "tweedie_loss")
SMOOTHED = ["log_loss", "softmax_loss", "multi_label_loss"]
SIZES = [(0, 3), (1, 1), (2, 7), (5, 8), (5, 9), (3, 15), (3, 16), (3, 17), (13, 33), (193, 2)]


@pytest.fixture(params=LOSSES)
def loss(request):
    return request.param


def call(module, loss, *arrays):
    """Return loss and gradient of a case."""
    name, options = LOSSES[loss]
    return getattr(module, name)(*arrays, **options)


def quantiles(loss):
    return 2 if loss == "quantile_loss of 2" else 1


def draw(rng, loss, B, C, dtype, spread=3.0):
    name, _ = LOSSES[loss]
    logits = rng.normal(0, spread, (B, C * quantiles(loss)))
    if name in CLASSES:
        target = rng.integers(0, C + (name == "ordinal_loss"), (B, 1))
    elif name == "multi_label_loss":
        target = rng.choice([0, 1, np.nan], (B, C))
        target[:1] = 1
    elif name == "log_loss":
        target = rng.choice([0, 1, 0.25], (B, C))
    elif name in LOG_MEANS:
        target = rng.gamma(2.0, 1.0, (B, C)) if name == "gamma_loss" else rng.poisson(2.0, (B, C))
    else:
        target = rng.normal(size=(B, C))
    return [array.astype(dtype) for array in (logits, target, rng.uniform(0, 2, B))]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes(loss, size, weighted, dtype, rng, check_rounding):
    logits, target, weight = draw(rng, loss, *size, dtype)
    weight = weight if weighted else None
    double = [None if a is None else a.astype(np.float64) for a in (logits, target, weight)]
    want, want_gradient = call(reference, loss, *double)
    got, gradient = call(ops, loss, logits, target, weight)
    w = np.ones(size[0]) if weight is None else double[2]
    # Terms of a row are of the size of logit and target, each taken through exp or a square: that
    # many roundings each, then C of them are added; the sum over the rows runs in double.
    z, y = double[0], np.repeat(np.nan_to_num(double[1]), quantiles(loss), axis=1)
    sums = np.cumsum(1 + np.abs(z), axis=1) if loss in SUMMED else 1 + np.abs(z)
    row = (sums + np.abs(y)) ** 2
    if LOSSES[loss][0] in LOG_MEANS:
        row += (1 + np.abs(z)) * (np.exp(z) + 10 * y * np.exp(-z))
    n = size[1] + 24
    check_rounding(np.asarray(got, dtype), np.asarray(want), np.asarray(w @ row.sum(axis=1)), n)
    check_rounding(gradient, want_gradient, w[:, None] * (1 + row), n)
    assert gradient.dtype == dtype


@pytest.mark.parametrize("size", [(1, 2), (5, 9), (13, 3)], ids=str)
def test_gradient_is_the_slope(loss, size, rng):
    logits, target, weight = draw(rng, loss, *size, "float64")
    gradient = call(ops, loss, logits, target, weight)[1]
    for _ in range(5):
        direction = rng.choice([-1.0, 1.0], logits.shape)
        numeric = central_difference(
            lambda z: call(reference, loss, z, target, weight)[0], logits, direction
        )
        assert np.sum(gradient * direction) == pytest.approx(
            numeric, rel=1e-6, abs=1e-6 * np.linalg.norm(gradient)
        )


@pytest.mark.parametrize("smoothing", [0.05, 0.9])
@pytest.mark.parametrize("smoothed", SMOOTHED)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_smoothed_targets(smoothed, size, smoothing, dtype, rng, check_rounding):
    logits, target, weight = draw(rng, smoothed, *size, dtype)
    double = [a.astype(np.float64) for a in (logits, target, weight)]
    want, want_gradient = getattr(reference, smoothed)(*double, smoothing)
    got, gradient = getattr(ops, smoothed)(logits, target, weight, smoothing)
    w, row = double[2], (1 + np.abs(double[0]) + np.abs(np.nan_to_num(double[1]))) ** 2
    n = size[1] + 24
    check_rounding(np.asarray(got, dtype), np.asarray(want), np.asarray(w @ row.sum(axis=1)), n)
    check_rounding(gradient, want_gradient, w[:, None] * (1 + row), n)
    plain, plain_gradient = getattr(ops, smoothed)(logits, target, weight)
    if size[0] and size[1] > 1:  # one class is sure, whatever its target
        assert got != plain
        assert np.abs(gradient - plain_gradient).max() > 1e-3
    none, none_gradient = getattr(ops, smoothed)(logits, target, weight, smoothing=0)
    assert none == plain
    np.testing.assert_array_equal(none_gradient, plain_gradient)


@pytest.mark.parametrize("smoothed", SMOOTHED)
def test_gradient_of_smoothed_targets_is_the_slope(smoothed, rng):
    logits, target, weight = draw(rng, smoothed, 5, 9, "float64")
    gradient = getattr(ops, smoothed)(logits, target, weight, 0.3)[1]
    for _ in range(5):
        direction = rng.choice([-1.0, 1.0], logits.shape)
        numeric = central_difference(
            lambda z: getattr(ops, smoothed)(z, target, weight, 0.3)[0], logits, direction
        )
        assert np.sum(gradient * direction) == pytest.approx(numeric, rel=1e-6)


def test_smoothed_targets_by_hand():
    """Of two classes 0.9 and 0.1: the same by one logit and by two; least where p is 0.9."""
    z = np.log(9.0)
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    one, gradient = ops.log_loss(np.array([[z]]), np.array([[1.0]]), smoothing=0.2)
    two, gradients = ops.softmax_loss(np.array([[0.0, z]]), np.array([[1.0]]), smoothing=0.2)
    assert (one, two) == pytest.approx((entropy, entropy))
    np.testing.assert_allclose([gradient[0, 0], *gradients[0]], 0, atol=1e-15)


@pytest.mark.parametrize("smoothed", SMOOTHED)
@pytest.mark.parametrize("smoothing", [-0.1, 1.0, np.nan, np.inf])
def test_smoothing_out_of_range(smoothed, smoothing):
    target = np.zeros((2, 1 if smoothed == "softmax_loss" else 3))
    with pytest.raises(ValueError, match=f"{smoothed}: smoothing is .* less than 1"):
        getattr(ops, smoothed)(np.zeros((2, 3)), target, smoothing=smoothing)


@pytest.mark.parametrize("far", [20.0, 90.0, 800.0, 1e6])
def test_far_out_logits(loss, far, dtype):
    """Neither overflow nor log(0): a sure and wrong answer costs its log-odds."""
    name, _ = LOSSES[loss]
    if name in LOG_MEANS:
        pytest.skip("a log mean has no bound")
    logits = np.array([[far, -far], [-far, far]], dtype)
    target = np.full((2, 2 // quantiles(loss)), 3.0, dtype)  # between the logits
    if name in ("log_loss", "multi_label_loss"):
        target[:] = [[0], [1]]
    if name in CLASSES:
        target = np.ones((2, 1), dtype)
    got, gradient = call(ops, loss, logits, target)
    want, want_gradient = call(
        reference, loss, logits.astype(np.float64), target.astype(np.float64)
    )
    rtol = 8 * float(np.finfo(dtype).eps)
    assert got == pytest.approx(want, rel=rtol)
    # a difference of probability and target: absolute accuracy is all there is
    np.testing.assert_allclose(gradient, want_gradient, rtol=rtol, atol=rtol)


def test_log_means_far_out(dtype):
    """Zero counts are certain; a mean that the type does not hold is its largest number."""
    logits = np.array([[-20.0], [-90.0], [-800.0], [90.0], [800.0]], dtype)
    counts = np.array([[0], [0], [3], [0], [7]], dtype)
    got, gradient = ops.poisson_loss(logits, counts)
    assert np.isfinite(got)
    assert np.isfinite(gradient).all()
    top = 88.0 if dtype == "float32" else 709.0
    want = np.exp(np.minimum(logits.astype(float), top)) - counts
    rtol = 2e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(gradient, want, rtol=rtol, atol=1e-37)  # exp(-90) is denormal
    alone = [ops.poisson_loss(z[None], y[None])[0] for z, y in zip(logits, counts, strict=True)]
    assert alone[:3] == pytest.approx([np.exp(-20.0), 0, 2400], rel=1e-6)


def test_the_best_log_mean_is_that_of_the_mean(dtype, rng):
    counts = rng.poisson(3.0, (50, 1)).astype(dtype)
    weight = rng.uniform(0, 2, 50).astype(dtype)
    best = np.log(np.average(counts[:, 0].astype(float), weights=weight))
    gradient = ops.poisson_loss(np.full((50, 1), best, dtype), counts, weight)[1]
    assert np.abs(gradient).max() > 0.1
    assert gradient.sum() == pytest.approx(0, abs=1e-4)


def test_nan_is_not_swallowed(loss, dtype):
    logits = np.array([[np.nan, 1.0], [0.5, 1.0]], dtype)
    columns = 1 if LOSSES[loss][0] in CLASSES else 2 // quantiles(loss)
    target = np.ones((2, columns), dtype)
    got, gradient = call(ops, loss, logits, target)
    assert np.isnan(got)
    assert np.isnan(gradient[0]).any()
    alone = call(ops, loss, logits[1:], target[1:])[1]
    np.testing.assert_array_equal(gradient[1:], alone)
    assert np.isfinite(alone).all()
    assert alone.any()


@pytest.mark.parametrize("number", [-1.0, 3.0, np.nan])
def test_class_out_of_range(number):
    with pytest.raises(IndexError, match=r"softmax_loss: target\[1\] is class .*, want 0 to 2"):
        ops.softmax_loss(np.zeros((2, 3)), [[0], [number]])


@pytest.mark.parametrize(("function", "last"), [("focal_loss", 2), ("ordinal_loss", 3)])
def test_other_classes_out_of_range(function, last):
    with pytest.raises(IndexError, match=rf"{function}: target\[1\] is class .*, want 0 to {last}"):
        getattr(ops, function)(np.zeros((2, 3)), [[0], [last + 1]])
    assert np.isfinite(getattr(ops, function)(np.zeros((2, 3)), [[0], [last]])[0])


def test_alpha_weighs_two_classes(dtype, rng):
    logits, target, weight = draw(rng, "focal_loss", 193, 2, dtype)
    want = reference.focal_loss(*(a.astype(float) for a in (logits, target, weight)), 1.5, 0.2)
    got = ops.focal_loss(logits, target, weight, gamma=1.5, alpha=0.2)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    assert got[0] == pytest.approx(want[0], rel=rtol)
    np.testing.assert_allclose(got[1], want[1], rtol=rtol, atol=rtol)
    plain = ops.focal_loss(logits, target, weight, gamma=1.5)
    assert got[0] != pytest.approx(plain[0], rel=0.01)


def test_facts_of_the_losses(dtype, rng):
    logits, classes, weight = draw(rng, "focal_loss", 50, 4, dtype)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    flat, softmax = (
        ops.focal_loss(logits, classes, weight, 0),
        ops.softmax_loss(logits, classes, weight),
    )
    assert flat[0] == pytest.approx(softmax[0], rel=rtol)
    np.testing.assert_allclose(flat[1], softmax[1], rtol=10 * rtol, atol=rtol)
    two = rng.integers(0, 2, (50, 1)).astype(dtype)
    coin, ordered = ops.log_loss(logits[:, :1], two), ops.ordinal_loss(logits[:, :1], two)
    assert ordered[0] == pytest.approx(coin[0], rel=rtol)
    np.testing.assert_allclose(ordered[1], coin[1], rtol=rtol, atol=rtol)
    median = ops.quantile_loss(logits, logits[::-1].copy())
    absolute = ops.absolute_error(logits, logits[::-1].copy())
    assert 2 * median[0] == pytest.approx(absolute[0], rel=rtol)


ORACLES = {
    "squared_error": ("HalfSquaredError", {}, 2),
    "absolute_error": ("AbsoluteError", {}, 1),
    "huber_loss": ("HuberLoss", {}, 1),
    "quantile_loss": ("PinballLoss", {"quantile": 0.5}, 1),
    "poisson_loss": ("HalfPoissonLoss", {}, 1),
    "gamma_loss": ("HalfGammaLoss", {}, 1),
    "tweedie_loss": ("HalfTweedieLoss", {"power": 1.5}, 1),
    "log_loss": ("HalfBinomialLoss", {}, 1),
}


@pytest.mark.parametrize("loss", ORACLES)
def test_sklearn_has_the_same_losses(loss, rng):
    """But for what only the targets decide; of Huber's loss sklearn has delta as an attribute."""
    name, options, factor = ORACLES[loss]
    oracle = getattr(sklearn_losses, name)(**options)
    if loss == "huber_loss":
        oracle.closs.delta = 1.35
    logits, target, _ = draw(rng, loss, 40, 1, "float64")
    got, gradient = call(ops, loss, logits, target)
    other = call(ops, loss, 0.5 * logits, target)[0]
    want, want_gradient = oracle.loss_gradient(target[:, 0], logits[:, 0])
    want_other = oracle.loss(target[:, 0], 0.5 * logits[:, 0])
    np.testing.assert_allclose(gradient[:, 0], factor * want_gradient, rtol=1e-10, atol=1e-12)
    assert got - other == pytest.approx(factor * (want.sum() - want_other.sum()), rel=1e-9)


def test_missing_labels_count_for_nothing(dtype, rng):
    logits, target, weight = draw(rng, "multi_label_loss", 193, 3, dtype)
    weights = [0.5, 0.0, 2.0]
    got, gradient = ops.multi_label_loss(logits, target, weight, task_weights=weights)
    missing = np.isnan(target)
    assert (gradient[missing] == 0).all()
    assert (gradient[:, 1] == 0).all()
    assert (gradient[:, ::2][~missing[:, ::2]] != 0).all()
    each = [
        factor * ops.log_loss(logits[rows, c : c + 1], target[rows, c : c + 1], weight[rows])[0]
        for c, factor in enumerate(weights)
        for rows in [~missing[:, c]]
    ]
    assert got == pytest.approx(sum(each), rel=1e-5 if dtype == "float32" else 1e-12)


BAD = [
    ("huber_loss", {"delta": 0}, ValueError, "huber_loss: delta of Huber is 0, want a finite"),
    ("huber_loss", {"delta": "x"}, TypeError, "huber_loss: delta of Huber is 'x'"),
    ("quantile_loss", {"levels": [0.5, 0.1]}, ValueError, "quantile_loss: levels of Quantile is"),
    ("quantile_loss", {"levels": [0.1, 0.5]}, ValueError, "with 3 outputs is .*, want levels"),
    ("tweedie_loss", {"power": 2}, ValueError, "tweedie_loss: power of Tweedie is 2"),
    ("gamma_loss", {"power": 2}, TypeError, "gamma_loss.. got an unexpected keyword"),
    ("focal_loss", {"gamma": -1}, ValueError, "focal_loss: gamma of Focal is -1"),
    ("focal_loss", {"alpha": 0.3}, ValueError, "constants of 'focal' with 3 outputs"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "options", "error", "text"), BAD)
def test_bad_options_are_refused(function, options, error, text):
    with pytest.raises(error, match=text):
        getattr(ops, function)(np.zeros((2, 3)), np.ones((2, 1 if "focal" in function else 3)),
                               **options)  # fmt: skip
