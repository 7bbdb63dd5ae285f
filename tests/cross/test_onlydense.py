"""The onlydense layer with its options, and how it begins."""

import numpy as np
import pytest

from dcnfast import ops, reference
from dcnfast.network.config import NetworkConfig
from dcnfast.network.crosses import CROSSES, OnlyDense
from dcnfast.network.model import Model
from dcnfast.testing import assert_close_in_norm

pytestmark = pytest.mark.usefixtures("isa")

ACTIVATIONS = ["relu", "gelu", "tanh", "sigmoid", "identity"]


def draw(rng, B, D, L, dtype):
    """Return x0, W and b; the first units are mostly passed, the others mostly not."""
    W = rng.normal(0, 0.5 / np.sqrt(D), (L, D, D))
    b = np.where(np.arange(D) < D // 2, 1.0, -0.1) + rng.normal(0, 0.2, (L, D))
    return [a.astype(dtype) for a in (rng.normal(0, 1, (B, D)), W, b)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("D", [1, 9, 33])
def test_options(activation, D, dtype, rng, check_gradients):
    arrays, option = draw(rng, 13, D, 2, dtype), {"activation": activation, "scale": 1.75}
    dxL = rng.normal(size=arrays[0].shape).astype(dtype)
    got = [
        ops.cross_onlydense(*arrays, **option),
        *ops.cross_onlydense_backward(dxL, *arrays, **option),
    ]
    whole = [np.asarray(a, np.float64) for a in (dxL, *arrays)]
    want = [
        reference.cross_onlydense(*whole[1:], **option),
        *reference.cross_onlydense_backward(*whole, **option),
    ]
    for one, other in zip(got, want, strict=True):
        assert one.dtype == dtype
        assert_close_in_norm(one, other, 2e3 * float(np.finfo(dtype).eps))
    if dtype == "float64":
        check_gradients(got[1:], lambda *a: reference.cross_onlydense(*a, **option), dxL, *arrays)


def test_the_degree_doubles_with_each_layer():
    """With W of ones in place of x alone it is x^2, x^4, x^8; what no ReLU passes is 0."""
    x0 = np.array([[0.5], [2.0], [-1.0]])
    W, b = np.ones((3, 1, 1)), np.zeros((3, 1))
    assert ops.cross_onlydense(x0, W, b).tolist() == [[0.5**8], [2.0**8], [0.0]]
    assert ops.cross_onlydense(x0, W, b, scale=2.0)[0, 0] == 2 * (2 * (2 * 0.25) ** 2) ** 2


def test_it_begins_near_a_multiple_of_x0(rng):
    cross = OnlyDense(scale=1.5)
    config = NetworkConfig(n_dense=7, cross_layers=2, dtype="float64", **cross.engine_options(7))
    model = Model(config).initialize(np.random.RandomState(0), cross_scale=0.1)
    p = model.parameters
    np.testing.assert_array_equal(p["cross_b"], 1)
    x0 = rng.normal(size=(20, 7))
    out = ops.cross_onlydense(x0, p["cross_W"], p["cross_b"], scale=1.5)
    np.testing.assert_allclose(out, 1.5**2 * x0, rtol=0.15)
    W = CROSSES["onlydense"].dense_weight(p, 1, config)
    np.testing.assert_array_equal(W, 1.5 * p["cross_W"][1])


@pytest.mark.parametrize(
    ("option", "text"),
    [({"scale": -1.0}, "scale is -1.0, want a finite number >= 0"),
     ({"scale": np.nan}, "scale is nan, want a finite number"),
     ({"activation": "swish"}, "activation is 'swish', want one of 'identity', 'relu'")],
)  # fmt: skip
def test_bad_options(option, text, rng):
    with pytest.raises(ValueError, match=f"cross_onlydense: {text}"):
        ops.cross_onlydense(*draw(rng, 3, 4, 1, "float64"), **option)
