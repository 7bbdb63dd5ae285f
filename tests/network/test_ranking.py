"""Losses of lists, through the whole network: against the reference, and bits over threads."""

from itertools import pairwise

import numpy as np
import pytest

from dcnfast import losses
from dcnfast.cpu import available_isas
from dcnfast.network.config import NetworkConfig
from dcnfast.network.losses import RANKING_LOSSES
from dcnfast.network.model import Model
from dcnfast.reference import training_loss
from dcnfast.reference.network import ReferenceNetwork, State
from dcnfast.testing import draw_dense, force_isa
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.state import Training

KINDS = [
    losses.Pairwise(), losses.Listwise(), losses.Listwise(gain="exponential"), losses.Lambda(),
    losses.Lambda(k=3, gain="exponential"),
]  # fmt: skip
FORMS = {
    "plain": {"n_dense": 5, "cross_layers": 1},
    "fields": {
        "fields": (("a", 7, 3), ("b", 40, 2)), "n_dense": 3, "cross_layers": 2, "wide": True,
        "hidden": (9,), "activation": "gelu", "dropout": 0.2,
    },
    "members": {
        "fields": (("a", 7, 3),), "n_dense": 2, "numeric_bins": (3, 4), "numeric_width": 3,
        "numeric_scales": (1.0, 0.7), "cross_layers": 1, "n_members": 3, "hidden": (8,),
        "activation": "relu", "cross_dropout": 0.1,
    },
}  # fmt: skip


class Case:
    def __init__(self, loss, sizes, dtype="float64", seed=0, weighted=True, **form):
        random = np.random.RandomState(seed)
        config = NetworkConfig(loss=loss.name, loss_constants=loss.constants(), dtype=dtype, **form)
        self.model = Model(config).initialize(random)
        flat = self.model.snapshot()
        self.model.restore(flat + random.normal(0, 0.3, flat.shape).astype(dtype))
        self.training, n = Training(self.model), int(np.sum(sizes))
        self.group = np.repeat(random.permutation(len(sizes)), sizes).astype(np.int64)
        columns = [random.randint(V, size=n) for _, V, _ in config.fields]
        self.ids = np.array(columns).reshape(len(columns), n).T.astype(np.int32, order="C")
        self.dense = draw_dense(config, n, random).astype(dtype)
        self.target = random.randint(4, size=(n, 1)).astype(dtype)
        self.weight = random.uniform(0.2, 2, n).astype(dtype) if weighted else None
        self.table = self.model.table(
            self.ids, self.dense, self.target, self.weight, (), self.group
        )
        self.reference = ReferenceNetwork(config)

    def batch(self, rows=slice(None)):
        weight = None if self.weight is None else self.weight[rows].astype(float)
        arrays = self.ids[rows], self.dense[rows].astype(float), self.target[rows].astype(float)
        return (*arrays, weight), {"group": self.group[rows]}

    def parameters(self):
        return {name: p.astype(float) for name, p in self.model.parameters.items()}

    def gradients(self, rows=None, n_threads=1):
        rows = np.arange(len(self.dense)) if rows is None else rows
        loss = self.training.state.compute_gradients(self.table, rows, 5, n_threads)
        return loss, {name: g.copy() for name, g in self.training.state.gradients.items()}


