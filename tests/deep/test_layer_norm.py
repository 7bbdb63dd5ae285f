"""Stage 4: layer normalisation, against the reference."""

import numpy as np
import pytest

from dcnfast import ops, reference
from dcnfast.testing import assert_close_in_norm

pytestmark = pytest.mark.usefixtures("isa")


def draw(rng, B, outputs, dtype, mean=0.5):
    shapes = (B, outputs), (B, outputs), (outputs,), (outputs,)
    dy, z, scale, shift = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    return dy, z + np.dtype(dtype).type(mean), scale, shift


def magnitudes(dy, z, scale, shift):
    """Bounds of what is added up.

    z - mean is off by roundings of z, that is ``far`` deviations; so is the deviation, in its own
    size. Everything that is divided by the deviation inherits both.
    """
    deviation = np.sqrt(z.var(axis=1, keepdims=True) + reference.NORM_EPSILON)
    far = 1 + np.abs(z).max(axis=1, keepdims=True, initial=0) / deviation
    x = 1 + np.abs(z - z.mean(axis=1, keepdims=True)) / deviation
    s = np.abs(dy * scale)
    mean_s, mean_sx = (m.mean(axis=1, keepdims=True) for m in (s, s * x))
    dz = far / deviation * (s + mean_s + 2 * x * mean_sx)
    forward = np.abs(scale) * far * x + np.abs(shift)
    return forward, (dz, (np.abs(dy) * far * x).sum(axis=0), np.abs(dy).sum(axis=0))


def check(arrays, check_rounding, norm=256):
    double = [array.astype(np.float64) for array in arrays]
    forward, backward = magnitudes(*double)
    B, outputs = arrays[0].shape
    got = ops.layer_norm(*arrays[1:])
    assert got.dtype == arrays[0].dtype
    check_rounding(got, reference.layer_norm(*double[1:]), forward, outputs + 8, norm)
    check_rounding(
        ops.layer_norm_backward(*arrays),
        reference.layer_norm_backward(*double),
        backward,
        2 * outputs + B + 16,
        norm,
    )


def test_sizes(size, dtype, rng, check_rounding):
    check(draw(rng, *size, dtype), check_rounding)


@pytest.mark.parametrize("mean", [-1e3, 30.0])
def test_far_from_zero(mean, dtype, rng, check_rounding):
    """Mean of squares minus square of the mean would lose every digit in float32."""
    check(draw(rng, 5, 41, dtype, mean), check_rounding, norm=4 * abs(mean))


@pytest.mark.parametrize("outputs", [1, 9, 16, 17])
@pytest.mark.parametrize("value", [0.0, 3.0, 1e6])
def test_constant_row(outputs, value, dtype, rng):
    """No variance: the shift is left, and the gradient is that of the root of 1e-5."""
    z = np.full((3, outputs), value, dtype)
    dy, scale, shift = (rng.normal(size=s).astype(dtype) for s in (z.shape, outputs, outputs))
    np.testing.assert_array_equal(ops.layer_norm(z, scale, shift), np.tile(shift, (3, 1)))
    dz, dscale, dshift = ops.layer_norm_backward(dy, z, scale, shift)
    double = (a.astype(np.float64) for a in (dy, z, scale, shift))
    eps = float(np.finfo(dtype).eps)
    assert_close_in_norm(dz, reference.layer_norm_backward(*double)[0], 64 * eps)
    assert not dscale.any()
    np.testing.assert_allclose(dshift, dy.sum(axis=0), rtol=10 * np.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 2), (13, 17), (5, 33)])
def test_backward_is_the_slope(shape, rng, check_gradients):
    dy, *arrays = draw(rng, *shape, "float64")
    check_gradients(ops.layer_norm_backward(dy, *arrays), reference.layer_norm, dy, *arrays)


def test_a_row_does_not_depend_on_the_others(dtype, rng):
    dy, z, scale, shift = draw(rng, 40, 21, dtype)
    y, dz = ops.layer_norm(z, scale, shift), ops.layer_norm_backward(dy, z, scale, shift)[0]
    for rows in (slice(0, 1), slice(7, 20), slice(None, None, -1)):
        np.testing.assert_array_equal(ops.layer_norm(z[rows], scale, shift), y[rows])
        got = ops.layer_norm_backward(dy[rows], z[rows], scale, shift)[0]
        np.testing.assert_array_equal(got, dz[rows])


def test_infinity_and_nan_stay_in_their_row(dtype, rng):
    _, z, scale, shift = draw(rng, 4, 9, dtype)
    z[1, 3], z[2, 8] = np.nan, np.inf
    y = ops.layer_norm(z, scale, shift)
    assert np.isnan(y[1:3]).all()
    np.testing.assert_array_equal(y[[0, 3]], ops.layer_norm(z[[0, 3]], scale, shift))
    assert np.isfinite(y[[0, 3]]).all()
