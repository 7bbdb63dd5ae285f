"""Stages 2 to 8 with every option: ids, wide part, layer norm, dropout, tables' Adam, averages."""

import numpy as np
import pytest

from dcnfast import _core
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.reference.network import State
from dcnfast.testing import assert_close_in_norm
from dcnfast.training.optimizers import OPTIMIZERS, OptimizerStep
from dcnfast.training.state import Training

pytestmark = pytest.mark.usefixtures("isa")

# Two fields of one width, one between them that has its own
FIELDS = (("city", 11, 3), ("day", 7, 1), ("user", 60, 3))
ROWS = 401  # three tiles


def assert_close(got, want, rtol):
    """By name, relative to the largest number of each."""
    assert list(got) == list(want)
    for name in want:
        assert got[name].shape == want[name].shape
        atol = rtol * np.abs(want[name]).max(initial=0)
        np.testing.assert_allclose(got[name], want[name], rtol=0, atol=atol, err_msg=name)


def test_one_pass(full_network, dtype, make_case):
    """Predictions, loss and gradients by name, with the dropout of the step that would be next."""
    rtol = 1e-12 if dtype == "float64" else 4e-4
    case = make_case(ROWS, dtype=dtype, **full_network)
    loss, gradients = case.gradients()
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=rtol)
    assert_close(gradients, want, rtol)

    logits = case.reference_predict()
    np.testing.assert_allclose(case.predict(), logits, rtol=0, atol=rtol * np.abs(logits).max())
    assert case.evaluate() == pytest.approx(case.reference_evaluate(), rel=rtol)


def test_names_shapes_and_number_of_parameters(full_network, make_case):
    model = make_case(1, **full_network).model
    shapes = {name: value.shape for name, value in model.parameters.items()}
    assert list(shapes.items()) == list(make_case(1, **full_network).reference.shapes().items())
    n = sum(int(np.prod(shape)) for shape in shapes.values())
    assert model.n_parameters == model.config.count_parameters() == n


def test_twelve_steps(full_network, dtype, make_case, rng):
    """Three epochs of four batches, many rows of tables missing in each, in some order."""
    case = make_case(37, dtype=dtype, **full_network)
    start = case.parameters()
    state, network, training = State.start(start), case.model.network, case.state
    for _ in range(3):
        order = rng.permutation(37)
        want = case.reference_train(state, batch_size=10, order=order)
        loss, n_batches, finished = case.train(batch_size=10, order=order)
        assert (n_batches, finished) == (4, True)
        assert loss == pytest.approx(want, rel=1e-10 if dtype == "float64" else 1e-3)
    assert training.step == state.step == 12
    for name, before in start.items():  # the way gone, not where it leads: it is short
        gone, want = (side.parameters[name] - before for side in (network, state))
        assert_close_in_norm(gone, want, 1e-3 if dtype == "float32" else 1e-9)
    if dtype == "float64":
        assert_close(network.parameters, state.parameters, 1e-9)
        assert_close(training.first_moments, state.first_moments, 1e-9)
        assert_close(training.second_moments, state.second_moments, 1e-9)
        if case.config.ema_decay:
            assert_close(network.averages, state.averages, 1e-9)
        logits = case.reference.predict(state, *case.batch()[:2])
        np.testing.assert_allclose(case.predict(), logits, rtol=0, atol=1e-9 * np.abs(logits).max())


def test_dropout_follows_the_steps_and_the_seed(make_case):
    """After training the next step's numbers are others; a seed may be any of 64 bits."""
    case = make_case(ROWS, dtype="float64", hidden=(20,), dropout=0.5)
    case.train(batch_size=100)
    losses = []
    for case.seed in (0, 5, 2**64 - 1):
        loss, gradients = case.gradients()
        want_loss, want = case.reference_gradients(step=6)
        assert loss == pytest.approx(want_loss, rel=1e-12)
        assert_close(gradients, want, 1e-12)
        losses.append(loss)
    assert len(set(losses)) == 3


@pytest.fixture(params=["lazy", "exact"])
def large_tables(request):
    """Two fields of which a small batch touches next to nothing."""
    fields = (("item", 5000, 4), ("shop", 300, 4))
    options = {"n_dense": 2, "wide": True, "ema_decay": 0.9, "sparse_adam": request.param}
    return {"fields": fields} | options


