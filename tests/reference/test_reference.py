"""The specification itself: each backward is the slope of its forward, number by number."""

import numpy as np
import pytest

from dcnfast import reference
from dcnfast.testing import central_difference

B, D, L, R, H, C = 4, 5, 3, 2, 6, 3

CASES = {
    "cross_vector": ((B, D), [(B, D), (L, D), (L, D)], ()),
    "cross_matrix": ((B, D), [(B, D), (L, D, D), (L, D)], (0.3,)),
    "cross_lowrank": ((B, D), [(B, D), (L, D, R), (L, R, D), (L, D)], (0.3,)),
    "layer_norm": ((B, H), [(B, H), (H,), (H,)], ()),
    "combine": ((B, C), [(B, D), (B, H), (C, D + H), (C,)], ()),
} | {
    f"dense {activation}": ((B, H), [(B, D), (H, D), (H,)], (activation,))
    for activation in ("identity", "relu", "tanh", "sigmoid", "gelu")
}
for activation in ("relu", "tanh", "sigmoid", "gelu"):
    CASES[f"parametric {activation}"] = ((B, H), [(B, H), (H,)], (activation,))
    for kind in ("cross_matrix", "cross_lowrank"):
        CASES[f"{kind} {activation}"] = (*CASES[kind][:2], (0.3, activation))


def numeric_gradient(f, x):
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[at] = 1.0
        gradient[at] = central_difference(f, x, unit)
    return gradient


@pytest.mark.parametrize("case", CASES)
def test_backward_is_the_slope(case, rng):
    dout_shape, shapes, extra = CASES[case]
    forward = getattr(reference, case.split()[0])
    backward = getattr(reference, case.split()[0] + "_backward")
    dout, arrays = rng.normal(size=dout_shape), [rng.normal(0, 0.6, shape) for shape in shapes]
    gradients = backward(dout, *arrays, *extra)
    assert len(gradients) == len(arrays)
    for i, gradient in enumerate(gradients):

        def loss(value, i=i):
            return np.sum(dout * forward(*arrays[:i], value, *arrays[i + 1 :], *extra))

        numeric = numeric_gradient(loss, arrays[i])
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())


@pytest.mark.parametrize("rows", [0, 1, 6])
@pytest.mark.parametrize("widths", [(), (3,), (1, 4, 1)])
def test_embedding_backward_is_the_slope(rows, widths, rng):
    """Rows that occur twice get both gradients, rows that do not occur get 0."""
    tables = [rng.normal(size=(5, width)) for width in widths]
    ids = rng.integers(4, size=(rows, len(widths)))
    dx0 = rng.normal(size=(rows, sum(widths)))
    gradients = reference.embedding_backward(dx0, ids, tables)
    assert len(gradients) == len(tables)
    for f, gradient in enumerate(gradients):

        def loss(E, f=f):
            return np.sum(dx0 * reference.embedding(ids, [*tables[:f], E, *tables[f + 1 :]]))

        numeric = numeric_gradient(loss, tables[f])
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)
        assert not gradient[4].any()


def test_embedding_backward_adds_in_the_order_of_the_ids():
    """1 + 1e-16 is 1, 1e-16 + 1e-16 is not lost: other orders give other numbers."""
    dx0 = np.array([1.0, 1e-16, 1e-16])[:, None]
    E, ids = np.zeros((1, 1)), np.zeros((3, 1), np.int32)
    assert reference.embedding_backward(dx0, ids, [E]) == [1.0]
    assert reference.embedding_backward(dx0[::-1], ids, [E])[0] > 1.0


def test_layer_norm_makes_mean_0_and_variance_1(rng):
    z = rng.normal(3, 10, (B, 50))
    n = reference.layer_norm(z, np.ones(50), np.zeros(50))
    np.testing.assert_allclose(n.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(n.var(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        reference.layer_norm(z, np.full(50, 2.0), np.full(50, 7.0)), 2 * n + 7, rtol=1e-12
    )
    constant = reference.layer_norm(np.full((1, 4), 5.0), np.ones(4), np.arange(4.0))
    np.testing.assert_array_equal(constant, [np.arange(4.0)])


@pytest.mark.parametrize("loss", reference.LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_dlogits_is_the_slope(loss, weighted, rng):
    logits, target = rng.normal(size=(B, C)), rng.uniform(size=(B, C))
    if loss == "softmax":
        target = np.array([[0.0], [2.0], [1.0], [2.0]])
    weight = rng.uniform(0.5, 2, B) if weighted else None
    f = reference.LOSSES[loss]
    numeric = numeric_gradient(lambda z: f(z, target, weight)[0], logits)
    np.testing.assert_allclose(f(logits, target, weight)[1], numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", ["log_loss", "softmax"])
def test_dlogits_of_smoothed_targets_is_the_slope(loss, rng):
    logits, target = rng.normal(size=(B, C)), rng.uniform(size=(B, C))
    if loss == "softmax":
        target = np.array([[0.0], [2.0], [1.0], [2.0]])
    weight = rng.uniform(0.5, 2, B)
    f = reference.LOSSES[loss]
    numeric = numeric_gradient(lambda z: f(z, target, weight, 0.3)[0], logits)
    gradient = f(logits, target, weight, 0.3)[1]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)
    assert np.abs(gradient - f(logits, target, weight)[1]).max() > 0.05


def test_adam_follows_the_paper(rng):
    """Algorithm 1 as printed, with m-hat and v-hat, agrees once epsilon is 0."""
    p, g = rng.normal(size=(2, 7))
    m = v = np.zeros(7)
    got = p
    want, M, V = p, 0.0, 0.0
    for step in range(1, 6):
        got, m, v = reference.adam_update(got, m, v, g * step, step, 0.01, 0.8, 0.95, 0.0)
        M, V = 0.8 * M + 0.2 * g * step, 0.95 * V + 0.05 * (g * step) ** 2
        want = want - 0.01 * (M / (1 - 0.8**step)) / np.sqrt(V / (1 - 0.95**step))
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_adam_penalty_is_part_of_the_gradient(rng):
    p, g = rng.normal(size=(2, 7))
    zero = np.zeros(7)
    with_penalty = reference.adam_update(p, zero, zero, g, 1, l2=0.3)
    by_hand = reference.adam_update(p, zero, zero, g + 0.3 * p, 1)
    for got, want in zip(with_penalty, by_hand, strict=True):
        np.testing.assert_array_equal(got, want)
