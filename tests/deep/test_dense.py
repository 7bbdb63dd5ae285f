"""Stage 4: dense layers with their activation, against the reference."""

import numpy as np
import pytest

from dcnfast import ops, reference

pytestmark = pytest.mark.usefixtures("isa")

ACTIVATIONS = ["identity", "relu", "tanh", "sigmoid", "gelu"]


def draw(rng, B, inputs, outputs, dtype):
    """Return dhn, h, W, b on grids, so that no z lies near relu's kink.

    h and W are multiples of 1/8, b odd multiples of 1/128: so is z, and |z| is at least 1/128.
    """
    h, W = rng.integers(-8, 9, (B, inputs)) / 8, rng.integers(-4, 5, (outputs, inputs)) / 8
    b = (2 * rng.integers(-32, 32, outputs) + 1) / 128
    return [array.astype(dtype) for array in (rng.normal(size=(B, outputs)), h, W, b)]


def magnitudes(dhn, h, W, b):
    """Bounds of what forward and backward add up.

    Every activation has slopes below 1.2 and curvature below 1, so an error of z passes on
    that much, and the gradient gets the error of the slope on top.
    """
    dhn, h, W, b = (np.abs(array) for array in (dhn, h, W, b))
    z = reference.dense(h, W, b)
    return 1 + 1.2 * z, reference.dense_backward(dhn * (2 + z), h, W, b)


def check(rng, B, inputs, outputs, dtype, activation, check_rounding):
    arrays = draw(rng, B, inputs, outputs, dtype)
    double = [array.astype(np.float64) for array in arrays]
    forward, backward = magnitudes(*double)
    n = inputs + outputs + B + 24  # the elementary functions are good to a few roundings
    got = ops.dense(*arrays[1:], activation)
    assert got.dtype == dtype
    check_rounding(got, reference.dense(*double[1:], activation), forward, n)
    check_rounding(
        ops.dense_backward(*arrays, activation),
        reference.dense_backward(*double, activation),
        backward,
        n,
    )


@pytest.mark.parametrize("turned", [False, True], ids=["inputs", "outputs"])
def test_sizes(turned, size, dtype, rng, check_rounding):
    rows, width = size
    check(rng, rows, *((5, width) if turned else (width, 5)), dtype, "relu", check_rounding)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(13, 17, 33), (5, 40, 7)])
def test_activations(activation, shape, dtype, rng, check_rounding):
    check(rng, *shape, dtype, activation, check_rounding)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (13, 9, 17), (5, 33, 7)])
def test_backward_is_the_slope(activation, shape, rng, check_gradients):
    dhn, *arrays = draw(rng, *shape, "float64")
    check_gradients(
        ops.dense_backward(dhn, *arrays, activation),
        lambda *a: reference.dense(*a, activation),
        dhn,
        *arrays,
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_far_out(activation, dtype):
    """From next to nothing to nearly infinite: still the reference, and the gradient as well."""
    top = np.finfo(dtype).max / 8
    z = np.array([1e-30, 1e-8, 1e-3, 0.5, 1, 5, 9, 15, 40, 88, 100, 700, 1e4, top], dtype)
    z = np.concatenate([-z[::-1], z])[:, None]
    one, zero = np.ones((1, 1), dtype), np.zeros(1, dtype)
    double = z.astype(np.float64)
    rtol = 40 * np.finfo(dtype).eps
    with np.errstate(over="ignore", invalid="ignore"):  # the reference's z**3
        want = reference.dense(double, one, zero, activation)
    # gelu is z times a difference from 1: its left tail has the absolute accuracy of that
    scale = np.abs(double) if activation == "gelu" else np.abs(want)
    tiny = np.finfo(dtype).tiny * 1e2
    got = ops.dense(z, one, zero, activation)
    assert (np.abs(got - want) <= rtol * scale + tiny).all()
    dz = ops.dense_backward(np.ones_like(z), z, one, zero, activation)[0]
    with np.errstate(over="ignore", invalid="ignore"):
        slope = reference.dense_backward(np.ones_like(double), double, one, zero, activation)[0]
    # far out gelu is z or 0, where the reference has infinity times 0
    slope = np.where(np.abs(double) > 1e4, double > 0, slope) if activation == "gelu" else slope
    assert np.isfinite(slope).all()
    assert (np.abs(dz - slope) <= rtol * (1 + np.abs(double) * (np.abs(double) < 20))).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_passes(activation, dtype):
    """A NaN that an activation swallows would hide a network that diverged."""
    h = np.array([[np.nan], [1.0]], dtype)
    got = ops.dense(h, np.ones((1, 1), dtype), np.zeros(1, dtype), activation)
    assert np.isnan(got[0, 0])
    assert np.isfinite(got[1, 0])
