"""L2 of every row of the tables in every step: rows that a batch does not name make up for it."""

import numpy as np
import pytest

from dcnfast.network.model import Model
from dcnfast.reference.network import State
from dcnfast.testing import assert_close_in_norm
from dcnfast.training.optimizers import OPTIMIZERS, OptimizerStep

pytestmark = pytest.mark.usefixtures("isa")

# Rows of one number, of some vectors and the part of one; of most rows no batch names any.
FIELDS = (("item", 500, 4), ("shop", 40, 4), ("page", 90, 37), ("day", 7, 1))
TABLE = {"alpha_embedding": 0.3, "embedding_penalty": "table"}
NETWORKS = {
    "plain": {"n_dense": 2},
    "averages": {"n_dense": 2, "wide": True, "n_outputs": 2, "ema_decay": 0.9},
    "exact": {"n_dense": 2, "wide": True, "sparse_adam": "exact", "hidden": (9,)},
    "members": {
        "n_dense": 0, "n_members": 3, "numeric_bins": (3, 7), "numeric_scales": (0.5, 0.2),
        "numeric_width": 4, "cross_layers": 1, "ema_decay": 0.95, "dropout": 0.2, "hidden": (9,),
    },
}  # fmt: skip


@pytest.fixture(params=NETWORKS)
def network(request):
    return {"fields": FIELDS} | NETWORKS[request.param] | TABLE


def step_of(kind, **options):
    decay = 2.0 if OPTIMIZERS[kind].decays else 0.0
    return OptimizerStep(kind=kind, weight_decay=decay, **options)


def gone(parameters, start):
    return {name: parameters[name] - before for name, before in start.items()}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_as_dense_arithmetic(kind, network, dtype, make_case, rng):
    """52 steps in four epochs with four rates: the reference moves all rows in each of them."""
    case = make_case(38, dtype=dtype, **network)
    start, state = case.parameters(), State.start(case.parameters())
    for case.adam in (
        step_of(kind, learning_rate=0.01),
        step_of(kind, learning_rate=0.03, gradient_clip=0.5),
        step_of(kind, learning_rate=0.02, beta_1=0.8, nesterov=True),
        step_of(kind, learning_rate=0.001, rate_factors={"embedding": 3.0}),
    ):
        order = rng.permutation(38)
        want = case.reference_train(state, batch_size=3, order=order)
        loss, n_batches, _ = case.train(batch_size=3, order=order, n_threads=2)
        assert n_batches == 13
        assert loss == pytest.approx(want, rel=1e-10 if dtype == "float64" else 1e-4)
    rtol = 1e-9 if dtype == "float64" else 2e-3
    pairs = [(gone(case.model.network.parameters, start), gone(state.parameters, start))]
    pairs += [(case.state.first_moments, state.first_moments)]
    pairs += [(case.state.second_moments, state.second_moments)]
    if case.config.ema_decay:
        pairs += [(gone(case.model.network.averages, start), gone(state.averages, start))]
    for got, want in pairs:
        for name in want:
            assert_close_in_norm(got[name], want[name], rtol)
    # every row has moved, also the hundreds that no batch names
    for name in ("embedding_1", "embedding_4", "embedding_37"):
        assert (case.model.network.parameters[name] != start[name]).any(axis=1).all()


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_late_and_early_are_one_to_the_bit(kind, network, dtype, make_case, rng):
    """Epochs of one batch make up for what is missing in each step, one long epoch at its end."""
    case = make_case(60, dtype=dtype, **network)
    case.adam = step_of(kind, learning_rate=0.01)
    other, order = case.restart(), rng.permutation(60)
    loss = case.train(batch_size=4, order=order)[0]
    losses = [other.train(4, order=order[at : at + 4])[0] for at in range(0, 60, 4)]
    assert loss == pytest.approx(np.mean(losses), rel=1e-12 if dtype == "float64" else 1e-5)
    np.testing.assert_array_equal(case.model.snapshot(), other.model.snapshot())
    for moments in ("first_moments", "second_moments"):
        for name, want in getattr(other.state, moments).items():
            np.testing.assert_array_equal(getattr(case.state, moments)[name], want)


def test_rates_of_a_schedule(network, make_case, rng):
    """Each missed step has its own rate, rising and falling."""
    case = make_case(60, dtype="float64", **network)
    state, order = State.start(case.parameters()), rng.permutation(60)
    rates = np.concatenate([np.linspace(0.1, 2, 8), np.linspace(1, 0.01, 7)])
    case.state.train_epoch(case.table, order, 4, case.adam.compile(), case.seed, 1, rates)
    for at, rate in zip(range(0, 60, 4), rates, strict=True):
        options = vars(case.adam) | {"learning_rate": rate * case.adam.learning_rate}
        case.reference.train_step(state, *case.batch(order[at : at + 4]), seed=case.seed, **options)
    for name, want in state.parameters.items():
        assert_close_in_norm(case.model.network.parameters[name], want, 1e-10)


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_threads(n_threads, dtype, make_case, rng):
    fields = (("item", 5000, 4), ("shop", 300, 4))
    case = make_case(300, dtype=dtype, fields=fields, wide=True, ema_decay=0.9, **TABLE)
    other, order = case.restart(), rng.permutation(300)
    for _ in range(2):
        losses = case.train(batch_size=7, order=order)[0], other.train(7, n_threads, order)[0]
        assert losses[0] == losses[1]
    np.testing.assert_array_equal(case.model.snapshot(), other.model.snapshot())


def test_an_epoch_that_ends_early(network, make_case):
    """The loss of the fourth batch is not finite: all rows are as after the third."""
    case = make_case(60, dtype="float64", **network)
    state, broken = State.start(case.parameters()), case.restart()
    want = case.rows(slice(0, 30)).reference_train(state, batch_size=10)
    broken.target = case.target.copy()
    broken.target[35] = np.nan
    loss, n_batches, finished = broken.train(batch_size=10)
    assert (n_batches, finished) == (3, False)
    assert loss == pytest.approx(want, rel=1e-10)
    for name, tensor in state.parameters.items():
        assert_close_in_norm(broken.model.network.parameters[name], tensor, 1e-10)


def test_the_size_of_a_batch_matters_not_to_a_row(dtype, make_case):
    """Under SGD a row that is never named shrinks by 1 - rate * alpha in every step."""
    for rows in (1, 30):
        case = make_case(rows, dtype=dtype, fields=(("a", 9, 3),), **TABLE)
        case.ids[:] = 4
        case.adam = OptimizerStep(0.1, beta_1=0.0, kind="sgd")
        before = case.parameters()["embedding_3"]
        case.trajectory(5)
        after = case.parameters()["embedding_3"]
        others = np.arange(9) != 4
        np.testing.assert_allclose(after[others], before[others] * (1 - 0.1 * 0.3) ** 5, rtol=1e-5)


def test_without_alpha_it_changes_nothing(dtype, make_case):
    ends = []
    for penalty in ("batch", "table"):
        case = make_case(60, dtype=dtype, fields=FIELDS, embedding_penalty=penalty)
        case.train(batch_size=5)
        ends.append(case.model.snapshot())
    np.testing.assert_array_equal(*ends)


def test_states_of_before(make_case):
    """What was pickled when there was one form is of that form."""
    state = make_case(1, fields=FIELDS).model.__getstate__()
    del state["config"]["embedding_penalty"]
    model = Model.__new__(Model)
    model.__setstate__(state)
    assert model.config.embedding_penalty == "batch"
