"""Stage 5: the head reads both parts without laying them side by side."""

import numpy as np
import pytest

from dcnfast import ops, reference

pytestmark = pytest.mark.usefixtures("isa")


def draw(rng, B, D, H, C, dtype):
    shapes = [(B, C), (B, D), (B, H), (C, D + H), (C,)]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def check(rng, B, D, H, C, dtype, check_rounding):
    arrays = draw(rng, B, D, H, C, dtype)
    double = [array.astype(np.float64) for array in arrays]
    magnitude = [np.abs(array) for array in double]
    n = D + H + C + B + 4  # additions of the longest chain
    got = ops.combine(*arrays[1:])
    assert got.dtype == dtype
    check_rounding(got, reference.combine(*double[1:]), reference.combine(*magnitude[1:]), n)
    check_rounding(
        ops.combine_backward(*arrays),
        reference.combine_backward(*double),
        reference.combine_backward(*magnitude),
        n,
    )


@pytest.mark.parametrize("D_is_wide", [True, False])
def test_sizes(D_is_wide, size, dtype, rng, check_rounding):
    rows, width = size
    check(rng, rows, *((width, 3) if D_is_wide else (3, width)), 2, dtype, check_rounding)


@pytest.mark.parametrize("C", [1, 7, 8, 9, 15, 16, 17, 33])
@pytest.mark.parametrize(("D", "H"), [(17, 9), (17, 0), (0, 9)])
def test_outputs(C, D, H, dtype, rng, check_rounding):
    check(rng, 13, D, H, C, dtype, check_rounding)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (13, 9, 17, 3), (5, 0, 7, 2), (5, 7, 0, 9)])
def test_backward_is_the_slope(shape, rng, check_gradients):
    dlogits, *arrays = draw(rng, *shape, "float64")
    check_gradients(ops.combine_backward(dlogits, *arrays), reference.combine, dlogits, *arrays)
