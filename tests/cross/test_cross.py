"""Stage 3: the three cross forms, forward and backward, against the reference."""

import numpy as np
import pytest

from dcnfast import ops, reference

pytestmark = pytest.mark.usefixtures("isa")

KINDS = ["vector", "matrix", "lowrank"]
RANKS = {"vector": 0, "matrix": 0, "lowrank": 3}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def draw(rng, kind, B, D, L, dtype, R=3):
    """Return (x0, parameters, diag_scale if the form has it) of order one at every depth."""
    scale = {
        "vector": [(L, D)],
        "matrix": [(L, D, D)],
        "lowrank": [(L, D, R), (L, R, D)],
    }[kind]
    width = max(D, 1)
    weights = [rng.normal(0, 1 / np.sqrt(width), size=shape) for shape in scale]
    arrays = [rng.normal(0, 0.7, (B, D)), *weights, rng.normal(0, 0.5, (L, D))]
    return [array.astype(dtype) for array in arrays]


def double(arrays):
    return [np.asarray(array, np.float64) for array in arrays]


def magnitude(arrays):
    """Absolute values: the cross forms have only sums of products, so they bound every term."""
    return [np.abs(array) for array in double(arrays)]


def functions(kind):
    name = f"cross_{kind}"
    return tuple(
        getattr(module, name + suffix)
        for suffix in ("", "_backward")
        for module in (ops, reference)
    )


def roundings(B, D, L, R=3):
    """Forward: D (+ R) additions and five more a layer. Backward: as much again, and B rows."""
    return 2 * (L + 1) * (D + R + 8) + B + 16


def check_both(kind, B, D, L, dtype, rng, check_rounding, extra=(), R=3):
    forward, want_forward, backward, want_backward = functions(kind)
    arrays = draw(rng, kind, B, D, L, dtype, R)
    dxL = rng.normal(size=(B, D)).astype(dtype)
    n = roundings(B, D, L, R)
    got = forward(*arrays, *extra)
    assert got.dtype == dtype
    check_rounding(
        got, want_forward(*double(arrays), *extra), want_forward(*magnitude(arrays), *extra), n
    )
    both = [dxL, *arrays]
    check_rounding(
        backward(*both, *extra),
        want_backward(*double(both), *extra),
        want_backward(*magnitude(both), *extra),
        n,
    )


def test_sizes(kind, size, dtype, rng, check_rounding):
    check_both(kind, *size, 2, dtype, rng, check_rounding)


@pytest.mark.parametrize("L", [0, 1, 2, 3, 4, 7])
def test_layers(kind, L, dtype, rng, check_rounding):
    check_both(kind, 7, 19, L, dtype, rng, check_rounding)


@pytest.mark.parametrize("R", [1, 2, 7, 8, 9, 16, 17, 33])
def test_ranks(R, dtype, rng, check_rounding):
    check_both("lowrank", 7, 19, 3, dtype, rng, check_rounding, R=R)


@pytest.mark.parametrize("kind", ["matrix", "lowrank"])
@pytest.mark.parametrize("L", [1, 3])
def test_diag_scale(kind, L, dtype, rng, check_rounding):
    check_both(kind, 13, 17, L, dtype, rng, check_rounding, extra=(0.3,))


def test_more_tiles_than_lanes(kind, dtype, rng, check_rounding):
    """17 tiles and 16 sums of gradients: one of them takes two tiles."""
    check_both(kind, 16 * 192 + 1, 5, 3, dtype, rng, check_rounding)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 9, 2), (13, 17, 3), (193, 7, 4), (3, 33, 7)])
def test_backward_is_the_slope(kind, shape, rng, check_gradients):
    _, want_forward, backward, _ = functions(kind)
    arrays = draw(rng, kind, *shape, "float64")
    dxL = rng.normal(size=arrays[0].shape)
    check_gradients(backward(dxL, *arrays), want_forward, dxL, *arrays)


@pytest.mark.parametrize("kind", ["matrix", "lowrank"])
def test_backward_is_the_slope_with_diag_scale(kind, rng, check_gradients):
    _, want_forward, backward, _ = functions(kind)
    arrays = draw(rng, kind, 13, 9, 3, "float64")
    dxL = rng.normal(size=arrays[0].shape)
    check_gradients(backward(dxL, *arrays, 0.3), lambda *a: want_forward(*a, 0.3), dxL, *arrays)


def test_threads_give_the_same_bits(kind, dtype, rng):
    forward, _, backward, _ = functions(kind)
    arrays = draw(rng, kind, 1000, 17, 3, dtype)
    dxL = rng.normal(size=(1000, 17)).astype(dtype)
    one = [forward(*arrays, n_jobs=1), *backward(dxL, *arrays, n_jobs=1)]
    for n_jobs in (2, 3, 4, 7):
        more = [forward(*arrays, n_jobs=n_jobs), *backward(dxL, *arrays, n_jobs=n_jobs)]
        assert all(np.array_equal(a, b) for a, b in zip(one, more, strict=True)), n_jobs


def test_a_row_does_not_depend_on_the_others(kind, dtype, rng):
    forward, _, backward, _ = functions(kind)
    x0, *parameters = draw(rng, kind, 200, 21, 3, dtype)
    dxL = rng.normal(size=x0.shape).astype(dtype)
    xL, dx0 = forward(x0, *parameters), backward(dxL, x0, *parameters)[0]
    for rows in (slice(0, 1), slice(7, 20), slice(150, 200), slice(None, None, -1)):
        np.testing.assert_array_equal(forward(x0[rows], *parameters), xL[rows])
        np.testing.assert_array_equal(backward(dxL[rows], x0[rows], *parameters)[0], dx0[rows])
