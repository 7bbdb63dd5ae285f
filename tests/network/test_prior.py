"""What holds parameters where they were: the engine against float64, on every instruction set."""

from dataclasses import replace

import numpy as np
import pytest

from dcnfast.reference import prior as reference
from dcnfast.reference.network import State
from dcnfast.testing import assert_close_in_norm
from dcnfast.training.optimizers import OPTIMIZERS, OptimizerStep
from dcnfast.training.prior import remember

pytestmark = pytest.mark.usefixtures("isa")

FIELDS = (("item", 50, 4), ("shop", 9, 4), ("page", 30, 17))
NETWORKS = {
    "plain": {"n_dense": 3},
    "wide": {"n_dense": 2, "wide": True, "n_outputs": 2, "hidden": (9,)},
    "averages": {"n_dense": 2, "ema_decay": 0.9, "hidden": (9, 5), "dropout": 0.3},
    "members": {"n_dense": 1, "n_members": 3, "hidden": (9,)},
}


@pytest.fixture(params=NETWORKS)
def network(request):
    return {"fields": FIELDS, "cross_layers": 2} | NETWORKS[request.param]


def by_name(case, flat):
    return {
        name: flat[at : at + int(np.prod(shape))].reshape(shape).astype(np.float64)
        for name, shape, at in case.model.network.tensors
    }


def draw_prior(case, rng):
    """Return an anchor and a Fisher information, flat, and by name; 0 between the tensors."""
    size, dtype = case.model.network.flat_parameters.shape, case.config.dtype
    flat = [np.zeros(size, dtype) for _ in range(2)]
    for _, shape, at in case.model.network.tensors:
        n = int(np.prod(shape))
        flat[0][at : at + n] = rng.normal(0, 0.3, n)
        flat[1][at : at + n] = rng.exponential(2.0, n)
    return flat, tuple(by_name(case, one) for one in flat)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_steps_are_those_of_the_reference(kind, network, dtype, make_case, rng):
    case = make_case(30, dtype=dtype, **network)
    flat, named = draw_prior(case, rng)
    case.training.hold(*flat, 7)
    start, state = case.parameters(), State.start(case.parameters())
    state.prior = named
    for strength in (0.2, 0.0, 3.0):
        case.adam = OptimizerStep(
            0.01, kind=kind, prior_strength=strength, gradient_clip=0.4 if strength == 3 else 0.0
        )
        order = rng.permutation(30)
        want = case.reference_train(state, batch_size=7, order=order)
        loss, n_batches, _ = case.train(batch_size=7, order=order, n_threads=2)
        assert n_batches == 5
        assert loss == pytest.approx(want, rel=1e-10 if dtype == "float64" else 1e-4)
    rtol = 1e-9 if dtype == "float64" else 2e-3
    for name, p in case.model.network.parameters.items():
        moved = state.parameters[name] - start[name]
        assert_close_in_norm(p - start[name], moved, rtol)
    for name, p in case.model.network.averages.items():
        if case.config.ema_decay:
            assert_close_in_norm(p - start[name], state.averages[name] - start[name], rtol)


def test_its_gradient_is_a_central_difference(rng):
    p, anchor, fisher = (rng.normal(size=(4, 3)) for _ in range(3))
    penalty, gradient = reference.pull(p, anchor, fisher**2, 0.7)
    assert penalty > 0
    for i in np.ndindex(p.shape):
        step = np.zeros_like(p)
        step[i] = 1e-6
        up, down = (reference.pull(p + s, anchor, fisher**2, 0.7)[0] for s in (step, -step))
        assert gradient[i] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("batch_size", [1, 4, 30])
def test_fisher_information_is_that_of_the_reference(batch_size, network, dtype, make_case, rng):
    case = make_case(30, dtype=dtype, weighted=batch_size == 4, **network)
    order = rng.permutation(30)
    got = by_name(case, case.state.fisher(case.table, order, batch_size, 2))
    batches = np.split(order, range(batch_size, 30, batch_size))
    gradients = [case.rows(rows).reference_gradients()[1] for rows in batches]
    for name, own in got.items():
        want = reference.fisher([g[name] for g in gradients], [len(rows) for rows in batches])
        if batch_size == 1:
            np.testing.assert_allclose(want, np.mean([g[name] ** 2 for g in gradients], axis=0))
        assert_close_in_norm(own, want, 1e-10 if dtype == "float64" else 1e-4)
        assert own.any() or not want.any()


def test_threads_and_copies_have_the_same_bits(network, make_case):
    case = make_case(200, dtype="float32", **network)
    one, two = (case.state.fisher(case.table, np.arange(200), 16, n) for n in (1, 3))
    np.testing.assert_array_equal(one, two)
    case.training.hold(np.array(case.model.network.flat_parameters), one, 200)
    case.adam = replace(case.adam, prior_strength=10.0)
    other = case.restart()
    assert other.training.prior_rows == 200
    np.testing.assert_array_equal(other.state.prior[1], one)
    for of, n_threads in ((case, 1), (other, 3)):
        of.train(batch_size=50, n_threads=n_threads)
    for name, p in case.model.parameters.items():
        np.testing.assert_array_equal(p, other.model.parameters[name])


def test_rows_of_before_count_as_many_as_they_are(make_case):
    case = make_case(60, dtype="float64", fields=FIELDS, cross_layers=1)
    state = case.state
    both = [case.rows(slice(0, 20)), case.rows(slice(20, 60))]
    alone = []
    for part in both:
        case.training.prior_rows = 0
        part = replace(part, training=case.training.copy())
        remember(part.training, _Rows(part), 1)
        alone.append(part.state.prior[1])
    for part in both:
        remember(case.training, _Rows(part), 1)
    assert case.training.prior_rows == 60
    mean = (20 * alone[0] + 40 * alone[1]) / 60
    np.testing.assert_allclose(state.prior[1], mean, rtol=1e-12)
    np.testing.assert_array_equal(state.prior[0], case.model.network.flat_parameters)


class _Rows:
    """As training.batches.Rows, of a case."""

    group = None

    def __init__(self, case):
        self.table = case.table

    def __len__(self):
        return len(self.table)


def test_a_larger_table_keeps_what_it_was_held_at(make_case, rng):
    case = make_case(30, dtype="float32", fields=FIELDS, cross_layers=1, wide=True)
    flat, named = draw_prior(case, rng)
    case.training.hold(*flat, 5)
    larger = replace(case, training=case.training.resized([60, 9, 31]))
    for own, before in zip(larger.state.prior, named, strict=True):
        now = by_name(larger, own)
        np.testing.assert_array_equal(now["embedding_4"][:50], before["embedding_4"][:50])
        np.testing.assert_array_equal(now["embedding_4"][60:], before["embedding_4"][50:])
        np.testing.assert_array_equal(now["wide"][69:99], before["wide"][59:89])
        assert not now["embedding_4"][50:60].any()
        np.testing.assert_array_equal(now["cross_W"], before["cross_W"])
    back = larger.training.resized([50, 9, 30])
    for own, before in zip(back.state.prior, flat, strict=True):
        np.testing.assert_array_equal(own, before)
