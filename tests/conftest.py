"""What every stage's tests share: the instruction set, the dtype, and sizes chosen to hurt."""

import gc
import os

import numpy as np
import pytest

from dcnfast.cpu import available_isas, effective_threads
from dcnfast.testing import (
    assert_close_in_norm,
    assert_within_rounding,
    central_difference,
    force_isa,
)
from tests.fresh import Fresh

FORCED = os.environ.get("DCNFAST_ISA")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which makes processes of the option
def pytest_cmdline_main(config):
    """All tests share all cores, a process each; what is named, timed or looked at has one."""
    option = config.option
    alone = (
        "PYTEST_XDIST_WORKER" in os.environ  # one of the processes, which starts no others
        or option.collectonly or option.usepdb or option.capture == "no"
        or option.markexpr != "not campaign" or getattr(option, "benchmark_only", False)
        or config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    )  # fmt: skip
    if not alone and getattr(option, "numprocesses", 0) is None:
        option.numprocesses, option.dist = effective_threads(None), "worksteal"
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of NumPy: there is a process a core


def pytest_collection_finish():
    """Tests that collect garbage need not look at all other tests each time."""
    gc.collect()
    gc.freeze()


# Vectors hold 8 (float64) or 16 (float32) numbers, register tiles have up to 12 rows and 2 vectors,
# tiles of a batch up to 384 rows.
ROWS = [0, 1, 2, 11, 12, 13, 25, 144, 145, 193, 384, 385]
WIDTHS = [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49]

# Everything that a network may have, see NetworkConfig; `weighted` is of the rows.
OPTIONS = {
    "fields": [
        (),
        (("user", 23, 17),),
        (("city", 11, 3), ("day", 7, 1), ("user", 60, 3), ("colour", 2, 8)),
    ],
    "n_dense": [0, 1, 6],
    "numeric_bins": [(), (3, 1, 40)],
    "numeric_embedding": ["piecewise", "periodic", "periodic_relu"],
    "n_members": [1, 3],
    "learned_scale": [False, True],
    "collision_weights": [False, True],
    "wide": [False, True],
    "cross": ["vector", "matrix", "lowrank", "gated", "mixture", "exponential", "onlydense"],
    "gating": ["softmax", "sigmoid", "constant"],
    "shared_gate": [False, True],
    "cross_linear": [False, True],
    "cross_factor": [1.0, 1.5],
    "cross_symmetric": [False, True],
    "cross_forbidden": [(), (0, 0)],
    "cross_heads": [1, 3],
    "shared_heads": [False, True],
    "cross_layers": [0, 1, 3],
    "diag_scale": [0.0, 0.2],
    "cross_bias": [True, False],
    "preactivation": ["identity", "relu", "tanh", "sigmoid", "gelu"],
    "hidden": [(), (9,), (17, 8)],
    "activation": ["identity", "relu", "tanh", "sigmoid", "gelu"],
    "parametric_activation": [False, True],
    "structure": ["parallel", "stacked", "stacked_parallel"],
    "dropout": [0.0, 0.3],
    "cross_dropout": [0.0, 0.4],
    "layer_norm": [False, True],
    "loss": [("squared_error", 1), ("squared_error", 3), ("log_loss", 1), ("softmax", 4)],
    "label_smoothing": [0.0, 0.2],
    "branch_loss": [False, True],
    "alpha_embedding": [0.0, 0.2],
    "alpha_cross": [0.0, 0.3],
    "alpha_deep": [0.0, 0.1],
    "embedding_penalty": ["batch", "table"],
    "ema_decay": [0.0, 0.9],
    "sparse_adam": ["lazy", "exact"],
    "wide_numeric": [False, True],
    "weighted": [False, True],
}


def draw_options(rng):
    """Draw a network; what has no effect in it has its default."""
    drawn = {name: values[rng.integers(len(values))] for name, values in OPTIONS.items()}
    if not drawn["fields"]:
        drawn |= {"n_dense": max(drawn["n_dense"], 1), "alpha_embedding": 0.0}
        drawn |= {"sparse_adam": "lazy", "embedding_penalty": "batch"}
    if not drawn["numeric_bins"]:
        drawn["numeric_embedding"] = "piecewise"
    if drawn["cross"] == "exponential" and not drawn["fields"] and not drawn["numeric_bins"]:
        drawn["n_dense"] = 6  # a norm of one number has no scale
    if not drawn["cross_layers"]:
        drawn |= {"cross": "matrix", "cross_bias": True, "alpha_cross": 0.0, "cross_dropout": 0.0}
    if drawn["cross"] not in ("matrix", "lowrank") or not drawn["cross_layers"]:
        drawn["diag_scale"] = 0.0
    if drawn["cross"] in ("vector", "gated", "exponential") or not drawn["cross_layers"]:
        drawn["preactivation"] = "identity"
    if drawn["cross"] != "mixture":
        drawn |= {"gating": "softmax", "shared_gate": False}
    if drawn["gating"] == "constant":
        drawn["shared_gate"] = False
    if drawn["cross"] != "exponential":
        drawn["cross_linear"] = False
    if drawn["cross"] != "onlydense":
        drawn["cross_factor"] = 1.0
    columns = len(drawn["fields"]) + drawn["n_dense"] + len(drawn["numeric_bins"])
    if drawn["cross"] != "matrix" or not drawn["cross_layers"] or columns < 2:
        drawn |= {"cross_symmetric": False, "cross_forbidden": ()}
    if not drawn["cross_layers"] or len(drawn["fields"]) < 2:  # of widths that 3 divides
        drawn["cross_heads"] = 1
    if drawn["cross_heads"] == 1 or drawn["cross"] != "matrix":
        drawn["shared_heads"] = drawn["cross_heads"] > 1
    if not drawn["wide"] or not drawn["numeric_bins"]:
        drawn["wide_numeric"] = False
    if drawn["loss"][0] == "squared_error":
        drawn["label_smoothing"] = 0.0
    if not drawn["hidden"]:
        drawn |= {"activation": "relu", "dropout": 0.0, "layer_norm": False}
    if drawn["structure"] != "parallel" or not drawn["hidden"] or not drawn["cross_layers"]:
        drawn["branch_loss"] = False
    if drawn["activation"] == "identity" or not drawn["hidden"]:
        drawn["parametric_activation"] = False
    return drawn


