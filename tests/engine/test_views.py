"""Parameters, gradients and moments are named views of one flat buffer each."""

import pickle

import numpy as np
import pytest

from dcnfast.config import NetworkConfig
from dcnfast.model import Model

KINDS = ["parameters", "gradients", "first_moments", "second_moments"]
CONFIG = {
    "n_dense": 4, "cross": "lowrank", "cross_layers": 2, "cross_rank": 3, "hidden": (5, 6),
    "n_outputs": 2,
}  # fmt: skip


@pytest.fixture(params=["float32", "float64"])
def trained(request):
    """A model after two Adam steps: nothing in it is zero."""
    rng = np.random.default_rng(0)
    model = Model(NetworkConfig(**CONFIG, dtype=request.param)).initialize(np.random.RandomState(0))
    X, y = (
        rng.normal(size=(20, 4)).astype(request.param),
        rng.normal(size=(20, 2)).astype(request.param),
    )
    model.network.train_epoch(X, y, None, np.arange(20), 10, 0.01, 0.9, 0.999, 1e-7, 1)
    return model


def root(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_views_lie_in_one_buffer_in_order(kind, trained):
    flat = getattr(trained.network, f"flat_{kind}")
    views = getattr(trained.network, kind)
    assert sum(v.size for v in views.values()) == flat.size == trained.n_parameters
    for name, shape, offset in trained.network.tensors:
        view = views[name]
        assert view.shape == tuple(shape)
        assert view.dtype == flat.dtype == trained.config.dtype
        assert root(view) == root(flat) + offset * flat.itemsize
        np.testing.assert_array_equal(view.ravel(), flat[offset : offset + view.size])
    assert list(views) == [name for name, _, _ in trained.network.tensors]
    assert np.count_nonzero(flat) > flat.size / 2


@pytest.mark.parametrize("kind", KINDS)
def test_views_are_read_only_and_live(kind, trained):
    flat = getattr(trained.network, f"flat_{kind}")
    for view in (flat, *getattr(trained.network, kind).values()):
        assert not view.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 1
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            view.setflags(write=True)
    before = flat.copy()
    X = np.ones((4, 4), trained.config.dtype)
    trained.network.train_epoch(
        X, np.zeros((4, 2), X.dtype), None, np.arange(4), 4, 0.01, 0.9, 0.999, 1e-7, 1
    )
    assert not np.array_equal(before, flat)


def test_views_outlive_the_network(trained):
    views = trained.network.parameters
    values = {name: view.copy() for name, view in views.items()}
    del trained.network
    np.zeros(100_000)  # something else for the memory, were it free
    for name, view in views.items():
        np.testing.assert_array_equal(view, values[name])


def test_copies_share_nothing(trained):
    for other in (trained.copy(), pickle.loads(pickle.dumps(trained))):
        assert other.network.step == trained.network.step == 2
        for kind in ("parameters", "first_moments", "second_moments"):
            mine, its = (getattr(m.network, f"flat_{kind}") for m in (trained, other))
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
    arguments = {
        "dense": np.ones((3, 4)), "target": np.ones((3, 2)), "weight": None, "order": np.arange(3),
        "batch_size": 2, "learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.9, "epsilon": 1e-7,
        "n_threads": 1,
    }  # fmt: skip
    with pytest.raises(error, match=text):
        model.network.train_epoch(**arguments | change)
    np.testing.assert_array_equal(model.snapshot(), before)


def test_softmax_wants_class_numbers():
    config = NetworkConfig(n_dense=1, cross_layers=1, n_outputs=3, loss="softmax", dtype="float64")
    network = Model(config).network
    for bad in (3.0, -1.0, np.nan, 0.5):
        with pytest.raises(IndexError, match=r"target\[1\] is class .*, want 0 to 2"):
            network.evaluate(np.ones((2, 1)), np.array([[0.0], [bad]]), None, 1)
