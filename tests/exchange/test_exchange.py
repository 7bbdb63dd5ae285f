"""Cross layers of other libraries: their formulas, written out here, and ours give the same."""

import numpy as np
import pytest

from dcnfast import exchange, ops
from dcnfast.exchange import (
    from_deepctr,
    from_keras,
    from_torchrec,
    to_deepctr,
    to_keras,
    to_torchrec,
)

B, L, D, R, E = 6, 3, 5, 2, 4


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def x(rng):
    return rng.normal(size=(B, D))


def ours(weights, x):
    """Return xL, by the engine."""
    if "C" in weights:
        gating = "softmax" if "gate" in weights else "constant"
        return ops.cross_mixture(x, **{"gate": None} | weights, gating=gating, preactivation="tanh")
    kind = {"w": "vector", "W": "matrix", "U": "lowrank"}[next(n for n in "wWU" if n in weights)]
    return getattr(ops, f"cross_{kind}")(x, **weights)


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


# ---- Keras: a kernel is (inputs, outputs)


def keras(layers, x0):
    x = x0
    for *kernels, bias in layers:
        product = x
        for kernel in kernels:
            product = product @ kernel
        x = x0 * (product + bias) + x
    return x


@pytest.mark.parametrize("low_rank", [False, True])
def test_keras(low_rank, rng, x):
    shapes = [(D, R), (R, D), (D,)] if low_rank else [(D, D), (D,)]
    layers = [[rng.normal(size=shape) for shape in shapes] for _ in range(L)]
    weights = from_keras(layers)
    np.testing.assert_allclose(ours(weights, x), keras(layers, x), rtol=1e-10)
    back = to_keras(weights)
    for layer, given in zip(back, layers, strict=True):
        for one, other in zip(layer, given, strict=True):
            np.testing.assert_array_equal(one, other)
    same(from_keras(back), weights)


@pytest.mark.parametrize("low_rank", [False, True])
def test_keras_without_bias(low_rank, rng, x):
    shapes = [(D, R), (R, D)] if low_rank else [(D, D)]
    layers = [[rng.normal(size=shape) for shape in shapes] for _ in range(L)]
    weights = from_keras(layers)
    expected = keras([[*layer, np.zeros(D)] for layer in layers], x)
    np.testing.assert_allclose(ours(weights, x), expected, rtol=1e-10)
    assert [len(layer) for layer in to_keras(weights, use_bias=False)] == [len(shapes)] * L
    weights["b"][0] = 1
    with pytest.raises(ValueError, match="use_bias is False and b is not 0"):
        to_keras(weights, use_bias=False)


def test_values_of_tensorflow_recommenders():
    """Of the tests of its layer, with kernels of ones, the input x0 twice."""
    x0 = np.array([[0.1, 0.2, 0.3]])
    one = np.ones(3)
    for layer in ([np.ones((3, 3))], [np.ones((3, 1)), np.ones((1, 3))]):
        np.testing.assert_allclose(ours(from_keras([layer]), x0), [[0.16, 0.32, 0.48]])
        expected = [[0.26, 0.52, 0.78]]
        np.testing.assert_allclose(ours(from_keras([[*layer, one]]), x0), expected)


# ---- torchrec: kernels are (outputs, inputs), a layer each, vectors are columns


def torchrec(state, x0, g=None):
    x, l = x0, 0
    while f"bias.{l}" in state:
        b = state[f"bias.{l}"][:, 0]
        if "W_kernels.0" in state:
            x = x0 * (x @ state[f"V_kernels.{l}"].T @ state[f"W_kernels.{l}"].T + b) + x
        elif "U_kernels.0" in state:
            U, C, V = (state[f"{n}_kernels.{l}"] for n in "UCV")
            n = len(U)
            scores = (
                np.concatenate([x @ state[f"gates.{e}.weight"].T for e in range(n)], axis=1)
                if n > 1
                else np.zeros((len(x), 1))
            )
            gates = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            out = [x0 * (g(g(x @ V[e].T) @ C[e].T) @ U[e].T + b) for e in range(n)]
            x = x + np.einsum("ebd,be->bd", np.stack(out), gates)
        elif state["kernels.0"].shape[1] == 1:
            x = x0 * (x @ state[f"kernels.{l}"]) + b + x
        else:
            x = x0 * (x @ state[f"kernels.{l}"].T + b) + x
        l += 1
    return x


TORCHREC = {
    "CrossNet": {"kernels": (D, D), "bias": (D, 1)},
    "VectorCrossNet": {"kernels": (D, 1), "bias": (D, 1)},
    "LowRankCrossNet": {"W_kernels": (D, R), "V_kernels": (R, D), "bias": (D, 1)},
    "LowRankMixtureCrossNet": {
        "U_kernels": (E, D, R), "V_kernels": (E, R, D), "C_kernels": (E, R, R), "bias": (D, 1),
    },
    "LowRankMixtureCrossNet of one": {
        "U_kernels": (1, D, R), "V_kernels": (1, R, D), "C_kernels": (1, R, R), "bias": (D, 1),
    },
}  # fmt: skip


