"""Stage 3: what the papers say a cross network is."""

from math import factorial

import numpy as np
import pytest

from dcnfast import ops, reference

pytestmark = pytest.mark.usefixtures("isa")

X0 = np.array([[0.1, 0.2, 0.3]])
X = np.array([[0.4, 0.5, 0.6]])

# diag_scale, bias -> the next x, with all weights one
LAYERS = [
    (0.0, 0.0, [0.55, 0.8, 1.05]),
    (0.0, 1.0, [0.65, 1.0, 1.35]),
    (1.0, 0.0, [0.59, 0.9, 1.23]),
]


@pytest.mark.parametrize(("diag_scale", "bias", "want"), LAYERS)
def test_one_layer_of_the_reference(diag_scale, bias, want):
    got = reference.cross_matrix_layer(X0, X, np.ones((3, 3)), np.full(3, bias), diag_scale)
    np.testing.assert_allclose(got, [want], rtol=1e-12)


# preactivation, diag_scale, weight -> the next x, no bias; W x is 1.5 times the weight everywhere
PREACTIVATED = [
    ("relu", 0.0, 1.0, [0.55, 0.8, 1.05]),
    ("relu", 0.0, -1.0, [0.4, 0.5, 0.6]),
    ("relu", 1.0, 1.0, [0.59, 0.9, 1.23]),
    ("relu", 1.0, -1.0, [0.44, 0.6, 0.78]),
    ("tanh", 0.0, 1.0, [0.49051482536448667, 0.6810296507289733, 0.87154447609346]),
    ("sigmoid", 0.0, 0.0, [0.45, 0.6, 0.75]),
    ("sigmoid", 1.0, 0.0, [0.49, 0.7, 0.93]),
    ("gelu", 0.0, 0.0, [0.4, 0.5, 0.6]),
]


@pytest.mark.parametrize(("preactivation", "diag_scale", "weight", "want"), PREACTIVATED)
def test_one_layer_of_the_reference_preactivated(preactivation, diag_scale, weight, want):
    """As TensorFlow Recommenders: the activation is of W x + b, the diagonal comes after it."""
    W, no_bias = np.full((3, 3), weight), np.zeros(3)
    got = reference.cross_matrix_layer(X0, X, W, no_bias, diag_scale, preactivation)
    np.testing.assert_allclose(got, [want], rtol=1e-12)


@pytest.mark.parametrize(("diag_scale", "bias", "want"), LAYERS)
def test_one_layer_of_the_kernels(diag_scale, bias, want, dtype):
    """A layer without weights takes x0 to x by its bias alone; the one after is asked."""
    W = np.stack([np.zeros((3, 3)), np.ones((3, 3))])
    to_x = (X / X0 - 1 - diag_scale * X0)[0]
    b = np.stack([to_x, np.full(3, bias)])
    got = ops.cross_matrix(X0.astype(dtype), W.astype(dtype), b.astype(dtype), diag_scale)
    np.testing.assert_allclose(got, [want], rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("module", [ops, reference])
def test_matrix_of_equal_rows_is_the_vector_form(module, rng):
    """W_l = 1 w_l^T, no bias."""
    x0, w = rng.normal(0, 0.5, (50, 19)), rng.normal(0, 0.3, (3, 19))
    no_bias, W = np.zeros_like(w), np.repeat(w[:, None, :], 19, axis=1)
    vector, matrix = module.cross_vector(x0, w, no_bias), module.cross_matrix(x0, W, no_bias)
    np.testing.assert_allclose(matrix, vector, rtol=1e-12, atol=1e-12)
    rank_one = module.cross_lowrank(x0, np.ones((3, 19, 1)), w[:, None, :], no_bias)
    np.testing.assert_allclose(rank_one, vector, rtol=1e-12, atol=1e-12)


def test_full_rank_is_the_matrix_form(rng):
    x0, b = rng.normal(size=(20, 9)), rng.normal(size=(2, 9))
    W = rng.normal(0, 0.3, (2, 9, 9))
    U = np.repeat(np.eye(9)[None], 2, axis=0)
    np.testing.assert_allclose(
        ops.cross_lowrank(x0, U, W, b, 0.2), ops.cross_matrix(x0, W, b, 0.2), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("L", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("kind", ["vector", "matrix"])
def test_polynomial_of_degree_layers_plus_one(kind, L, rng):
    """One column: differences of order L+1 are constant, the ones after them zero.

    The constant is (L+1)! h^(L+1) times the leading coefficient, the product of all weights.
    """
    w, b = rng.uniform(0.5, 1.5, (L, 1)), rng.normal(size=(L, 1))
    x, h = np.linspace(-2, 2, L + 4, retstep=True)
    weights = w if kind == "vector" else w[:, None]
    y = getattr(ops, f"cross_{kind}")(x[:, None], weights, b)[:, 0]
    leading = np.diff(y, n=L + 1) / (factorial(L + 1) * h ** (L + 1))
    np.testing.assert_allclose(leading, w.prod(), rtol=1e-10)
    assert np.abs(np.diff(y, n=L + 2)).max() <= 1e-12 * 2 ** (L + 2) * np.abs(y).max()
