"""Members: what they share and what is their own, and the mean of what they predict."""

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.losses import LOSSES, Quantile
from dcnfast.network.model import Model
from dcnfast.testing import force_isa

pytestmark = pytest.mark.usefixtures("isa")

NETWORK = {
    "fields": (("city", 11, 3), ("day", 7, 8)), "n_dense": 2, "numeric_bins": (3, 60),
    "numeric_scales": (0.5, 0.1), "numeric_width": 8, "cross_layers": 2, "hidden": (17, 9),
    "n_members": 5,
}  # fmt: skip


@pytest.mark.parametrize(
    "loss", [*(kind() for kind in LOSSES.values()), Quantile([0.1, 0.5, 0.9])], ids=repr
)
def test_a_prediction_is_the_mean_of_what_members_predict(loss, dtype):
    """Also where some are sure to the format, or of opposite opinions."""
    of_loss = {"loss": loss.name, "loss_constants": loss.constants()}
    C = 3
    config = NetworkConfig(n_dense=1, n_outputs=C, n_members=4, dtype=dtype, **of_loss)
    model = Model(config)
    flat, network = np.zeros(model.n_parameters, dtype), model.network
    size = {name: int(np.prod(shape)) for name, shape, _ in network.tensors}
    at = {name: offset for name, _, offset in network.tensors}
    b = slice(at["head_b"], at["head_b"] + size["head_b"])
    for logits in (
        [[0.5, -1, 2], [0, 0, 0], [3, -2, 1], [-1, 1, 0.25]],
        [[30, -40, 2], [30, -40, 2], [-30, 20, 2], [60, -70, 2]],
        [[30, -40, 25], [30, -40, 25], [30, -40, 25], [30, -40, 25]],
    ):
        flat[b] = np.ravel(logits)
        network.set_parameters(flat)
        table = np.zeros((2, 0), np.int32), np.ones((2, 1), dtype)
        members = network.predict_members(*table, 1)
        np.testing.assert_array_equal(members, np.broadcast_to(logits, (2, 4, C)))
        each = np.stack([loss.inverse_link(np.asarray([z], np.float64)) for z in logits])
        got = loss.inverse_link(network.predict(*table, 1).astype(np.float64))
        want = np.tile(each.mean(axis=0), (2, 1))
        np.testing.assert_allclose(got, want, rtol=2e-5 if dtype == "float32" else 1e-13)


def test_members_differ_and_share(make_case, dtype):
    case = make_case(50, dtype=dtype, **NETWORK)
    members = case.model.logits_of_members(case.ids, case.dense, 1)
    assert members.shape == (50, 5, 1)
    assert (np.ptp(members, axis=1) > 0).all()
    np.testing.assert_allclose(case.predict(), members.mean(axis=1), rtol=2e-6)


def test_one_member_with_scales_of_one_is_the_plain_network(make_case, dtype):
    """A member is a network on multiplied columns."""
    plain = make_case(40, dtype=dtype, **NETWORK | {"n_members": 1})
    several = make_case(40, dtype=dtype, **NETWORK | {"n_members": 2})
    parameters, flat = plain.parameters(), several.model.snapshot()
    for name, shape, offset in several.model.network.tensors:
        one = 1.0 if name == "member_r" else parameters[name]
        flat[offset : offset + int(np.prod(shape))] = np.broadcast_to(one, shape).ravel()
    several.model.restore(flat)
    logits = several.model.logits_of_members(plain.ids, plain.dense, 1)
    np.testing.assert_array_equal(logits[:, 0], plain.predict())
    np.testing.assert_array_equal(logits[:, 1], plain.predict())
    np.testing.assert_array_equal(several.model.logits(plain.ids, plain.dense, 1), plain.predict())


@pytest.mark.parametrize("rows", [1, 11, 12, 13, 47, 48, 49, 191, 700])
def test_batch_sizes(rows, make_case):
    case = make_case(rows, dtype="float64", dropout=0.2, cross_dropout=0.3, **NETWORK)
    loss, gradients = case.gradients()
    want_loss, want = case.reference_gradients(step=1)
    assert loss == pytest.approx(want_loss, rel=1e-12)
    for name, g in want.items():
        atol = 1e-12 * np.abs(g).max()
        np.testing.assert_allclose(gradients[name], g, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("n_members", [1, 7])
def test_bits_do_not_depend_on_threads_or_isa(n_members, dtype, isa, make_case):
    network = NETWORK | {"n_members": n_members, "dropout": 0.2}
    start = make_case(700, dtype=dtype, **network)
    one, two = start.restart(), start.restart()
    one.train(64), two.train(64, n_threads=2)
    np.testing.assert_array_equal(one.model.snapshot(), two.model.snapshot())
    np.testing.assert_array_equal(one.predict(), two.predict(2))
    if isa in ("avx2", "avx512"):
        with force_isa("avx2"):
            other = start.restart()
            other.train(64)
            predicted = other.predict()
        np.testing.assert_array_equal(one.model.snapshot(), other.model.snapshot())
        np.testing.assert_array_equal(one.predict(), predicted)


def test_a_prediction_does_not_depend_on_other_rows(make_case, dtype):
    case = make_case(150, dtype=dtype, **NETWORK)
    whole = case.predict()
    for i in (0, 7, 149):
        np.testing.assert_array_equal(case.rows(slice(i, i + 1)).predict(), whole[i : i + 1])
