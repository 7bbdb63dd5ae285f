"""Losses of the cross part and of the deep part: what is minimised, and by which gradients."""

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.losses import LOSSES
from dcnfast.reference import training_loss
from dcnfast.reference.network import State
from dcnfast.testing import assert_close_in_norm, force_isa

FIELDS = (("city", 11, 3), ("user", 60, 17))
NETWORK = {
    "fields": FIELDS, "cross_layers": 2, "hidden": (17, 9), "wide": True, "branch_loss": True,
}  # fmt: skip
NETWORKS = [
    NETWORK | {"loss": "log_loss", "dropout": 0.2, "cross_dropout": 0.3},
    NETWORK | {"n_outputs": 3, "n_members": 3, "alpha_deep": 0.1, "collision_weights": True},
    {"cross": "vector", "cross_layers": 1, "hidden": (5,), "branch_loss": True, "loss": "softmax"}
    | {"n_outputs": 4, "label_smoothing": 0.1},
]
RTOL = {"float32": 4e-4, "float64": 1e-11}


def losses_of(case, step=1):
    """Return L, L_C and L_D of a single member, of the forward of the reference."""
    ids, dense, target, weight = case.batch()
    p, c = case.parameters(), case.config
    state = case.reference.forward(p, ids, dense, seed=case.seed, step=step)
    r = p["head_b"] + case.reference._wide(p, ids, dense)
    parts = (state["xL"], state["deep"]["deep"][-1])
    weights = np.split(p["head_W"], [c.width], axis=1)
    alone = [2 * x @ W.T + r for x, W in zip(parts, weights, strict=True)]
    np.testing.assert_allclose(np.mean(alone, axis=0), state["logits"], rtol=1e-9, atol=1e-12)
    return [
        training_loss(c.loss_kind, z, target, weight, c.label_smoothing)[0] / len(dense)
        for z in (state["logits"], *alone)
    ]


@pytest.fixture(params=range(len(NETWORKS)))
def case_of(request, make_case, dtype):
    return lambda rows, **more: make_case(rows, dtype=dtype, **NETWORKS[request.param] | more)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("rows", [1, 13, 401])
def test_one_pass(case_of, dtype, rows):
    case = case_of(rows, weighted=True)
    loss, gradients = case.gradients()
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=RTOL[dtype])
    for name, g in want.items():
        atol = RTOL[dtype] * np.abs(g).max(initial=0)
        np.testing.assert_allclose(gradients[name], g, rtol=0, atol=atol, err_msg=name)
    plain = case_of(rows, weighted=True, branch_loss=False)
    np.testing.assert_array_equal(case.predict(), plain.predict())
    assert case.evaluate() == plain.evaluate()


@pytest.mark.parametrize("network", [0, 2])
def test_the_loss_is_the_formula(make_case, network):
    """Of branches that are worse than both together, and of one that is better."""
    seen = set()
    for seed in range(8):
        case = make_case(40, dtype="float64", seed=seed, weighted=True, **NETWORKS[network])
        both, cross, deep = losses_of(case)
        want = both + max(0, cross - both) * cross + max(0, deep - both) * deep
        assert case.gradients()[0] == pytest.approx(want, rel=1e-11)
        seen.add((cross > both, deep > both))
    assert len(seen) > 1


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("network", range(len(NETWORKS)))
def test_gradients_are_the_slope_of_the_loss(network, make_case, rng):
    case = make_case(23, dtype="float64", **NETWORKS[network] | {"dropout": 0, "cross_dropout": 0})
    _, gradients = case.gradients()
    start = case.parameters()
    for name, gradient in gradients.items():
        direction, step = rng.normal(size=gradient.shape), 1e-6
        above, below = (
            case.reference_loss(start | {name: start[name] + sign * step * direction})
            for sign in (1, -1)
        )
        slope = (above - below) / (2 * step)
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-5, abs=1e-8), name


def test_steps(case_of, dtype, rng):
    case = case_of(37)
    start, state = case.parameters(), State.start(case.parameters())
    for _ in range(3):
        order = rng.permutation(37)
        want = case.reference_train(state, batch_size=10, order=order)
        loss, _, _ = case.train(batch_size=10, order=order)
        assert loss == pytest.approx(want, rel=1e-9 if dtype == "float64" else 1e-3)
    for name, before in start.items():
        gone, want = (p.parameters[name] - before for p in (case.model.network, state))
        assert_close_in_norm(gone, want, 5e-3 if dtype == "float32" else 1e-7)


def test_bits_do_not_depend_on_threads_or_isa(case_of, isa):
    start = case_of(1500)
    one, many = start.restart(), start.restart()
    one.train(batch_size=700), many.train(batch_size=700, n_threads=5)
    np.testing.assert_array_equal(one.model.snapshot(), many.model.snapshot())
    if isa in ("avx2", "avx512"):
        with force_isa("avx2"):
            other = start.restart()
            other.train(batch_size=700)
        np.testing.assert_array_equal(one.model.snapshot(), other.model.snapshot())


@pytest.mark.parametrize(
    "loss", [name for name, loss in LOSSES.items() if not loss.may_be_negative]
)
def test_every_loss(loss, make_case):
    outputs = 1 if loss == "log_loss" else 2
    constants = LOSSES.resolve(loss, {}).constants()
    options = NETWORK | {"loss": loss, "n_outputs": outputs, "loss_constants": constants}
    if loss == "quantile":
        options["n_outputs"] = 1
    case = make_case(50, dtype="float64", **options)
    value, gradients = case.gradients()
    want_value, want = case.reference_gradients(step=1)
    assert value == pytest.approx(want_value, rel=1e-11)
    for name, g in want.items():
        np.testing.assert_allclose(gradients[name], g, rtol=0, atol=1e-11 * np.abs(g).max())


@pytest.mark.parametrize(
    "options",
    [
        {"structure": "stacked"},
        {"structure": "stacked_parallel"},
        {"cross_layers": 0},
        {"hidden": ()},
    ],
)
def test_networks_without_two_branches(options):
    with pytest.raises(ValueError, match="branch_loss is True, want structure 'parallel' with"):
        NetworkConfig(n_dense=3, **NETWORK | options).compile()


def test_a_loss_that_ranks():
    with pytest.raises(ValueError, match="branch_loss is True and the loss ranks"):
        NetworkConfig(n_dense=3, **NETWORK | {"loss": "pairwise"}).compile()
