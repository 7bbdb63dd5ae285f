"""A learned factor of each row of the tables of embeddings: gradients, steps, rows that are new."""

from dataclasses import replace

import numpy as np
import pytest

from dcnfast import _core
from dcnfast.network.collision import embeddings_of, without_factors
from dcnfast.network.compressed import compressed
from dcnfast.reference.network import State
from dcnfast.testing import assert_close_in_norm, force_isa
from dcnfast.training.optimizers import OPTIMIZERS, OptimizerStep

# columns of one value and lists that share rows, lists alone, two widths with a row of one vector
FIELDS = (("item", 60, 17), ("city", 11, 17), ("from", 9, 3), ("to", 9, 3), ("clicks", 60, 17),
          ("carts", 60, 17), ("tags", 40, 3))  # fmt: skip
LISTS = {
    "fields": FIELDS, "table_of": (0, 1, 2, 2, 0, 0, 6), "poolings": ("sum", "max", "max"),
    "wide": True, "collision_weights": True,
}  # fmt: skip
NETWORKS = [
    LISTS | {"cross_layers": 2, "hidden": (9,), "alpha_embedding": 0.2},
    LISTS | {"n_members": 2, "sparse_adam": "exact", "ema_decay": 0.9, "alpha_embedding": 0.2},
    LISTS | {"embedding_penalty": "table", "alpha_embedding": 0.1, "cross_layers": 1},
    LISTS | {"frozen": (1, 2), "cross_layers": 1, "learned_scale": True},
    {"fields": FIELDS[:3], "collision_weights": True, "cross_layers": 2, "hidden": (9,)},
]


@pytest.fixture(params=range(len(NETWORKS)))
def case_of(request, make_case, dtype):
    return lambda rows, **more: make_case(rows, dtype=dtype, **NETWORKS[request.param] | more)


@pytest.mark.usefixtures("isa")
def test_one_pass(case_of, dtype):
    rtol = 1e-12 if dtype == "float64" else 4e-4
    case = case_of(401, weighted=True)
    loss, gradients = case.gradients()
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=rtol)
    assert list(gradients) == list(want)
    for name, g in want.items():
        atol = rtol * np.abs(g).max(initial=0)
        np.testing.assert_allclose(gradients[name], g, rtol=0, atol=atol, err_msg=name)
    assert np.abs(want["collision_17"]).max() > 0
    logits = case.reference_predict()
    np.testing.assert_allclose(case.predict(), logits, rtol=0, atol=rtol * np.abs(logits).max())


