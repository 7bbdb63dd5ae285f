"""Parameters, averages, gradients and moments are named views of one flat buffer each."""

import pickle

import numpy as np
import pytest

from dcnfast import _core
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.state import Training

KINDS = ["parameters", "averages", "gradients", "first_moments", "second_moments"]
OF_THE_NETWORK = KINDS[:2]
CONFIG = {
    "fields": (("city", 3, 2), ("day", 2, 5)), "n_dense": 4, "wide": True, "cross": "lowrank",
    "cross_layers": 2, "cross_rank": 3, "hidden": (5, 6), "layer_norm": True, "n_outputs": 2,
    "ema_decay": 0.9, "sparse_adam": "exact",
}  # fmt: skip
STEP = OptimizerStep(0.01).compile()


@pytest.fixture(params=["float32", "float64"])
def trained(request):
    """A model after two Adam steps: nothing in it is zero."""
    rng = np.random.default_rng(0)
    model = Model(NetworkConfig(**CONFIG, dtype=request.param)).initialize(np.random.RandomState(0))
    training = Training(model)
    X, y = (
        rng.normal(size=(20, 4)).astype(request.param),
        rng.normal(size=(20, 2)).astype(request.param),
    )
    ids = np.column_stack([np.arange(20) % 3, np.arange(20) % 2]).astype(np.int32)
    table = model.table(ids, X, y, None)
    training.state.train_epoch(table, np.arange(20), 10, OptimizerStep(0.01).compile(), 0, 1)
    return training


def holder(trained, kind):
    """Return what has a buffer: the network or its training state."""
    return trained.model.network if kind in OF_THE_NETWORK else trained.state


def root(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_views_lie_in_one_buffer_in_order(kind, trained):
    flat = getattr(holder(trained, kind), f"flat_{kind}")
    views = getattr(holder(trained, kind), kind)
    model = trained.model
    assert sum(v.size for v in views.values()) == model.n_parameters
    assert flat.size - model.n_parameters < 3 * 64 // flat.itemsize  # each table begins a line
    for name, shape, offset in model.network.tensors:
        view = views[name]
        assert view.shape == tuple(shape)
        assert view.dtype == flat.dtype == model.config.dtype
        assert root(view) == root(flat) + offset * flat.itemsize
        np.testing.assert_array_equal(view.ravel(), flat[offset : offset + view.size])
    assert list(views) == [name for name, _, _ in model.network.tensors]
    assert np.count_nonzero(flat) > flat.size / 2


@pytest.mark.parametrize("kind", KINDS)
def test_views_are_read_only_and_live(kind, trained):
    flat = getattr(holder(trained, kind), f"flat_{kind}")
    for view in (flat, *getattr(holder(trained, kind), kind).values()):
        assert not view.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 1
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            view.setflags(write=True)
    before = flat.copy()
    X = np.ones((4, 4), trained.model.config.dtype)
    table = trained.model.table(np.zeros((4, 2), np.int32), X, np.zeros((4, 2), X.dtype), None)
    trained.state.train_epoch(table, np.arange(4), 4, OptimizerStep(0.01).compile(), 0, 1)
    assert not np.array_equal(before, flat)


@pytest.mark.parametrize("kind", KINDS)
def test_views_outlive_the_network(kind, trained):
    views = getattr(holder(trained, kind), kind)
    values = {name: view.copy() for name, view in views.items()}
    del trained.model, trained.state
    np.zeros(100_000)  # something else for the memory, were it free
    for name, view in views.items():
        np.testing.assert_array_equal(view, values[name])


def test_a_training_state_keeps_its_network_alive(trained):
    state, flat = trained.state, trained.model.snapshot()
    del trained.model
    np.zeros(100_000)  # something else for the memory, were it free
    np.testing.assert_array_equal(state.network.flat_averages, flat)


def test_training_states_of_one_network_share_its_parameters_alone(trained):
    """Moments, steps, and the steps of each row of a table are each one's own."""
    model, dtype = trained.model, trained.model.config.dtype
    ids = np.column_stack([np.arange(20) % 3, np.arange(20) % 2]).astype(np.int32)
    table = model.table(ids, np.ones((20, 4), dtype), np.ones((20, 2), dtype), None)
    order = np.arange(20)
    other, moments = Training(model), trained.state.flat_first_moments.copy()
    assert (other.state.step, other.state.flat_first_moments.any()) == (0, False)
    other.state.train_epoch(table, order, 4, OptimizerStep(0.01).compile(), 0, 1)
    assert (other.state.step, trained.state.step) == (5, 2)
    np.testing.assert_array_equal(trained.state.flat_first_moments, moments)
    alone = trained.copy()
    for one in (trained, alone):
        one.state.train_epoch(table, order, 20, OptimizerStep(0.01).compile(), 0, 1)
    np.testing.assert_array_equal(model.snapshot(), alone.model.snapshot())


def test_copies_share_nothing(trained):
    for other in (trained.copy(), pickle.loads(pickle.dumps(trained))):
        assert other.state.step == trained.state.step == 2
        for kind in ("parameters", "averages", "first_moments", "second_moments"):
            mine, its = (getattr(holder(t, kind), f"flat_{kind}") for t in (trained, other))
            np.testing.assert_array_equal(mine, its)
            assert not np.shares_memory(mine, its)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (
            {"dense": np.zeros((3, 5))},
            ValueError,
            r"dense has shape \(3, 5\), want \(N, M\) with M = 4",
        ),
        ({"ids": np.zeros((3, 1), np.int32)}, ValueError, r"ids has shape \(3, 1\), want \(N, F\)"),
        ({"ids": np.zeros((4, 2), np.int32)}, ValueError, "ids has shape"),
        (
            {"ids": np.array([[0, 0], [0, 0], [3, 0]], np.int32)},
            IndexError,
            "has 3 in row 2 of field 'city'",
        ),
        (
            {"ids": np.array([[0, 0], [0, -1], [0, 0]], np.int32)},
            IndexError,
            "has -1 in row 1 of field 'day'",
        ),
        ({"ids": np.zeros((3, 2), np.int64)}, TypeError, "incompatible"),
        ({"target": np.zeros((3, 1))}, ValueError, r"target has shape \(3, 1\), want \(N, C\)"),
        ({"target": np.zeros((2, 2))}, ValueError, r"with N = 3, C = 2"),
        ({"weight": np.zeros(2)}, ValueError, r"weight has shape \(2,\), want \(N,\) with N = 3"),
        ({"order": np.array([0, 3])}, IndexError, r"rows\[1\] is 3, want 0 to N - 1 with N = 3"),
        ({"order": np.array([-1])}, IndexError, r"rows\[0\] is -1"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"batch_size": -1}, TypeError, "incompatible"),
        ({"dense": np.zeros((3, 4), np.float32)}, TypeError, "incompatible"),
    ],
)
def test_engine_checks_what_it_is_given(change, error, text):
    model = Model(NetworkConfig(**CONFIG, dtype="float64")).initialize(np.random.RandomState(0))
    before = model.snapshot()
    arrays = {
        "ids": np.zeros((3, 2), np.int32), "dense": np.ones((3, 4)), "target": np.ones((3, 2)),
        "weight": None,
    }  # fmt: skip
    arguments = {
        "order": np.arange(3), "batch_size": 2, "optimizer": OptimizerStep(0.1).compile(),
        "seed": 0, "n_threads": 1,
    }  # fmt: skip
    table = {name: change.get(name, array) for name, array in arrays.items()}
    with pytest.raises(error, match=text):
        Training(model).state.train_epoch(
            model.table(**table),
            **arguments | {k: v for k, v in change.items() if k not in arrays},
        )
    if change.keys() & arrays.keys():
        with pytest.raises(error, match=text):
            model.network.evaluate(**table, n_threads=1)
    np.testing.assert_array_equal(model.snapshot(), before)


