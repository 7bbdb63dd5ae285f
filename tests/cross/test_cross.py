"""Stage 3: the cross forms, forward and backward, against the reference."""

from functools import partial

import numpy as np
import pytest

from dcnfast import ops, reference
from dcnfast.network.crosses import CROSSES
from dcnfast.testing import assert_close_in_norm

pytestmark = pytest.mark.usefixtures("isa")

KINDS = list(CROSSES)
# absolute values bound no gate and no norm
BENT = ("gated", "mixture", "exponential", "onlydense")
# options with which a kind has all its tensors
OPTIONS = {"mixture": {"gating": "softmax", "preactivation": "tanh"}}
EXPERTS = 2


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def draw(rng, kind, B, D, L, dtype, R=3):
    """Return (x0, parameters, diag_scale if the form has it) of order one at every depth."""
    scale = {
        "vector": [(L, D)],
        "matrix": [(L, D, D)],
        "lowrank": [(L, D, R), (L, R, D)],
        "gated": [(L, D, D), (L, D, D)],
        "mixture": [
            (L, EXPERTS, D, R), (L, EXPERTS, R, D), (L, EXPERTS, R, R), (L, EXPERTS, D),
        ],
        "exponential": [(L, (D + 1) // 2, D), (L, (D + 1) // 2), (L, (D + 1) // 2)],
        "onlydense": [(L, D, D)],
    }[kind]  # fmt: skip
    width = max(D, 1)
    weights = [rng.normal(0, 1 / np.sqrt(width), size=shape) for shape in scale]
    bias = rng.normal(0, 0.5, (L, D))
    if kind == "exponential":  # whose products have the degree 2^L
        weights, bias = [0.2 * weight for weight in weights], 0.1 * bias
    if kind == "onlydense":  # which has the same degree, and is small where x is
        weights, bias = [0.2 * weight for weight in weights], bias + 1
    arrays = [rng.normal(0, 0.7, (B, D)), *weights, bias]
    return [array.astype(dtype) for array in arrays]


def double(arrays):
    return [np.asarray(array, np.float64) for array in arrays]


def magnitude(arrays):
    """Absolute values: the cross forms have only sums of products, so they bound every term."""
    return [np.abs(array) for array in double(arrays)]


def functions(kind):
    name = f"cross_{kind}"
    return tuple(
        partial(getattr(module, name + suffix), **OPTIONS.get(kind, {}))
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
    if kind in BENT:  # close in the norm, each result
        results = [got, *backward(dxL, *arrays)]
        wanted = [want_forward(*double(arrays)), *want_backward(*double([dxL, *arrays]))]
        for one, want in zip(results, wanted, strict=True):
            assert_close_in_norm(one, want, 1e3 * float(np.finfo(dtype).eps))
        return
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


@pytest.mark.parametrize("D", [9, 33, 64, 113, 200])
def test_a_row_alone(kind, D, dtype, rng):
    """It takes more columns of weights at a time than rows together do, and has the same bits."""
    forward, _, backward, _ = functions(kind)
    x0, *parameters = draw(rng, kind, 14, D, 2, dtype)
    dxL = rng.normal(size=x0.shape).astype(dtype)
    xL, dx0 = forward(x0, *parameters), backward(dxL, x0, *parameters)[0]
    for row in range(14):
        alone = slice(row, row + 1)
        np.testing.assert_array_equal(forward(x0[alone], *parameters), xL[alone])
        np.testing.assert_array_equal(backward(dxL[alone], x0[alone], *parameters)[0], dx0[alone])


@pytest.mark.parametrize("L", [1, 3, 4])
def test_results_that_fit_no_cache(L, rng, check_rounding):
    """From 8 MB on they go past the caches, in whole lines."""
    check_both("vector", 2051, 1024, L, np.float32, rng, check_rounding)


def test_results_are_kept_while_someone_has_them(rng):
    """The memory of a large result is used again, but not before it is dropped."""
    x0, w, b = draw(rng, "vector", 2048, 1024, 3, np.float32)
    few, W, biases = draw(rng, "matrix", 4, 600, 3, np.float32)
    xL = ops.cross_vector(x0, w, b)
    dW = ops.cross_matrix_backward(few, few, W, biases)[1]  # a part of what else is dropped
    want = xL.copy(), dW.copy()
    for _ in range(3):
        ops.cross_vector(-x0, w, b)
        ops.cross_matrix_backward(-few, few, W, biases)
    np.testing.assert_array_equal(xL, want[0])
    np.testing.assert_array_equal(dW, want[1])
    assert xL.flags.writeable
    assert dW.flags.writeable


@pytest.mark.parametrize("R", [1, 2, 7, 8, 9, 16, 17, 33])
def test_ranks(R, dtype, rng, check_rounding):
    check_both("lowrank", 7, 19, 3, dtype, rng, check_rounding, R=R)


@pytest.mark.parametrize("kind", ["matrix", "lowrank"])
@pytest.mark.parametrize("L", [1, 3])
def test_diag_scale(kind, L, dtype, rng, check_rounding):
    check_both(kind, 13, 17, L, dtype, rng, check_rounding, extra=(0.3,))


def draw_on_a_grid(rng, kind, B, D, dtype, R=3):
    """Return dxL, x0 and parameters of one layer whose z is exact, and nowhere near relu's kink.

    x and the weights are multiples of 1/8 (of 1/4 each for U and V), b is an odd multiple of
    1/1024: so is z, and |z| is at least that.
    """
    x0 = rng.integers(-8, 9, (B, D)) / 8
    shapes = [(1, D, D)] if kind == "matrix" else [(1, D, R), (1, R, D)]
    weights = [rng.integers(-3, 4, shape) / (8 if kind == "matrix" else 4) for shape in shapes]
    b = (2 * rng.integers(-256, 256, (1, D)) + 1) / 1024
    return [array.astype(dtype) for array in (rng.normal(size=(B, D)), x0, *weights, b)]


ACTIVATIONS = ["relu", "tanh", "sigmoid", "gelu"]


@pytest.mark.parametrize("preactivation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["matrix", "lowrank"])
def test_preactivation(kind, preactivation, size, dtype, rng, check_rounding):
    """Slopes of all of them are below 1.2 and curvatures below 1: that much an error passes on."""
    forward, want_forward, backward, want_backward = functions(kind)
    dxL, *arrays = draw_on_a_grid(rng, kind, *size, dtype)
    option = {"diag_scale": 0.25, "preactivation": preactivation}
    x0, *_, b = magnitude(arrays)
    z = want_forward(np.ones_like(x0), *magnitude(arrays)[1:]) + np.abs(b)  # at least |z|
    n = roundings(*size, 1) + 24  # the elementary functions are good to a few roundings
    check_rounding(
        forward(*arrays, **option),
        want_forward(*double(arrays), **option),
        x0 * (1.2 * z + 1 + 0.25 * x0) + x0,
        n,
    )
    check_rounding(
        backward(dxL, *arrays, **option),
        want_backward(*double([dxL, *arrays]), **option),
        want_backward(np.abs(double([dxL])[0]) * (3 + z), *magnitude(arrays), 0.25),
        n,
    )


@pytest.mark.parametrize("preactivation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["matrix", "lowrank"])
@pytest.mark.parametrize("L", [1, 3])
def test_backward_is_the_slope_with_preactivation(kind, L, preactivation, rng, check_gradients):
    _, want_forward, backward, _ = functions(kind)
    arrays = draw(rng, kind, 13, 9, L, "float64")
    dxL = rng.normal(size=arrays[0].shape)
    option = {"diag_scale": 0.3, "preactivation": preactivation}
    check_gradients(
        backward(dxL, *arrays, **option), lambda *a: want_forward(*a, **option), dxL, *arrays
    )


@pytest.mark.parametrize("preactivation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["matrix", "lowrank"])
@pytest.mark.parametrize("L", [0, 2, 4, 7])
def test_preactivation_in_deep_stacks(kind, L, preactivation, dtype, rng):
    """More layers than can be bounded number by number: close in the norm."""
    forward, want_forward, backward, want_backward = functions(kind)
    arrays = draw(rng, kind, 50, 19, L, dtype)
    dxL = rng.normal(size=arrays[0].shape).astype(dtype)
    option = {"diag_scale": 0.1, "preactivation": preactivation}
    got = [forward(*arrays, **option), *backward(dxL, *arrays, **option)]
    want = [
        want_forward(*double(arrays), **option),
        *want_backward(*double([dxL, *arrays]), **option),
    ]
    for one, other in zip(got, want, strict=True):
        assert one.dtype == dtype
        error = np.linalg.norm(one - other)
        assert error <= 1e3 * np.finfo(dtype).eps * np.linalg.norm(other)


def test_more_tiles_than_lanes(kind, dtype, rng, check_rounding):
    """17 tiles and 16 sums of gradients: one of them takes two tiles."""
    check_both(kind, 16 * 384 + 1, 5, 3, dtype, rng, check_rounding)


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


@pytest.mark.parametrize("options", [{}, {"preactivation": "gelu"}], ids=["linear", "gelu"])
def test_threads_give_the_same_bits(kind, options, dtype, rng):
    forward, _, backward, _ = functions(kind)
    if kind not in ("matrix", "lowrank"):
        options = {}
    arrays = draw(rng, kind, 1000, 17, 3, dtype)
    dxL = rng.normal(size=(1000, 17)).astype(dtype)
    jobs = options | {"n_jobs": 1}
    one = [forward(*arrays, **jobs), *backward(dxL, *arrays, **jobs)]
    for n_jobs in (2, 3, 4, 7):
        jobs = options | {"n_jobs": n_jobs}
        more = [forward(*arrays, **jobs), *backward(dxL, *arrays, **jobs)]
        assert all(np.array_equal(a, b) for a, b in zip(one, more, strict=True)), n_jobs


def test_a_row_does_not_depend_on_the_others(kind, dtype, rng):
    forward, _, backward, _ = functions(kind)
    x0, *parameters = draw(rng, kind, 200, 21, 3, dtype)
    dxL = rng.normal(size=x0.shape).astype(dtype)
    xL, dx0 = forward(x0, *parameters), backward(dxL, x0, *parameters)[0]
    for rows in (slice(0, 1), slice(7, 20), slice(150, 200), slice(None, None, -1)):
        np.testing.assert_array_equal(forward(x0[rows], *parameters), xL[rows])
        np.testing.assert_array_equal(backward(dxL[rows], x0[rows], *parameters)[0], dx0[rows])
