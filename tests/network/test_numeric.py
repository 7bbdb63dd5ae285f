"""Embedded numbers: what a piecewise linear embedding is, at and beyond its edges."""

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.reference.inputs import MISSING_PLACE, pieces, piecewise

SCALES = (1.0, 0.5, 0.1)

pytestmark = pytest.mark.usefixtures("isa")


def test_pieces_are_those_of_the_paper():
    e = pieces(np.array([0.0, 0.25, 1.0, 2.5, 3.0, -0.5, 4.0, MISSING_PLACE]), 3)
    want = [
        [0, 0, 0], [0.25, 0, 0], [1, 0, 0], [1, 1, 0.5], [1, 1, 1], [-0.5, 0, 0], [1, 1, 2],
        [0, 0, 0],
    ]  # fmt: skip
    np.testing.assert_array_equal(e, want)


@pytest.mark.parametrize("width", [1, 5, 8, 16, 17])
def test_embeddings_reach_the_logits(width, dtype):
    """With a head that adds up one column of x0, a logit is a coordinate of an embedding."""
    bins = (1, 4, 200)
    config = NetworkConfig(
        n_dense=1, numeric_bins=bins, numeric_scales=SCALES, numeric_width=width, dtype=dtype
    )
    model, rng = Model(config).initialize(np.random.RandomState(0)), np.random.RandomState(1)
    flat = model.snapshot()
    flat[:] = rng.normal(size=len(flat))
    places = [0, 0.5, 1, 1.75, 4, 3.9999, 7, -2, 200, 150.25, MISSING_PLACE]
    dense = np.zeros((len(places), config.dense_columns), dtype)
    dense[:, 1::2], dense[:, 2::2] = rng.normal(size=(len(places), 3)), np.array(places)[:, None]
    tensors = {name: (shape, offset) for name, shape, offset in model.network.tensors}
    (_, inputs), first = tensors["head_W"]
    for column in range(inputs):
        flat[first:] = 0
        flat[first + column] = 1
        model.restore(flat)
        names = ("numeric_W", "numeric_b", "numeric_v", "numeric_missing")
        p = [model.parameters[name].astype(np.float64) for name in names]
        pairs = dense[:, 1:].reshape(len(dense), 3, 2).astype(np.float64)
        x = np.concatenate([dense[:, :1], piecewise(pairs, bins, SCALES, *p)], axis=1)
        got = model.logits(np.zeros((len(dense), 0), np.int32), dense, 1)[:, 0]
        rtol = 1e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(got, x[:, column], rtol=rtol, atol=rtol * np.abs(x).max())


@pytest.mark.parametrize("place", [np.nan, 1e30, -1e30, np.inf, -np.inf])
def test_places_from_nowhere_read_no_memory_of_others(place, dtype, make_case):
    """The encoder gives none; another caller might: that row alone is another one."""
    case = make_case(
        20,
        dtype=dtype,
        numeric_bins=(3, 9),
        numeric_scales=SCALES[:2],
        numeric_width=8,
        cross_layers=1,
    )
    usual, row = case.predict(), 7
    case.dense[row, -1] = place
    got = case.predict()
    others = np.arange(len(usual)) != row
    np.testing.assert_array_equal(got[others], usual[others])
    case.dense[row, -1] = MISSING_PLACE
    assert np.array_equal(got[row], case.predict()[row]) == (place < 0)  # far below is missing
    case.dense[row, -1] = place
    case.gradients()  # a sanitizer would say what this reads


def test_a_bin_that_no_row_reaches_does_not_move(dtype, make_case):
    numeric = {"numeric_bins": (6,), "numeric_scales": (0.5,), "numeric_width": 4}
    case = make_case(30, dtype=dtype, n_dense=0, hidden=(5,), **numeric)
    case.dense[:, 1] = np.random.RandomState(0).uniform(0, 3, 30)
    before = case.model.parameters["numeric_W"].copy()
    case.train()
    moved = (case.model.parameters["numeric_W"] != before).any(axis=1)
    np.testing.assert_array_equal(moved, [True, True, True, False, False, False])