SIZES = (5, 1, 17, 40, 2, 64, 33)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("loss", KINDS, ids=repr)
def test_gradients_are_those_of_the_reference(loss, form):
    case = Case(loss, SIZES, **FORMS[form])
    rows, named = case.batch()
    want_loss, want = case.reference.loss_and_gradients(
        case.parameters(), *rows, seed=5, step=1, **named
    )
    got_loss, got = case.gradients()
    assert got_loss == pytest.approx(want_loss, rel=1e-12)
    assert max(np.abs(g).max() for g in got.values()) > 1e-4
    for name, g in want.items():
        np.testing.assert_allclose(got[name], g, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("loss", KINDS, ids=repr)
def test_every_instruction_set(loss):
    case = Case(loss, SIZES, dtype="float32", **FORMS["members"])
    rows, named = case.batch()
    want_loss, want = case.reference.loss_and_gradients(
        case.parameters(), *rows, seed=5, step=1, **named
    )
    got_loss, got = case.gradients()
    assert got_loss == pytest.approx(want_loss, rel=1e-5)
    for name, g in want.items():
        np.testing.assert_allclose(got[name], g, rtol=2e-3, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("loss", KINDS[:3], ids=repr)
def test_gradients_are_central_differences(loss):
    case = Case(loss, SIZES, **{**FORMS["members"], "cross_dropout": 0.0})
    case.gradients()
    flat, random = case.model.snapshot(), np.random.RandomState(1)
    direction = random.normal(size=flat.shape)
    slope = case.training.state.flat_gradients @ direction
    rows, step = np.arange(len(case.dense)), 1e-5
    at = []
    for sign in (1, -1):
        case.model.restore(flat + sign * step * direction)
        at.append(case.training.state.compute_gradients(case.table, rows, 5, 1))
    assert (at[0] - at[1]) / (2 * step) == pytest.approx(slope, rel=1e-5)


def test_lambda_is_the_gradient_of_its_loss_at_constant_weights():
    """Where ranks do not change by a small step they are constants anyway."""
    case = Case(losses.Lambda(k=5), SIZES, **FORMS["plain"])
    case.gradients()
    flat = case.model.snapshot()
    direction = np.random.RandomState(1).normal(size=flat.shape)
    slope = case.training.state.flat_gradients @ direction
    rows, step, at = np.arange(len(case.dense)), 1e-8, []
    for sign in (1, -1):
        case.model.restore(flat + sign * step * direction)
        at.append(case.training.state.compute_gradients(case.table, rows, 5, 1))
    assert (at[0] - at[1]) / (2 * step) == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("loss", KINDS, ids=repr)
def test_evaluate_is_the_mean_over_lists(loss):
    case = Case(loss, SIZES, **FORMS["members"])
    logits = case.model.logits(case.ids, case.dense, 1)
    (_, _, target, weight), named = case.batch()
    total, _ = training_loss(loss, logits, target, weight, 0.0, named["group"])
    ends = np.flatnonzero(np.diff(case.group)) + 1
    weights = sum(part.mean() for part in np.split(weight, ends))
    assert case.model.evaluate(case.table, 1) == pytest.approx(total / weights, rel=1e-12)
    assert loss.mean_of_lists(logits, target, weight, case.group) == pytest.approx(
        total / weights, rel=1e-9
    )


@pytest.mark.parametrize("loss", KINDS, ids=repr)
def test_an_epoch_in_given_batches(loss):
    case = Case(loss, SIZES, **FORMS["fields"])
    firsts = np.concatenate([[0], np.cumsum(SIZES)])
    by_list = [np.arange(a, b) for a, b in pairwise(firsts)]
    order = np.concatenate([by_list[i] for i in (5, 2, 0, 1, 3, 6, 4)])
    starts = np.array([0, 64, 87, 127, 162], np.int64)
    state = State.start(case.parameters())
    losses_of_batches, step = [], OptimizerStep(0.01)
    for first, end in pairwise(starts):
        rows, named = case.batch(order[first:end])
        losses_of_batches.append(
            case.reference.train_step(state, *rows, seed=5, **named, **vars(step))
        )
    loss_of_epoch, n, finished = case.training.state.train_epoch(
        case.table, order, 50, step.compile(), 5, 2, starts=starts
    )
    assert (n, finished) == (4, True)
    want = np.average(losses_of_batches, weights=np.diff(starts))
    assert loss_of_epoch == pytest.approx(want, rel=1e-9)
    for name, p in state.parameters.items():
        np.testing.assert_allclose(case.model.parameters[name], p, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("sizes", [(700, 700, 100), (100, 700), (1400, 96)])
def test_batches_of_one_epoch_have_tiles_of_several_sizes(sizes):
    """A small batch has fewer tiles, which may be larger: there is room for all, and any order."""
    starts = np.append(0, np.cumsum(sizes)).astype(np.int64)
    order, step = np.arange(starts[-1]), OptimizerStep(0.01).compile()
    loss, bits = RANKING_LOSSES.resolve("listwise", {}), []
    for pieces in ([(0, len(sizes))], [(i, i + 1) for i in range(len(sizes))]):
        case = Case(loss, [2] * (starts[-1] // 2), **FORMS["fields"])
        for first, last in pieces:
            cut = starts[first : last + 1]
            rows = order[cut[0] : cut[-1]]
            case.training.state.train_epoch(case.table, rows, 1000, step, 5, 2, starts=cut - cut[0])
        bits.append(case.model.snapshot())
    np.testing.assert_array_equal(*bits)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", KINDS, ids=repr)
def test_bits_do_not_depend_on_threads(loss, dtype):
    got = []
    for n_threads in (1, 2, 3):
        case = Case(loss, (*SIZES, 300, *[7] * 60), dtype=dtype, **FORMS["members"])
        value, _ = case.gradients(n_threads=n_threads)
        flat = case.training.state.flat_gradients.copy()
        got.append((value, case.model.evaluate(case.table, n_threads), flat.tobytes()))
    assert got[0] == got[1] == got[2]


def test_avx2_and_avx512_have_the_same_bits():
    got = set()
    for isa in [isa for isa in available_isas() if isa.startswith("avx")]:
        with force_isa(isa):
            case = Case(losses.Lambda(k=4), SIZES, dtype="float32", **FORMS["members"])
            value, _ = case.gradients()
            got.add((value, case.training.state.flat_gradients.tobytes()))
    assert len(got) <= 1


@pytest.mark.parametrize("loss", KINDS, ids=repr)
@pytest.mark.parametrize("n", [1024, 1025, 3000])
def test_a_long_list_is_compared_in_parts(loss, n):
    case = Case(loss, (n,), **FORMS["plain"])
    rows, named = case.batch()
    want_loss, want = case.reference.loss_and_gradients(
        case.parameters(), *rows, seed=5, step=1, **named
    )
    got_loss, got = case.gradients(n_threads=2)
    assert got_loss == pytest.approx(want_loss, rel=1e-11)
    np.testing.assert_allclose(got["cross_W"], want["cross_W"], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", RANKING_LOSSES.values())
def test_lists_without_a_difference_say_nothing(kind):
    case = Case(kind(), (1, 1, 6), **FORMS["plain"])
    same = np.zeros_like(case.target)
    table = case.model.table(case.ids, case.dense, same, None, (), case.group)
    assert case.training.state.compute_gradients(table, np.arange(8), 0, 1) == 0
    assert not case.training.state.flat_gradients.any()
    assert case.model.evaluate(table, 1) == 0


def test_tables_and_batches_are_checked():
    case = Case(losses.Pairwise(), SIZES, **FORMS["plain"])
    arrays = case.ids, case.dense, case.target, case.weight
    with pytest.raises(ValueError, match="group is None and the loss ranks"):
        case.model.table(*arrays)
    with pytest.raises(ValueError, match=r"group has shape \(3,\)"):
        case.model.table(*arrays, (), case.group[:3].copy())
    with pytest.raises(ValueError, match="group is None"):
        case.model.network.evaluate(*arrays, 1)
    other = Model(NetworkConfig(n_dense=5, dtype="float64"))
    with pytest.raises(ValueError, match="group is given and the loss ranks nothing"):
        other.table(*arrays, (), case.group)
    with pytest.raises(ValueError, match="made for a network with other"):
        Training(Model(NetworkConfig(n_dense=5, dtype="float64"))).state.compute_gradients(
            case.table, np.arange(3), 0, 1
        )
    order, step = np.arange(162), OptimizerStep(0.01).compile()
    for starts in ([0, 5], [1, 162], [0, 80, 80, 162], [0, 90, 80, 162], []):
        with pytest.raises(ValueError, match="starts do not rise from 0 to 162"):
            case.training.state.train_epoch(
                case.table, order, 50, step, 5, 1, starts=np.array(starts, np.int64)
            )


def test_nan_and_infinite_scores_end_an_epoch():
    for loss in KINDS:
        case = Case(loss, SIZES, **FORMS["plain"])
        case.dense[3] = np.inf
        _, n, finished = case.training.state.train_epoch(
            case.table, np.arange(162), 162, OptimizerStep(0.01).compile(), 5, 1
        )
        assert (n, finished) == (0, False)
