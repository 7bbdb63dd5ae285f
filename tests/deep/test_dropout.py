"""Stage 4: the engine's dropout masks, number by number, against the reference."""

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.reference import dropout_mask, dropout_stream
from dcnfast.training.state import Training

pytestmark = pytest.mark.usefixtures("isa")

SEED = 2**63 + 12345


def masks(B, hidden, rate, dtype, *, step=1, structure="parallel", n_threads=1):
    """Return the factors (B, H) of the last hidden layer, read from a gradient.

    Weights are 0, biases 1: the last layer is its mask. There is an output a row, and its error
    is 1 in this row and 0 elsewhere: the gradient of the head is the mask.
    """
    model = Model(
        NetworkConfig(
            n_dense=1, hidden=hidden, activation="identity", dropout=rate, n_outputs=B,
            structure=structure, dtype=dtype,
        )
    )  # fmt: skip
    flat = np.zeros_like(model.network.flat_parameters)
    for name, shape, offset in model.network.tensors:
        if name.startswith(("deep_b", "deep_parallel_b")):
            flat[offset : offset + shape[0]] = 1
    model.network.set_parameters(flat)
    nothing, state = np.zeros_like(flat), Training(model).state
    state.set_optimizer(nothing, nothing, step - 1)
    ids, dense = np.zeros((B, 0), np.int32), np.zeros((B, 1), dtype)
    target = -B * B / 2 * np.eye(B, dtype=dtype)
    table = model.table(ids, dense, target, None)
    state.compute_gradients(table, np.arange(B), SEED, n_threads)
    return state.gradients["head_W"].copy()


def want(step, layer, B, width, rate, dtype):
    return dropout_mask(dropout_stream(SEED, step, layer), np.arange(B), width, rate).astype(dtype)


def assert_same(got, expected, dtype):
    """What is dropped is exactly 0; what is kept went through two or three roundings."""
    np.testing.assert_array_equal(got == 0, expected == 0)
    np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(dtype).eps)


def test_sizes(size, dtype):
    rows, width = max(size[0], 1), size[1]  # an output a row, and a network has one
    got = masks(rows, (width,), 0.4, dtype)
    assert_same(got, want(1, 0, rows, width, 0.4, dtype), dtype)


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.9, 0.999])
def test_rates(rate, dtype):
    got = masks(60, (50,), rate, dtype)
    assert_same(got, want(1, 0, 60, 50, rate, dtype), dtype)
    assert 0 < np.count_nonzero(got) < got.size
    assert np.count_nonzero(got) / got.size == pytest.approx(1 - rate, abs=0.05)


@pytest.mark.parametrize("step", [1, 2, 70_000])
def test_each_layer_and_step_has_its_own(step, dtype):
    seen = [want(step, 1, 20, 9, 0.5, dtype)]
    assert_same(masks(20, (3, 9), 0.5, dtype, step=step), seen[0], dtype)
    both = masks(20, (3, 9), 0.5, dtype, step=step, structure="stacked_parallel")
    assert_same(both, np.hstack([seen[0], want(step, 3, 20, 9, 0.5, dtype)]), dtype)
    assert (both[:, :9] != both[:, 9:]).any()


def test_threads_give_the_same_masks(dtype):
    one = masks(500, (7,), 0.3, dtype)
    for n_threads in (2, 5):
        np.testing.assert_array_equal(masks(500, (7,), 0.3, dtype, n_threads=n_threads), one)