def assert_state(case, state, rtol):
    assert_close(case.model.averages, state.averages, rtol)
    assert_state_of_training(case, state, rtol)


def assert_state_of_training(case, state, rtol):
    assert_close(case.model.parameters, state.parameters, rtol)
    for kind in ("first_moments", "second_moments"):
        assert_close(getattr(case.state, kind), getattr(state, kind), rtol)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_many_rows_few_in_a_batch(kind, large_tables, dtype, make_case, rng):
    """Most rows are never touched and keep their bits; some come back after many steps."""
    case = make_case(60, dtype=dtype, **large_tables)
    before, state, network = case.parameters(), State.start(case.parameters()), case.model.network
    decays = OPTIMIZERS[kind].decays
    decay = 2.0 if decays else 0.0
    for case.adam in (
        OptimizerStep(0.01, weight_decay=decay, kind=kind),
        OptimizerStep(0.05, beta_1=0.8, weight_decay=decay, kind=kind),
        OptimizerStep(0.02, weight_decay=decay, kind=kind, gradient_clip=0.5, nesterov=True),
    ):
        order = rng.permutation(60)
        case.reference_train(state, batch_size=3, order=order)
        case.train(batch_size=3, order=order)
    others = np.setdiff1d(np.arange(5300), case.ids + np.array([0, 5000]))
    all_move = decays and case.config.sparse_adam == "exact"
    for name in ("embedding_4", "wide"):
        for after in (network.parameters, network.averages):
            stood_still = np.array_equal(after[name][others], before[name][others])
            assert stood_still != all_move
    assert_state(case, state, 1e-9 if dtype == "float64" else 2e-3)


@pytest.mark.parametrize("sparse_adam", ["lazy", "exact"])
def test_rows_that_move_as_a_whole(sparse_adam, dtype, make_case, rng):
    """Of one number, of some vectors and the part of one; one sum of squares for each."""
    fields = (("a", 9, 1), ("b", 30, 17), ("c", 5, 64), ("d", 12, 33))
    config = {"fields": fields, "wide": True, "n_outputs": 3, "alpha_embedding": 0.3}
    case = make_case(60, dtype=dtype, n_dense=2, sparse_adam=sparse_adam, hidden=(9,), **config)
    case.adam = OptimizerStep(0.1, kind="rowwise_adagrad")
    state = State.start(case.parameters())
    for _ in range(3):
        order = rng.permutation(60)
        case.reference_train(state, batch_size=7, order=order)
        case.train(batch_size=7, order=order)
    assert_state_of_training(case, state, 1e-9 if dtype == "float64" else 2e-3)
    squares = case.state.second_moments
    for table in [squares[f"embedding_{K}"] for K in (1, 17, 64, 33)] + [squares["wide"]]:
        assert (table[:, 0] > 0).any()
        assert not table[:, 1:].any()
    assert squares["deep_W_0"].all()


EVERY_ROLE = {
    "fields": (*FIELDS, ("item", 60, 5)), "wide": True, "wide_numeric": True,
    "cross_layers": 2, "hidden": (9,),
    "layer_norm": True, "numeric_bins": (3, 7), "numeric_scales": (0.5, 0.2), "numeric_width": 4,
    "n_members": 2, "learned_scale": True, "parametric_activation": True,
    "collision_weights": True,
    "alpha_embedding": 0.1, "alpha_cross": 0.1, "alpha_deep": 0.1, "ema_decay": 0.9,
}  # fmt: skip


@pytest.mark.parametrize("sparse_adam", ["lazy", "exact"])
@pytest.mark.parametrize("kind", ["adam", "adamw", "rowwise_adagrad", "sgd"])
def test_learning_rates_by_role(kind, sparse_adam, make_case, rng):
    """Another one for each role; rows that wait make up for theirs; one role does not move."""
    case = make_case(60, dtype="float64", n_dense=2, sparse_adam=sparse_adam, **EVERY_ROLE)
    roles = case.model.network.roles
    assert set(roles.values()) == set(_core.ROLES)
    factors = {role: 0.3 + 0.2 * i for i, role in enumerate(_core.ROLES)} | {"scale": 0.0}
    before, state = case.parameters(), State.start(case.parameters())
    for rate in (0.01, 0.02):
        case.adam = OptimizerStep(rate, kind=kind, weight_decay=0.5, rate_factors=factors)
        order = rng.permutation(60)
        case.reference_train(state, batch_size=7, order=order)
        case.train(batch_size=7, order=order)
    assert_state(case, state, 1e-9)
    for name, role in roles.items():
        assert np.array_equal(case.model.parameters[name], before[name]) == (role == "scale")


