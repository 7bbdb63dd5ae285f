"""Ids that repeat: multiplying each distinct row of a table once changes no more than rounding."""

import numpy as np
import pytest

from dcnfast.reference.network import State
from dcnfast.testing import force_isa

pytestmark = pytest.mark.usefixtures("isa")

# Widths that do not fill vectors, two fields whose ids hardly repeat, two tables of several fields
FIELDS = (
    ("a", 9, 5),
    ("many", 700, 16),
    ("b", 13, 16),
    ("c", 3, 3),
    ("rare", 250, 5),
    ("d", 20, 5),
)
SHARED, ROWS, REPEATS = 4, 401, 8
NETWORKS = {
    "matrix": {"cross_layers": 2, "hidden": (21, 6)},
    "one layer": {"cross_layers": 1, "hidden": (70,)},
    "low rank": {"cross": "lowrank", "cross_rank": 3, "cross_layers": 2, "hidden": (20,)},
    "gate": {"cross_layers": 2, "preactivation": "gelu"},
    "low rank, gate": {
        "cross": "lowrank",
        "cross_rank": 4,
        "cross_layers": 2,
        "preactivation": "tanh",
    },
    "mixture": {"cross": "mixture", "cross_rank": 3, "cross_experts": 3, "cross_layers": 2},
    "mixture, gelu": {
        "cross": "mixture",
        "cross_rank": 7,
        "cross_experts": 2,
        "cross_layers": 2,
        "gating": "sigmoid",
        "shared_gate": True,
        "preactivation": "gelu",
    },
    "exponential": {"cross": "exponential", "cross_layers": 2, "hidden": (20,)},
    "onlydense": {"cross": "onlydense", "cross_layers": 2, "preactivation": "relu"},
    "tied": {"cross_symmetric": True, "cross_forbidden": (0, 1, 2, 4), "cross_layers": 2},
    "heads": {"cross_heads": 2, "cross_layers": 2},
    "shared heads": {"cross_heads": 2, "shared_heads": True, "cross_layers": 2, "hidden": (9,)},
    "vector": {"cross": "vector", "cross_layers": 2, "hidden": (20,)},
    "deep": {"hidden": (40, 8), "activation": "gelu", "layer_norm": True, "dropout": 0.2},
    "stacked": {"cross_layers": 1, "hidden": (20,), "structure": "stacked"},
    "both": {"cross_layers": 2, "hidden": (20,), "structure": "stacked_parallel", "wide": True},
}


@pytest.fixture(params=NETWORKS)
def options(request):
    return {"fields": FIELDS, "sparse_adam": "exact", **NETWORKS[request.param]}


@pytest.fixture
def make_sharing_case(make_case):
    """A case whose frequent fields are shared however small the batch."""

    def make(rows=ROWS, *, repeats=REPEATS, **options):
        case = make_case(rows, **options)
        case.state.set_sharing(repeats, 1, 0)
        return case

    return make


def test_against_the_reference(options, dtype, make_sharing_case):
    rtol = 1e-12 if dtype == "float64" else 1e-4
    case = make_sharing_case(dtype=dtype, weighted=True, **options)
    loss, gradients = case.gradients()
    assert case.state.shared_fields == SHARED
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=rtol)
    for name, gradient in want.items():
        atol = rtol * np.abs(gradient).max()
        np.testing.assert_allclose(gradients[name], gradient, rtol=0, atol=atol, err_msg=name)


def draw_network(rng):
    """Fields of all sizes and widths, and whatever reads x0."""
    options = {
        "fields": tuple(
            (f"field {i}", int(rng.integers(1, 80)), int(rng.integers(1, 40)))
            for i in range(rng.integers(1, 9))
        ),
        "n_dense": int(rng.integers(0, 20)),
        "structure": str(rng.choice(["parallel", "stacked", "stacked_parallel"])),
        "cross_layers": int(rng.integers(1, 4)),
        "hidden": tuple(int(width) for width in rng.integers(1, 90, rng.integers(1, 3))),
        "preactivation": str(rng.choice(["identity", "gelu", "tanh"])),
    }
    if rng.integers(2):
        options |= {"cross": "lowrank", "cross_rank": int(rng.integers(1, 40))}
    return options


