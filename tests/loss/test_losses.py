"""Stage 6: losses from logits, against the reference."""

import numpy as np
import pytest

from dcnfast import ops, reference
from dcnfast.testing import central_difference

pytestmark = pytest.mark.usefixtures("isa")

LOSSES = ["squared_error", "log_loss", "softmax_loss", "poisson_loss"]
SMOOTHED = ["log_loss", "softmax_loss"]
SIZES = [(0, 3), (1, 1), (2, 7), (5, 8), (5, 9), (3, 15), (3, 16), (3, 17), (13, 33), (193, 2)]


@pytest.fixture(params=LOSSES)
def loss(request):
    return request.param


def draw(rng, loss, B, C, dtype, spread=3.0):
    logits = rng.normal(0, spread, (B, C))
    if loss == "softmax_loss":
        target = rng.integers(0, C, (B, 1))
    elif loss == "log_loss":
        target = rng.choice([0, 1, 0.25], (B, C))
    elif loss == "poisson_loss":
        target = rng.poisson(2.0, (B, C))
    else:
        target = rng.normal(size=(B, C))
    return [array.astype(dtype) for array in (logits, target, rng.uniform(0, 2, B))]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes(loss, size, weighted, dtype, rng, check_rounding):
    logits, target, weight = draw(rng, loss, *size, dtype)
    weight = weight if weighted else None
    double = [None if a is None else a.astype(np.float64) for a in (logits, target, weight)]
    want, want_gradient = getattr(reference, loss)(*double)
    got, gradient = getattr(ops, loss)(logits, target, weight)
    w = np.ones(size[0]) if weight is None else double[2]
    # Terms of a row are of the size of logit and target, each taken through exp or a square: that
    # many roundings each, then C of them are added; the sum over the rows runs in double.
    row = (1 + np.abs(double[0]) + np.abs(double[1])) ** 2
    if loss == "poisson_loss":
        row += (1 + np.abs(double[0])) * np.exp(double[0])
    n = size[1] + 24
    check_rounding(np.asarray(got, dtype), np.asarray(want), np.asarray(w @ row.sum(axis=1)), n)
    check_rounding(gradient, want_gradient, w[:, None] * (1 + row), n)
    assert gradient.dtype == dtype


@pytest.mark.parametrize("size", [(1, 2), (5, 9), (13, 3)], ids=str)
def test_gradient_is_the_slope(loss, size, rng):
    logits, target, weight = draw(rng, loss, *size, "float64")
    gradient = getattr(ops, loss)(logits, target, weight)[1]
    for _ in range(5):
        direction = rng.choice([-1.0, 1.0], size)
        numeric = central_difference(
            lambda z: getattr(reference, loss)(z, target, weight)[0], logits, direction
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
    w, row = double[2], (1 + np.abs(double[0]) + np.abs(double[1])) ** 2
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
    with pytest.raises(ValueError, match=f"{smoothed}: smoothing is .* less than 1"):
        getattr(ops, smoothed)(np.zeros((2, 3)), np.zeros((2, 1 + 2 * (smoothed == "log_loss"))),
                               smoothing=smoothing)  # fmt: skip


@pytest.mark.parametrize("far", [20.0, 90.0, 800.0, 1e6])
def test_far_out_logits(loss, far, dtype):
    """Neither overflow nor log(0): a sure and wrong answer costs its log-odds."""
    if loss == "poisson_loss":
        pytest.skip("a log mean has no bound")
    logits = np.array([[far, -far], [-far, far]], dtype)
    target = {"softmax_loss": [[1], [1]], "log_loss": [[0, 0], [1, 1]]}.get(loss, [[0, 0], [0, 0]])
    target = np.array(target, dtype)
    got, gradient = getattr(ops, loss)(logits, target)
    want, want_gradient = getattr(reference, loss)(
        logits.astype(np.float64), target.astype(np.float64)
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
    target = np.zeros((2, 1 if loss == "softmax_loss" else 2), dtype)
    got, gradient = getattr(ops, loss)(logits, target)
    assert np.isnan(got)
    assert np.isnan(gradient[0]).any()
    alone = getattr(ops, loss)(logits[1:], target[1:])[1]
    np.testing.assert_array_equal(gradient[1:], alone)
    assert np.isfinite(alone).all()
    assert alone.any()


@pytest.mark.parametrize("number", [-1.0, 3.0, np.nan])
def test_class_out_of_range(number):
    with pytest.raises(IndexError, match=r"softmax_loss: target\[1\] is class .*, want 0 to 2"):
        ops.softmax_loss(np.zeros((2, 3)), [[0], [number]])