@pytest.mark.parametrize("clip", [1e-3, 0.3, 1e3])
def test_clipped_gradients(clip, dtype, make_case):
    """Those of tables, the linear part and everything else together; epsilon lets Adam tell."""
    config = {"hidden": (20,), "cross_layers": 2, "wide": True, "dropout": 0.2, "layer_norm": True}
    case = make_case(ROWS, dtype=dtype, fields=FIELDS, **config)
    ends = {}
    for name, most in (("clipped", clip), ("free", 0.0)):
        some, state = case.restart(), State.start(case.parameters())
        some.adam = OptimizerStep(0.1, epsilon=0.1, gradient_clip=most)
        some.reference_train(state, batch_size=100)
        some.train(batch_size=100)
        assert_close(some.model.parameters, state.parameters, 1e-9 if dtype == "float64" else 2e-3)
        ends[name] = some.model.snapshot()
    assert np.array_equal(ends["clipped"], ends["free"]) == (clip == 1e3)


def test_rows_are_made_up_when_an_epoch_ends_early(large_tables, make_case):
    """The loss of the fourth batch is not finite: all is as after the third."""
    case = make_case(60, dtype="float64", **large_tables)
    state, broken = State.start(case.parameters()), case.restart()
    case.rows(slice(0, 30)).reference_train(state, batch_size=10)
    broken.target = case.target.copy()
    broken.target[35] = np.nan
    _, n_batches, finished = broken.train(batch_size=10)
    assert (n_batches, finished, broken.state.step) == (3, False, 3)
    assert_state(broken, state, 1e-10)


def test_millions_of_rows(dtype):
    """Ids of 23 bits; all parameters are 0, so the wide part's gradient is known."""
    config = {"fields": (("few", 3, 1), ("many", 5_000_000, 1)), "wide": True}
    training = Training(Model(NetworkConfig(dtype=dtype, **config)))
    many = np.array([4_999_999, 2**22, 5, 2**22, 2**22 - 1, 2**11, 0, 4_999_999])
    ids = np.stack([np.arange(8) % 2, many], axis=1).astype(np.int32)
    target = 2.0 ** np.arange(8)[:, None]
    table = training.model.table(ids, np.zeros((8, 0), dtype), target.astype(dtype), None)
    training.state.compute_gradients(table, np.arange(8), 0, 1)
    want = np.zeros(5_000_003)
    np.add.at(want, ids + np.array([0, 3]), -2 / 8 * target)
    np.testing.assert_array_equal(training.state.gradients["wide"][:, 0], want)


def test_lazy_and_exact_are_one_for_rows_in_every_batch(dtype, make_case):
    """Nothing to make up: the two ways to treat tables are one."""
    ends = []
    for sparse_adam in ("lazy", "exact"):
        config = {"fields": FIELDS[:2], "wide": True, "sparse_adam": sparse_adam}
        case = make_case(80, dtype=dtype, n_dense=2, alpha_embedding=0.1, **config)
        case.ids[:] = np.arange(80)[:, None] % [11, 7]
        losses = case.trajectory(5)
        ends.append((losses, case.model.snapshot()))
    assert ends[0][0] == ends[1][0]
    np.testing.assert_array_equal(ends[0][1], ends[1][1])


THREADS = {
    "matrix lazy": {"cross": "matrix", "preactivation": "tanh", "sparse_adam": "lazy"},
    "vector exact": {"cross": "vector", "sparse_adam": "exact", "structure": "stacked"},
    "lowrank lazy": {"cross": "lowrank", "cross_rank": 3, "structure": "stacked_parallel"},
    "gated": {"cross": "gated", "structure": "stacked_parallel"},
    "mixture": {"cross": "mixture", "cross_rank": 3, "cross_experts": 4, "preactivation": "tanh"},
    "exponential": {"cross": "exponential", "structure": "stacked"},
    "onlydense": {"cross": "onlydense", "preactivation": "relu", "structure": "stacked"},
    "tied": {"cross": "matrix", "cross_symmetric": True, "cross_forbidden": (0, 1, 2, 2)},
    "heads": {"cross": "matrix", "cross_heads": 3},
    "shared heads": {"cross": "exponential", "cross_heads": 3, "shared_heads": True},
    "lowrank exact": {"cross": "lowrank", "cross_rank": 3, "sparse_adam": "exact"},
}