@pytest.mark.parametrize("seed", range(30))
def test_drawn_networks(seed, make_case):
    rng = np.random.default_rng(seed)
    options = draw_network(rng)
    case = make_case(int(rng.integers(1, 900)), seed=seed, dtype="float64", **options)
    case.state.set_sharing(int(rng.integers(1, 20)), int(rng.integers(1, 9)), 0)
    loss, gradients = case.gradients(int(rng.integers(1, 4)))
    want_loss, want = case.reference_gradients()
    assert loss == pytest.approx(want_loss, rel=1e-11)
    for name, gradient in want.items():
        atol = 1e-10 * np.abs(gradient).max()
        np.testing.assert_allclose(gradients[name], gradient, rtol=0, atol=atol, err_msg=name)


def test_all_columns_are_shared(dtype, make_sharing_case):
    """Nothing is left to multiply, and there is no dense column."""
    case = make_sharing_case(
        dtype=dtype, n_dense=0, repeats=1, fields=FIELDS[:1], cross_layers=2, hidden=(9,)
    )
    loss, gradients = case.gradients()
    assert case.state.shared_fields == 1
    want_loss, want = case.reference_gradients()
    rtol = 1e-12 if dtype == "float64" else 1e-4
    assert loss == pytest.approx(want_loss, rel=rtol)
    for name, gradient in want.items():
        atol = rtol * np.abs(gradient).max()
        np.testing.assert_allclose(gradients[name], gradient, rtol=0, atol=atol, err_msg=name)


def test_training(make_sharing_case, options, rng):
    """Batches of which some share more fields than others, then a prediction."""
    case = make_sharing_case(300, dtype="float64", **options)
    state, network = State.start(case.parameters()), case.model.network
    for rows in (120, 150):
        order = rng.permutation(300)
        want = case.reference_train(state, batch_size=rows, order=order)
        assert case.train(batch_size=rows, order=order)[0] == pytest.approx(want, rel=1e-10)
    for name, parameter in state.parameters.items():
        np.testing.assert_allclose(network.parameters[name], parameter, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        case.predict(), case.reference.predict(state, *case.batch()[:2]), rtol=0, atol=1e-8
    )


def test_threads(options, make_sharing_case):
    start = make_sharing_case(1500, **options)
    snapshots = []
    for n_threads in (1, 2, 3, 7):
        case = start.restart()
        case.state.set_sharing(REPEATS, 1, 0)
        case.train(batch_size=700, n_threads=n_threads)
        assert case.state.shared_fields > 0
        snapshots.append(case.model.snapshot())
    assert all(np.array_equal(snapshots[0], other) for other in snapshots[1:])


def test_what_is_shared_by_itself(make_case):
    """Wide fields with few rows in a large batch, and enough to multiply."""
    fields = (("few", 40, 16), ("narrow", 40, 4), ("many", 3000, 16))
    large = {"fields": fields, "cross_layers": 1, "hidden": (256, 8)}
    for rows, config, shared in [(4096, large, 1), (300, large, 0), (4096, {"fields": fields}, 0)]:
        case = make_case(rows, **config)
        case.gradients()
        assert case.state.shared_fields == shared


def test_instruction_sets_agree(make_sharing_case, options):
    case = make_sharing_case(**options, deterministic="isa")
    other = case.restart()
    other.state.set_sharing(REPEATS, 1, 0)
    case.train(batch_size=200)
    with force_isa("scalar"):
        other.train(batch_size=200)
    np.testing.assert_array_equal(case.model.snapshot(), other.model.snapshot())
