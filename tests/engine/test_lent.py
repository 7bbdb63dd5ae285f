"""A network that reads parameters of somebody else, such as those of a file in memory."""

import pickle

import numpy as np
import pytest

from dcnfast import _core
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model

CONFIG = NetworkConfig(
    fields=(("city", 9, 3), ("user", 40, 16)), n_dense=3, cross_layers=2, hidden=(5,), wide=True,
    ema_decay=0.9, n_members=2,
)  # fmt: skip


def lend(flat, skipped=0):
    """Return the numbers in memory that begins at a cache line, or so many numbers behind it."""
    memory = np.zeros(len(flat) + 128, flat.dtype)
    at = -memory.ctypes.data % 64 // flat.itemsize + skipped
    lent = memory[at : at + len(flat)]
    lent[:] = flat
    return lent


@pytest.fixture(params=["float32", "float64"])
def model(request):
    from dataclasses import replace

    return Model(replace(CONFIG, dtype=request.param)).initialize(np.random.RandomState(0))


@pytest.fixture
def rows(model):
    rng = np.random.default_rng(0)
    ids = np.stack([rng.integers(0, 9, 50), rng.integers(0, 40, 50)], axis=1).astype(np.int32)
    return ids, rng.normal(size=(50, 3)).astype(model.config.dtype)


def test_predicts_the_same_bits(model, rows):
    lent = lend(model.network.flat_parameters)
    lent.flags.writeable = False
    network = model.config.compile(lent)
    assert network.read_only
    assert not model.network.read_only
    assert network.flat_parameters.ctypes.data == lent.ctypes.data
    assert network.flat_averages.ctypes.data == lent.ctypes.data
    for n_threads in (1, 2):
        for f in ("predict", "predict_members"):
            found = getattr(network, f)(*rows, n_threads)
            np.testing.assert_array_equal(found, getattr(model.network, f)(*rows, n_threads))


def test_the_memory_lives_as_long_as_the_network(model, rows):
    network = model.config.compile(lend(model.network.flat_parameters))
    views = network.parameters
    np.testing.assert_array_equal(network.predict(*rows, 1), model.network.predict(*rows, 1))
    del network
    for name, view in views.items():
        np.testing.assert_array_equal(view, model.parameters[name])


def test_only_predicts(model):
    flat = np.array(model.network.flat_parameters)
    network = model.config.compile(lend(flat))
    for change in (network.set_parameters, network.set_averages):
        with pytest.raises(ValueError, match="lent parameters"):
            change(flat)
    kind = _core.TrainingStateF32 if flat.dtype == np.float32 else _core.TrainingStateF64
    with pytest.raises(ValueError, match="lent parameters"):
        kind(network)


def test_copies_have_their_own(model, rows):
    lent = Model.of(model.config, model.config.compile(lend(model.network.flat_parameters)))
    for copied in (lent.copy(), pickle.loads(pickle.dumps(lent))):
        assert not copied.network.read_only
        copied.network.set_parameters(np.array(copied.network.flat_parameters))
        np.testing.assert_array_equal(copied.logits(*rows, 1), lent.logits(*rows, 1))


def test_what_is_lent_is_checked(model):
    flat = model.network.flat_parameters
    with pytest.raises(ValueError, match="cache line"):
        model.config.compile(lend(flat, 1))
    for wrong in (lend(flat)[:-1], lend(np.append(flat, flat)), flat[:0], lend(flat)[None]):
        with pytest.raises(ValueError, match="parameters"):
            model.config.compile(wrong)
    with pytest.raises(TypeError):
        model.config.compile(lend(flat.astype(np.float16)))
    with pytest.raises(TypeError):
        model.config.compile(lend(np.append(flat, flat))[::2])