def test_softmax_wants_class_numbers():
    config = NetworkConfig(n_dense=1, cross_layers=1, n_outputs=3, loss="softmax", dtype="float64")
    network = Model(config).network
    for bad in (3.0, -1.0, np.nan, 0.5):
        with pytest.raises(IndexError, match=r"target\[1\] is class .*, want 0 to 2"):
            network.evaluate(
                np.zeros((2, 0), np.int32), np.ones((2, 1)), np.array([[0.0], [bad]]), None, 1
            )
        with pytest.raises(IndexError, match=r"target\[1\] is class .*, want 0 to 2"):
            _core.TableF64(
                network, np.zeros((2, 0), np.int32), np.ones((2, 1)), np.array([[0.0], [bad]]), None
            )


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("wide", [True, False])
def test_rows_never_seen_become_the_mean_of_those_seen(wide, ema_decay):
    fields = (("city", 5, 3), ("day", 3, 2), ("user", 4, 3))
    config = NetworkConfig(fields=fields, wide=wide, ema_decay=ema_decay, dtype="float64")
    model = Model(config)
    flat = np.random.default_rng(0).normal(size=model.network.flat_parameters.size)
    model.network.set_parameters(flat)
    if ema_decay:
        model.network.set_averages(2 * flat)
    counts = [np.array([0, 1, 3, 0, 2]), np.array([0, 0, 0]), np.array([0, 5, 1, 1])]
    model.settle_unseen(counts)
    offsets = {name: (offset, shape) for name, shape, offset in model.network.tensors}
    tables = {  # where each field's rows are
        "embedding_3": [(0, slice(0, 5)), (2, slice(5, 9))],
        "embedding_2": [(1, slice(0, 3))],
        "wide": [(0, slice(0, 5)), (1, slice(5, 8)), (2, slice(8, 12))],
    }
    for name in offsets.keys() & tables.keys():
        offset, (V, K) = offsets[name]
        before = flat[offset : offset + V * K].reshape(V, K)
        for field, rows in tables[name]:
            seen = counts[field]
            mean = seen @ before[rows] / max(seen.sum(), 1)
            expected = np.where((seen == 0)[:, None], mean, before[rows])
            np.testing.assert_allclose(model.parameters[name][rows], expected, atol=1e-15)
            factor = 2 if ema_decay else 1
            np.testing.assert_allclose(model.averages[name][rows], factor * expected, atol=1e-15)
    assert ("wide" in offsets) == wide


def test_finite_is_said_of_every_parameter():
    model = Model(NetworkConfig(**CONFIG))
    for bad in (np.nan, np.inf, -np.inf):
        flat = np.zeros_like(model.network.flat_parameters)
        assert model.is_finite()
        flat[7] = bad
        model.network.set_parameters(flat)
        assert not model.is_finite()
        model.network.set_parameters(np.zeros_like(flat))


def test_large_tables_are_drawn_as_small_ones(monkeypatch):
    """Block by block they need no float64 copy, and the numbers are those of one call."""
    config = NetworkConfig(fields=(("user", 1000, 7),), dtype="float64")
    once = Model(config).initialize(np.random.RandomState(3))
    monkeypatch.setattr("dcnfast.network.model.BLOCK", 999)
    often = Model(config).initialize(np.random.RandomState(3))
    np.testing.assert_array_equal(once.snapshot(), often.snapshot())
    assert 0.048 < once.parameters["embedding_7"].std() < 0.052