@pytest.mark.usefixtures("isa")
def test_gradients_are_the_slope_of_the_loss(make_case, rng):
    case = make_case(23, dtype="float64", **NETWORKS[0])
    _, gradients = case.gradients()
    start = case.parameters()
    for name in ("collision_3", "collision_17", "embedding_3", "embedding_17"):
        direction, step = rng.normal(size=start[name].shape), 1e-6
        above, below = (
            case.reference_loss(start | {name: start[name] + sign * step * direction})
            for sign in (1, -1)
        )
        slope = (above - below) / (2 * step)
        assert (gradients[name] * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_twelve_steps(case_of, dtype, rng):
    case = case_of(37)
    start = case.parameters()
    state = State.start(start)
    for _ in range(3):
        order = rng.permutation(37)
        want = case.reference_train(state, batch_size=10, order=order)
        loss, _, _ = case.train(batch_size=10, order=order)
        assert loss == pytest.approx(want, rel=1e-10 if dtype == "float64" else 1e-3)
    for name, before in start.items():
        gone, want = (p.parameters[name] - before for p in (case.model.network, state))
        assert_close_in_norm(gone, want, 3e-3 if dtype == "float32" else 1e-8)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("network", range(4))
def test_every_optimizer(kind, network, make_case, rng):
    """Clipped, decayed and held by what came before; frozen rows keep their factors."""
    case = make_case(30, dtype="float64", **NETWORKS[network])
    decay = 2.0 * OPTIMIZERS[kind].decays
    case.adam = OptimizerStep(
        0.01, kind=kind, weight_decay=decay, gradient_clip=0.5, prior_strength=0.3
    )
    before, state = case.parameters(), State.start(case.parameters())
    fisher = {name: rng.uniform(size=p.shape) for name, p in before.items()}
    anchor = {name: p + 0.1 for name, p in before.items()}
    state.prior = anchor, fisher
    flat = [np.zeros(case.model.network.flat_parameters.shape) for _ in range(2)]
    for to, tensors in zip(flat, state.prior, strict=True):
        for name, _, offset in case.model.network.tensors:
            to[offset : offset + tensors[name].size] = tensors[name].ravel()
    case.state.set_prior(*flat)
    for _ in range(2):
        order = rng.permutation(30)
        want = case.reference_train(state, batch_size=7, order=order)
        assert case.train(batch_size=7, order=order)[0] == pytest.approx(want, rel=1e-9)
    for name, start in before.items():
        gone, want = (p.parameters[name] - start for p in (case.model.network, state))
        assert_close_in_norm(gone, want, 1e-8)
    assert (case.model.parameters["collision_3"] != before["collision_3"]).any()
    if case.config.frozen:
        still = slice(60, 71)
        now = case.model.parameters["collision_17"]
        np.testing.assert_array_equal(now[still], before["collision_17"][still])


def test_bits_do_not_depend_on_threads_or_isa(case_of, isa):
    start = case_of(1500)
    one, many = start.restart(), start.restart()
    one.train(batch_size=400), many.train(batch_size=400, n_threads=5)
    np.testing.assert_array_equal(one.model.snapshot(), many.model.snapshot())
    np.testing.assert_array_equal(one.predict(1), many.predict(5))
    if isa in ("avx2", "avx512"):
        with force_isa("avx2"):
            other = start.restart()
            other.train(batch_size=400)
        np.testing.assert_array_equal(one.model.snapshot(), other.model.snapshot())


@pytest.mark.usefixtures("isa")
def test_products_predict_the_same_bits(case_of):
    case = case_of(200)
    folded = without_factors(case.model)
    assert not folded.config.collision_weights
    assert without_factors(folded) is folded
    args = case.ids, case.dense, 1, case.lists
    np.testing.assert_array_equal(folded.logits(*args), case.predict())
    for field in range(len(case.config.fields)):
        np.testing.assert_array_equal(
            embeddings_of(case.model, field), embeddings_of(folded, field)
        )


def test_factors_of_one_change_no_bit(make_case):
    """Neither of what is predicted nor of the embeddings' gradients."""
    weighted = make_case(100, dtype="float32", **NETWORKS[1])
    plain = make_case(100, dtype="float32", **NETWORKS[1] | {"collision_weights": False})
    flat = weighted.model.snapshot()
    for name, shape, offset in weighted.model.network.tensors:
        ones = name.startswith("collision_")
        values = np.ones(shape) if ones else plain.model.parameters[name]
        flat[offset : offset + values.size] = values.ravel()
    weighted.model.restore(flat)
    weighted = replace(plain, training=weighted.training)  # the same rows
    np.testing.assert_array_equal(weighted.predict(), plain.predict())
    (_, got), (_, want) = weighted.gradients(), plain.gradients()
    for name, g in want.items():
        np.testing.assert_array_equal(got[name], g)


def test_equal_ids_share_no_products(make_case):
    """These are of rows as they are."""
    options = {"fields": (("city", 3, 16),), "cross_layers": 2, "n_dense": 9}
    for weighted in (False, True):
        case = make_case(600, dtype="float64", collision_weights=weighted, **options)
        case.state.set_sharing(least_repeats=1, least_width=1, least_saved=0.0)
        case.gradients()
        assert case.state.shared_fields == (not weighted)


def test_rows_that_are_new_or_were_never_seen(make_case):
    """A new row predicts what row 0 does, a row that was not seen the mean; their factors are 1."""
    case = make_case(30, dtype="float64", **NETWORKS[0])
    before = embeddings_of(case.model, 0).copy(), embeddings_of(case.model, 1).copy()
    grown = case.training.resized([70, 11, 9, 9, 70, 70, 40])
    grown.state.begin_rows(0, np.arange(60, 70, dtype=np.int32))
    rows = embeddings_of(grown.model, 0)
    np.testing.assert_array_equal(rows[:60], before[0])
    np.testing.assert_array_equal(rows[60:], np.repeat(before[0][:1], 10, axis=0))
    np.testing.assert_array_equal(grown.model.parameters["collision_17"][60:70], 1)
    np.testing.assert_array_equal(embeddings_of(grown.model, 1), before[1])

    counts = [np.ones(n, np.int64) for _, n, _ in case.config.fields]
    counts[0][:] = np.arange(60) % 3
    for f in (4, 5):
        counts[f] = counts[0]
    mean = np.average(before[0], axis=0, weights=counts[0])
    case.model.settle_unseen(counts)
    grown.state.settle(0, np.append(counts[0], np.zeros(10, np.int64)))
    for model in (case.model, grown.model):
        rows, factors = embeddings_of(model, 0), model.parameters["collision_17"]
        unseen = np.flatnonzero(counts[0] == 0)
        np.testing.assert_allclose(rows[unseen], np.tile(mean, (len(unseen), 1)), rtol=1e-12)
        np.testing.assert_array_equal(factors[unseen], 1)
        np.testing.assert_array_equal(rows[1:3], before[0][1:3])

    counts[0][0] = 5  # unknown ones were seen: their row is that of those never seen
    case.model.settle_unseen(counts)
    grown.state.settle(0, np.append(counts[0], np.zeros(10, np.int64)))
    for model in (case.model, grown.model):
        rows = embeddings_of(model, 0)
        unseen = np.flatnonzero(counts[0] == 0)
        np.testing.assert_allclose(rows[unseen], np.tile(rows[0], (len(unseen), 1)), rtol=1e-12)
        np.testing.assert_array_equal(rows[1:3], before[0][1:3])


def test_stored_tables_have_no_factors(make_case):
    case = make_case(5, **NETWORKS[4])
    small = compressed(without_factors(case.model), "bfloat16")
    state = small.__getstate__()
    state["config"]["collision_weights"] = True
    with pytest.raises(ValueError, match="numbers, want"):
        small.__setstate__(state)
    assert isinstance(small.network, _core.NetworkF32)
