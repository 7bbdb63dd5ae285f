"""A mixture of experts with all its options, and the exponential cross with its own."""

from itertools import product

import numpy as np
import pytest

from dcnfast import ops, reference
from dcnfast.network.config import NetworkConfig
from dcnfast.network.crosses import CROSSES
from dcnfast.testing import assert_close_in_norm

pytestmark = pytest.mark.usefixtures("isa")

GATES = ["softmax", "sigmoid", "constant", "shared softmax", "shared sigmoid"]
ACTIVATIONS = ["identity", "tanh", "relu", "gelu", "sigmoid"]


def draw(rng, B, D, L, R, E, gates, activation, dtype):
    """Return x0, the weights and b, and the options."""
    shapes = [(L, E, D, R), (L, E, R, D)]
    weights = [rng.normal(0, 1 / np.sqrt(D), shape).astype(dtype) for shape in shapes]
    C = rng.normal(0, 1 / np.sqrt(R), (L, E, R, R)).astype(dtype)
    shape = (E, D) if gates.startswith("shared") else (L, E, D)
    gate = rng.normal(0, 1 / np.sqrt(D), shape).astype(dtype)
    x0, b = (rng.normal(0, 0.7, shape).astype(dtype) for shape in ((B, D), (L, D)))
    weights += [C if activation != "identity" else None, gate if gates != "constant" else None]
    return [x0, *weights, b], {"gating": gates.split()[-1], "preactivation": activation}


def double(arrays):
    return [a if a is None else np.asarray(a, np.float64) for a in arrays]


def check(arrays, options, rng, kind="mixture"):
    forward, backward = (getattr(ops, f"cross_{kind}{end}") for end in ("", "_backward"))
    want = getattr(reference, f"cross_{kind}")
    want_backward = getattr(reference, f"cross_{kind}_backward")
    dxL = rng.normal(size=arrays[0].shape).astype(arrays[0].dtype)
    got = [forward(*arrays, **options), *backward(dxL, *arrays, **options)]
    wanted = [
        want(*double(arrays), **options), *want_backward(*double([dxL, *arrays]), **options)
    ]  # fmt: skip
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        if other is None:
            assert one is None
            continue
        assert one.dtype == arrays[0].dtype
        assert_close_in_norm(one, other, 2e3 * float(np.finfo(one.dtype).eps))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("gates", GATES)
def test_gates_and_activations(gates, activation, dtype, rng):
    check(*draw(rng, 13, 11, 3, 5, 3, gates, activation, dtype), rng)


@pytest.mark.parametrize("R", [1, 7, 8, 9, 15, 16, 17, 33])
@pytest.mark.parametrize("E", [1, 2, 8, 9, 17])
def test_experts_and_ranks(E, R, dtype, rng):
    """Blocks of columns that begin anywhere in a vector, with fewer or more than a vector of E."""
    check(*draw(rng, 13, 19, 2, R, E, "softmax", "tanh", dtype), rng)


@pytest.mark.parametrize("L", [1, 2, 3])
@pytest.mark.parametrize("B", [0, 1, 12, 13, 385])
def test_rows_and_layers(B, L, dtype, rng):
    check(*draw(rng, B, 17, L, 4, 4, "shared softmax", "identity", dtype), rng)


@pytest.mark.parametrize(
    ("gates", "activation"), list(product(GATES, ["identity", "tanh", "gelu"]))
)
def test_backward_is_the_slope(gates, activation, rng, check_gradients):
    arrays, options = draw(rng, 9, 7, 3, 3, 2, gates, activation, "float64")
    dxL = rng.normal(size=arrays[0].shape)
    gradients = ops.cross_mixture_backward(dxL, *arrays, **options)
    there = [i for i, array in enumerate(arrays) if array is not None]

    def forward(*some):
        whole = list(arrays)
        for i, array in zip(there, some, strict=True):
            whole[i] = array
        return reference.cross_mixture(*whole, **options)

    check_gradients([gradients[i] for i in there], forward, dxL, *(arrays[i] for i in there))


def test_one_constant_expert_is_low_rank(dtype, rng):
    (x0, U, V, _, _, b), options = draw(rng, 13, 17, 3, 4, 1, "constant", "identity", dtype)
    got = ops.cross_mixture(x0, U, V, None, None, b, **options)
    want = reference.cross_lowrank(*double([x0, U[:, 0], V[:, 0], b]))
    assert_close_in_norm(got, want, 1e3 * float(np.finfo(dtype).eps))