def pairwise():
    """Return networks, drawn until 100 more have no two values that have not met yet."""
    rng, numbers, networks = np.random.default_rng(0), {}, []
    met = np.eye(sum(map(len, OPTIONS.values())), dtype=bool)
    while True:
        candidates = [draw_options(rng) for _ in range(100)]
        values = np.array(
            [[numbers.setdefault(value, len(numbers)) for value in c.items()] for c in candidates]
        )
        new = ~met[values[:, :, None], values[:, None, :]]
        best = new.sum(axis=(1, 2)).argmax()
        if not new[best].any():
            return networks
        met[np.ix_(values[best], values[best])] = True
        networks.append(candidates[best])


NETWORKS = pairwise()  # those with most new pairs first


@pytest.fixture(params=NETWORKS, ids=lambda options: options["structure"])
def full_network(request):
    """Arguments of NetworkConfig, and `weighted`."""
    loss, n_outputs = request.param["loss"]
    rank = 2 if request.param["cross"] in ("lowrank", "mixture") else 0
    experts = 3 if request.param["cross"] == "mixture" else 0
    bins = request.param["numeric_bins"]
    numeric = {"numeric_width": 5 if bins else 0, "numeric_scales": (1.0, 0.9, 0.2)[: len(bins)]}
    if request.param["numeric_embedding"] != "piecewise":
        numeric["numeric_frequencies"] = 3
    shape = {"n_outputs": n_outputs, "cross_rank": rank, "cross_experts": experts} | numeric
    return request.param | {"loss": loss} | shape


@pytest.fixture(params=[FORCED] if FORCED else available_isas())
def isa(request):
    """Run the test on each instruction set; fails if it was not the active one."""
    with force_isa(request.param):
        yield request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(scope="session")
def fresh():
    """fresh(code, **environment): run it in an interpreter that has not imported dcnfast."""
    interpreters = Fresh()
    yield interpreters
    interpreters.close()


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(
    params=[(rows, 17) for rows in ROWS] + [(5, width) for width in WIDTHS],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def size(request):
    """(rows, width): each on its own, the other small and odd."""
    return request.param


@pytest.fixture
def check_gradients(rng):
    """check_gradients(gradients, forward, dout, *arguments): backward is forward's slope.

    ``forward`` is the reference's. Each gradient is compared with central differences along random
    directions, relative 1e-6; with a shorter step where a kink of a ReLU lies within the longer.
    """

    def check(gradients, forward, dout, *arguments):
        for i, (gradient, argument) in enumerate(zip(gradients, arguments, strict=True)):
            assert gradient.shape == argument.shape

            def loss(value, i=i):
                return np.sum(dout * forward(*arguments[:i], value, *arguments[i + 1 :]))

            for _ in range(3):
                direction = rng.choice([-1.0, 1.0], size=argument.shape)
                slope = np.sum(gradient * direction)
                scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
                assert any(
                    abs(slope - central_difference(loss, argument, direction, step)) <= 1e-6 * scale
                    for step in (1e-5, 1e-7)
                ), f"argument {i}"

    return check


@pytest.fixture
def check_rounding():
    """check_rounding(actuals, expecteds, magnitudes, n_roundings) for arrays or tuples of them.

    Number by number no more than rounding is allowed. Where there are many roundings that may be
    more than the number itself, so the whole array has to be right to ``norm`` roundings, too:
    roundings cancel, and zeros, a lost term or a wrong factor do not pass.
    """

    def check(actual, expected, magnitude, n_roundings, norm=256):
        if isinstance(expected, np.ndarray):
            actual, expected, magnitude = (actual,), (expected,), (magnitude,)
        for got, want, size in zip(actual, expected, magnitude, strict=True):
            assert_within_rounding(got, want, size, n_roundings)
            assert_close_in_norm(got, want, norm * float(np.finfo(got.dtype).eps))

    return check
