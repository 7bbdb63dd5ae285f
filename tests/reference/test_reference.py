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
    "combine": ((B, C), [(B, D), (B, H), (C, D + H), (C,)], ()),
} | {
    f"dense {activation}": ((B, H), [(B, D), (H, D), (H,)], (activation,))
    for activation in ("identity", "relu", "tanh", "sigmoid", "gelu")
}


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