def test_constant_experts_are_low_rank_together(rng):
    (x0, U, V, _, _, b), options = draw(rng, 13, 17, 2, 3, 4, "constant", "identity", "float64")
    side_by_side = U.transpose(0, 2, 1, 3).reshape(2, 17, 12), V.reshape(2, 12, 17)
    want = reference.cross_lowrank(x0, *side_by_side, 4 * b)
    np.testing.assert_allclose(ops.cross_mixture(x0, U, V, None, None, b, **options), want)


def test_dense_weight_of_linear_experts_with_constant_gates(rng):
    described = NetworkConfig(
        n_dense=5, cross="mixture", cross_layers=2, cross_rank=2, cross_experts=3,
        gating="constant",
    )  # fmt: skip
    (x0, U, V, _, _, _), options = draw(rng, 13, 5, 2, 2, 3, "constant", "identity", "float64")
    W = CROSSES["mixture"].dense_weight({"cross_U": U, "cross_V": V}, 1, described)
    out = reference.cross_mixture(x0, U[1:], V[1:], None, None, np.zeros((1, 5)), **options)
    np.testing.assert_allclose(out - x0, x0 * (x0 @ W.T), rtol=1e-11)


def test_threads_give_the_same_bits(dtype, rng):
    arrays, options = draw(rng, 1000, 21, 3, 5, 3, "sigmoid", "gelu", dtype)
    dxL = rng.normal(size=arrays[0].shape).astype(dtype)
    results = [
        [ops.cross_mixture(*arrays, **options, n_jobs=n),
         *ops.cross_mixture_backward(dxL, *arrays, **options, n_jobs=n)]
        for n in (1, 2, 3, 7)
    ]  # fmt: skip
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


BAD = {
    "C is given and preactivation is 'identity', want None": {"preactivation": "identity"},
    "gate is given and gating is 'constant', want None": {"gating": "constant"},
    "C is None and preactivation is not 'identity', want an array": {"C": None},
    "gate is None and gating is not 'constant', want an array": {"gate": None},
    "gating is 'max', want one of 'softmax', 'sigmoid', 'constant'": {"gating": "max"},
}


@pytest.mark.parametrize("text", BAD)
def test_tensors_that_do_not_go_with_the_options(text, rng):
    arrays, options = draw(rng, 5, 4, 2, 3, 2, "softmax", "tanh", "float64")
    names = ("x0", "U", "V", "C", "gate", "b")
    with pytest.raises(ValueError, match=f"cross_mixture: {text}"):
        ops.cross_mixture(**dict(zip(names, arrays, strict=True)) | options | BAD[text])


# ---- exponential


def halves(rng, B, D, L, dtype):
    H = (D + 1) // 2
    shapes = [(L, H, D), (L, H), (L, H), (L, D)]
    weights = [0.3 * rng.normal(size=shape) for shape in shapes]
    weights[1] += 1
    return [array.astype(dtype) for array in (rng.normal(0, 0.7, (B, D)), *weights)]


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("D", [3, 4, 15, 16, 17, 31, 33, 66])
def test_widths_of_halves(D, linear, dtype, rng):
    check(halves(rng, 13, D, 3, dtype), {"linear": linear}, rng, "exponential")


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("D", [1, 2])
def test_a_norm_of_one_number_is_its_shift(D, linear, rng):
    check(halves(rng, 13, D, 2, "float64"), {"linear": linear}, rng, "exponential")


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("D", [6, 9])
def test_backward_of_halves_is_the_slope(D, linear, rng, check_gradients):
    arrays = halves(rng, 11, D, 3, "float64")
    dxL = rng.normal(size=arrays[0].shape)
    check_gradients(
        ops.cross_exponential_backward(dxL, *arrays, linear=linear),
        lambda *a: reference.cross_exponential(*a, linear=linear),
        dxL,
        *arrays,
    )


def test_the_degree_doubles_without_masks(rng):
    """With masks of 0 and x from W x, columns are multiplied by themselves."""
    W = np.zeros((3, 1, 2))
    W[:, 0, 0] = 1
    x0 = rng.uniform(0.5, 1, size=(7, 2))
    out = ops.cross_exponential(x0, W, np.zeros((3, 1)), np.zeros((3, 1)), np.zeros((3, 2)))
    want = x0[:, 0]
    for _ in range(3):
        want = want * want + want
    np.testing.assert_allclose(out[:, 0], want)
    np.testing.assert_allclose(out[:, 1], x0[:, 1])


def test_linear_is_true_or_false(rng):
    with pytest.raises(TypeError, match="cross_exponential: linear is 'yes', want True or False"):
        ops.cross_exponential(*halves(rng, 3, 4, 1, "float64"), linear="yes")
