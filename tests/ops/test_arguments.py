"""The kernels for people take what NumPy can read, and say clearly what they cannot."""

import numpy as np
import pytest

from dcnfast import ops


@pytest.fixture
def matrix_arguments(rng):
    return rng.normal(size=(6, 4)), rng.normal(0, 0.3, (2, 4, 4)), rng.normal(size=(2, 4))


def test_layouts_and_containers(matrix_arguments):
    want = ops.cross_matrix(*matrix_arguments)
    x0, W, b = matrix_arguments
    strided = np.repeat(x0, 2, axis=1)[:, ::2]
    read_only = x0.copy()
    read_only.setflags(write=False)
    for same in (np.asfortranarray(x0), strided, read_only, x0.tolist(), x0.astype(">f8")):
        np.testing.assert_array_equal(ops.cross_matrix(same, W, b), want)
    np.testing.assert_array_equal(ops.cross_matrix(x0, np.asfortranarray(W), b.tolist()), want)


def test_arguments_stay_as_they_were(matrix_arguments, rng):
    before = [a.copy() for a in matrix_arguments]
    dxL = rng.normal(size=(6, 4))
    kept = dxL.copy()
    ops.cross_matrix_backward(dxL, *matrix_arguments)
    np.testing.assert_array_equal(dxL, kept)
    for a, b in zip(matrix_arguments, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_common_type(matrix_arguments):
    _, W, b = matrix_arguments
    single = [a.astype(np.float32) for a in matrix_arguments]
    assert ops.cross_matrix(*single).dtype == np.float32
    assert ops.cross_matrix(single[0], W, b).dtype == np.float64
    assert ops.cross_matrix(np.ones((2, 4), int), W, b).dtype == np.float64
    np.testing.assert_array_equal(
        ops.cross_matrix(np.ones((2, 4), bool), W, b), ops.cross_matrix(np.ones((2, 4)), W, b)
    )


@pytest.mark.parametrize(
    "x0",
    [np.ones((2, 4), complex), np.full((2, 4), "a"), np.ones((2, 4), np.float16), [[None] * 4]],
)
def test_not_numbers(x0, matrix_arguments):
    with pytest.raises(TypeError, match=r"cross_matrix: x0 has dtype .*, want float32, float64 or"):
        ops.cross_matrix(x0, *matrix_arguments[1:])


def z(*shape):
    return np.zeros(shape)


WRONG = {
    "cross_matrix: W has shape (3, 40, 40), want (L, D, D) with L = 3, D = 48": lambda: (
        ops.cross_matrix(z(2, 48), z(3, 40, 40), z(3, 48))
    ),
    "cross_matrix: x0 has shape (48,), want (B, D)": lambda: ops.cross_matrix(
        z(48), z(3, 48, 48), z(3, 48)
    ),
    "cross_matrix: b has shape (3, 4), want (L, D) with D = 5": lambda: ops.cross_matrix(
        z(2, 5), z(3, 5, 5), z(3, 4)
    ),
    "cross_vector: w has shape (2, 5), want (L, D) with L = 3, D = 5": lambda: ops.cross_vector(
        z(2, 5), z(2, 5), z(3, 5)
    ),
    "cross_lowrank: V has shape (3, 2, 4), want (L, R, D) with L = 3, R = 2, D = 5": lambda: (
        ops.cross_lowrank(z(2, 5), z(3, 5, 2), z(3, 2, 4), z(3, 5))
    ),
    "cross_lowrank: b has shape (), want (L, D)": lambda: ops.cross_lowrank(
        z(2, 5), z(3, 5, 2), z(3, 2, 5), 0.0
    ),
    "cross_lowrank: x0 has shape (5,), want (B, D)": lambda: ops.cross_lowrank(
        z(5), z(3, 5, 2), z(3, 2, 5), z(3, 5)
    ),
    "cross_vector_backward: dxL has shape (3, 5), want (B, D) with B = 2, D = 5": lambda: (
        ops.cross_vector_backward(z(3, 5), z(2, 5), z(1, 5), z(1, 5))
    ),
    "dense: W has shape (3, 4), want (O, I) with I = 5": lambda: ops.dense(z(2, 5), z(3, 4), z(3)),
    "dense: b has shape (2,), want (O,) with O = 3": lambda: ops.dense(z(2, 5), z(3, 5), z(2)),
    "dense_backward: dhn has shape (2, 4), want (B, O) with B = 2, O = 3": lambda: (
        ops.dense_backward(z(2, 4), z(2, 5), z(3, 5), z(3))
    ),
    "activation is 'swish', want one of 'identity', 'relu'": lambda: ops.dense(
        z(2, 5), z(3, 5), z(3), "swish"
    ),
    "combine: W has shape (1, 6), want (C, D + H) with D + H = 7": lambda: ops.combine(
        z(2, 3), z(2, 4), z(1, 6), z(1)
    ),
    "combine: x and h have no columns": lambda: ops.combine(z(2, 0), z(2, 0), z(1, 0), z(1)),
    "squared_error: target has shape (2,), want (B, C) with B = 2, C = 3": lambda: (
        ops.squared_error(z(2, 3), z(2))
    ),
    "log_loss: weight has shape (3,), want (B,) with B = 2": lambda: ops.log_loss(
        z(2, 3), z(2, 3), z(3)
    ),
    "softmax_loss: target has shape (2, 3), want (B, 1) with B = 2, 1 = 1": lambda: (
        ops.softmax_loss(z(2, 3), z(2, 3))
    ),
    "cross_matrix: diag_scale is -1, want a finite number >= 0": lambda: ops.cross_matrix(
        z(2, 5), z(1, 5, 5), z(1, 5), -1
    ),
    "cross_matrix: diag_scale is 'a', want a finite number >= 0": lambda: ops.cross_matrix(
        z(2, 5), z(1, 5, 5), z(1, 5), "a"
    ),
    "n_jobs is 0, want None or an integer other than 0": lambda: ops.cross_matrix(
        z(2, 5), z(1, 5, 5), z(1, 5), n_jobs=0
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments(message):
    with pytest.raises(ValueError, match="want") as caught:
        WRONG[message]()
    assert message in str(caught.value)


@pytest.mark.parametrize("B", [0, 3])
def test_no_columns(B):
    """Nothing in, nothing out: D = 0 is as legal as B = 0."""
    assert ops.cross_vector(z(B, 0), z(2, 0), z(2, 0)).shape == (B, 0)
    dx0, dW, db = ops.cross_matrix_backward(z(B, 0), z(B, 0), z(2, 0, 0), z(2, 0))
    assert (dx0.shape, dW.shape, db.shape) == ((B, 0), (2, 0, 0), (2, 0))
    np.testing.assert_array_equal(ops.dense(z(B, 0), z(3, 0), np.ones(3)), np.ones((B, 3)))


@pytest.mark.usefixtures("isa")
def test_infinity_and_nan_stay_in_their_row(dtype, rng):
    x0, W, b = rng.normal(size=(3, 9)), rng.normal(size=(2, 9, 9)), rng.normal(size=(2, 9))
    x0[1, 4] = np.inf
    x0[2, 0] = np.nan
    with np.errstate(invalid="ignore"):
        xL = ops.cross_matrix(x0.astype(dtype), W.astype(dtype), b.astype(dtype))
        alone = ops.cross_matrix(x0[:1].astype(dtype), W.astype(dtype), b.astype(dtype))
    np.testing.assert_array_equal(xL[:1], alone)
    assert np.isfinite(xL[0]).all()
    assert not np.isfinite(xL[1]).any()
    assert np.isnan(xL[2]).all()