@pytest.mark.parametrize("network", THREADS)
def test_threads(network, dtype, make_case):
    """The same bits for any number, of gradients, of tables, of averages, of predictions."""
    config = {"hidden": (24, 9), "layer_norm": True, "dropout": 0.2, "ema_decay": 0.9, "wide": True}
    config["cross_dropout"] = 0.3
    alphas = {"alpha_embedding": 0.1, "alpha_cross": 0.01, "alpha_deep": 0.01}
    fields = (*FIELDS, ("item", 900, 8))
    config |= alphas | {"cross_layers": 2, "fields": fields} | THREADS[network]
    start = make_case(1500, weighted=True, dtype=dtype, n_dense=3, **config)
    results = []
    for n_threads in (1, 2, 3, 4, 7):
        case = start.restart()
        case.adam = OptimizerStep(0.01, gradient_clip=0.1)
        loss, gradients = case.gradients(n_threads)
        losses = [case.train(batch_size=700, n_threads=n_threads)[0] for _ in range(2)]
        model, state = case.model, case.state
        tensors = [gradients, model.parameters, model.averages]
        tensors += [state.first_moments, state.second_moments]
        results.append(
            [np.array([loss, *losses, case.evaluate(n_threads)]), case.predict(n_threads)]
            + [value.copy() for by_name in tensors for value in by_name.values()]
        )
    one, *others = results
    assert np.isfinite(one[0]).all()
    assert all(tensor.any() for tensor in one)
    for other in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_prediction_is_its_rows_own(dtype, make_case):
    config = {"fields": FIELDS, "wide": True, "cross_layers": 2, "hidden": (24, 9)}
    case = make_case(500, dtype=dtype, layer_norm=True, dropout=0.5, n_outputs=3, **config)
    everything = case.predict(2)
    for rows in (slice(0, 1), slice(1, 3), slice(17, 30), slice(307, 500), slice(None, None, -1)):
        np.testing.assert_array_equal(case.rows(rows).predict(), everything[rows])


def test_copy_has_the_averages(make_case):
    case = make_case(50, fields=FIELDS, cross_layers=1, ema_decay=0.99, sparse_adam="exact")
    case.trajectory(3)
    copy = case.restart()
    np.testing.assert_array_equal(copy.predict(), case.predict())
    assert copy.train(batch_size=7) == case.train(batch_size=7)
    np.testing.assert_array_equal(copy.predict(), case.predict())
    np.testing.assert_array_equal(copy.model.snapshot(), case.model.snapshot())


# ---- bad input


@pytest.mark.parametrize("call", ["predict", "evaluate", "gradients", "train"])
@pytest.mark.parametrize(
    ("field", "value"),
    [(0, -1), (0, 11), (1, 7), (2, 60), (2, -(2**31)), (2, 2**31 - 1)],
)
def test_id_out_of_range(call, field, value, make_case):
    """Said with field, value and vocabulary; nothing is read, nothing moves."""
    case = make_case(300, fields=FIELDS, wide=True, hidden=(5,))
    before = case.model.snapshot()
    case.ids[277, field] = value
    name, V, _ = FIELDS[field]
    with pytest.raises(IndexError, match=rf"(?=.*\b{name}\b)(?=.*{value}\b)(?=.*\b{V}\b)"):
        getattr(case, call)(n_threads=2)
    np.testing.assert_array_equal(case.model.snapshot(), before)
    assert case.state.step == 0
    case.ids[277, field] = 0
    assert np.isfinite(np.ravel(case.evaluate())).all()


@pytest.mark.parametrize("shape", [(37, 2), (37, 4), (36, 3), (111,)])
def test_ids_of_another_shape(shape, make_case):
    case = make_case(37, fields=FIELDS, hidden=(5,))
    case.ids = np.zeros(shape, np.int32)
    for call in (case.predict, case.evaluate, case.gradients, case.train):
        with pytest.raises(ValueError, match="ids"):
            call()