@pytest.mark.parametrize("module", TORCHREC)
def test_torchrec(module, rng, x):
    state = {
        f"{name}.{l}": rng.normal(size=shape)
        for name, shape in TORCHREC[module].items()
        for l in range(L)
    }
    if TORCHREC[module].get("U_kernels", (1,))[0] == E:
        state |= {f"gates.{e}.weight": rng.normal(size=(1, D)) for e in range(E)}
    weights = from_torchrec(state)
    found = ours(weights, x)
    np.testing.assert_allclose(found, torchrec(state, x, np.tanh), rtol=1e-10)
    same(to_torchrec(weights), state)


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    state = {
        f"{name}.{l}": torch.nn.Parameter(torch.randn(*shape)).detach()
        for name, shape in TORCHREC["LowRankCrossNet"].items()
        for l in range(L)
    }
    weights = from_torchrec(state)
    assert weights["U"].dtype == np.float32
    np.testing.assert_array_equal(weights["V"][1], state["V_kernels.1"].numpy())


# ---- DeepCTR and DeepCTR-Torch: V is (inputs, rank)


def deepctr(arrays, x0, g=np.tanh):
    x = x0
    for l in range(L):
        b = arrays["bias"][l][:, 0]
        if "kernels" in arrays:
            kernel = arrays["kernels"][l]
            vector = kernel.shape[1] == 1
            x = x0 * (x @ kernel) + b + x if vector else x0 * (x @ kernel.T + b) + x
            continue
        scores = np.concatenate([x @ arrays[f"gating.{e}.weight"].T for e in range(E)], axis=1)
        gates = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        U, C, V = (arrays[f"{n}_list"][l] for n in "UCV")
        out = [x0 * (g(g(x @ V[e]) @ C[e].T) @ U[e].T + b) for e in range(E)]
        x = x + np.einsum("ebd,be->bd", np.stack(out), gates)
    return x


DEEPCTR = {
    "vector": {"kernels": (L, D, 1), "bias": (L, D, 1)},
    "matrix": {"kernels": (L, D, D), "bias": (L, D, 1)},
    "mix": {
        "U_list": (L, E, D, R), "V_list": (L, E, D, R), "C_list": (L, E, R, R), "bias": (L, D, 1),
    },
}  # fmt: skip


@pytest.mark.parametrize("module", DEEPCTR)
def test_deepctr(module, rng, x):
    arrays = {name: rng.normal(size=shape) for name, shape in DEEPCTR[module].items()}
    if module == "mix":
        arrays |= {f"gating.{e}.weight": rng.normal(size=(1, D)) for e in range(E)}
    weights = from_deepctr(arrays)
    np.testing.assert_allclose(ours(weights, x), deepctr(arrays, x), rtol=1e-10)
    same(to_deepctr(weights), arrays)
    # as the layers of DeepCTR have them: a list each
    lists = {name: list(array) for name, array in arrays.items() if not name.startswith("gating")}
    if module == "mix":
        lists["gating"] = [arrays[f"gating.{e}.weight"].T for e in range(E)]
    same(from_deepctr(lists), weights)


# ---- what does not fit

MATRIX = {"W": np.zeros((L, D, D)), "b": np.zeros((L, D))}


@pytest.mark.parametrize(
    ("function", "given", "text"),
    [
        (from_keras, [], "at least one"),
        (from_keras, [[]], "a kernel, or two"),
        (from_keras, [[np.zeros((D, D))], [np.zeros((D, R)), np.zeros((R, D))]], "all with two"),
        (from_keras, [[np.zeros((D, D)), np.zeros(D)], [np.zeros((R, R)), np.zeros(R)]], "shapes"),
        (from_keras, [[np.zeros((D, R)), np.zeros(D)]], "W has shape"),
        (from_keras, [[np.zeros((D, D)), np.zeros(R)]], "shape"),
        (from_torchrec, {}, "no 'bias.0'"),
        (from_torchrec, {"bias.0": np.zeros((D, 1))}, "no 'U_kernels.0'"),
        (from_torchrec, {"bias.0": np.zeros((D, 1)), "kernels.0": np.zeros((D, 3))}, "W has shape"),
        (from_deepctr, {"kernels": [np.zeros((D, D))]}, "no 'bias'"),
        (from_deepctr, {"bias": np.zeros((L, D, 1))}, "no 'gating.0.weight'"),
        (to_keras, {"w": np.zeros((L, D)), "b": np.zeros((L, D))}, "want those of"),
        (to_keras, MATRIX | {"b": np.zeros((L, D + 1))}, "b has shape"),
        (to_torchrec, {"W": np.zeros((L, D, D))}, "names"),
        (to_torchrec, MATRIX | {"W": np.zeros((L, D, D), "U1")}, "want numbers"),
        (to_deepctr, {"U": np.zeros((L, D, R)), "V": np.zeros((L, R, D)), "b": MATRIX["b"]},
         "names"),
        (to_deepctr, {"U": np.zeros((L, 1, D, R)), "V": np.zeros((L, 1, R, D)),
                      "C": np.zeros((L, 1, R, R)), "b": MATRIX["b"]}, "no 'gate'"),
    ],
)  # fmt: skip
def test_what_does_not_fit(function, given, text):
    with pytest.raises(ValueError, match=text):
        function(given)


def test_public_names():
    assert set(exchange.__all__) <= set(dir(exchange))
