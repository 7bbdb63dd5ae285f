"""Stages 2 to 7 in one: predictions, loss and every gradient by name, against the reference."""

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("isa")

LOSSES = {
    "squared_error": {"loss": "squared_error", "n_outputs": 1},
    "squared_error of 3": {"loss": "squared_error", "n_outputs": 3},
    "log_loss": {"loss": "log_loss", "n_outputs": 1},
    "softmax": {"loss": "softmax", "n_outputs": 4},
    "poisson": {"loss": "poisson", "n_outputs": 2},
    "absolute_error": {"loss": "absolute_error", "n_outputs": 2},
    "huber": {"loss": "huber", "loss_constants": (0.7,), "n_outputs": 2},
    "quantile": {"loss": "quantile", "loss_constants": (0.1, 0.5, 0.8), "n_outputs": 6},
    "gamma": {"loss": "gamma", "n_outputs": 1},
    "tweedie": {"loss": "tweedie", "loss_constants": (1.3,), "n_outputs": 1},
    "focal": {"loss": "focal", "loss_constants": (1.5,), "n_outputs": 4},
    "ordinal": {"loss": "ordinal", "n_outputs": 4},
    "multi_label": {"loss": "multi_label", "loss_constants": (1.0, 0.25, 2.0), "n_outputs": 3},
}
PARTS = {
    "linear": {"cross_layers": 0, "hidden": ()},
    "deep": {"cross_layers": 0, "hidden": (7, 17)},
    "cross": {"cross_layers": 3, "hidden": ()},
    "parallel": {"cross_layers": 2, "hidden": (17, 5), "structure": "parallel"},
    "stacked": {"cross_layers": 2, "hidden": (17, 5), "structure": "stacked"},
}


def check(case):
    """float64 agrees to 12 digits of the largest number, float32 to 4 (some hundred additions)."""
    rtol = 1e-12 if case.config.dtype == "float64" else 1e-4
    want_loss, want = case.reference_gradients()
    loss, got = case.gradients()
    assert loss == pytest.approx(want_loss, rel=rtol)
    assert got.keys() == want.keys()
    for name in want:
        scale = np.abs(want[name]).max()
        np.testing.assert_allclose(got[name], want[name], rtol=0, atol=rtol * scale, err_msg=name)
    logits = case.reference_predict()
    np.testing.assert_allclose(case.predict(), logits, rtol=rtol, atol=rtol * np.abs(logits).max())
    weights = len(case.dense) if case.weight is None else case.weight.sum(dtype=np.float64)
    mean = want_loss * len(case.dense) / weights
    assert case.evaluate() == pytest.approx(mean, rel=rtol)


@pytest.mark.parametrize("part", PARTS)
def test_parts(part, kind, dtype, make_case):
    check(make_case(activation="tanh", dtype=dtype, **PARTS[part], **kind))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss, weighted, kind, dtype, make_case):
    parts = PARTS["parallel"] | {"activation": "gelu"}
    check(make_case(weighted=weighted, dtype=dtype, **parts, **LOSSES[loss], **kind))


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "sigmoid", "gelu"])
@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_activations(activation, structure, dtype, make_case):
    parts = PARTS[structure] | {"activation": activation}
    check(make_case(dtype=dtype, **parts))


@pytest.mark.parametrize("rows", [1, 2, 11, 12, 13, 143, 144, 145, 383, 384, 385, 16 * 384 + 1])
def test_batch_sizes(rows, kind, dtype, make_case):
    check(make_case(rows, n_dense=5, dtype=dtype, **PARTS["parallel"], **kind))


@pytest.mark.parametrize("n_dense", [1, 7, 8, 15, 16, 17, 33])
def test_widths(n_dense, kind, make_case):
    check(make_case(n_dense=n_dense, dtype="float64", **PARTS["stacked"], **kind))


def test_more_parameters_than_a_chunk(make_case):
    """The optimizer and the lanes cut large models in another way."""
    case = make_case(1100, n_dense=48, dtype="float64", cross_layers=2, hidden=(300, 220))
    assert case.model.n_parameters > 1 << 16
    check(case)
    want = case.reference_trajectory(3)
    np.testing.assert_allclose(case.trajectory(3), want, rtol=1e-9)


def test_gradients_are_slopes(kind, make_case, rng):
    """The compiled backward is the slope of the reference's loss, along one direction for each."""
    case = make_case(
        13, weighted=True, dtype="float64", activation="gelu", **PARTS["stacked"], **kind
    )
    _, gradients = case.gradients()
    parameters = case.parameters()
    for name, gradient in gradients.items():
        direction, step = rng.choice([-1.0, 1.0], gradient.shape), 1e-5
        above, below = (
            case.reference_loss(parameters | {name: parameters[name] + h * direction})
            for h in (step, -step)
        )
        numeric = (above - below) / (2 * step)
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert np.sum(gradient * direction) == pytest.approx(numeric, rel=0, abs=1e-6 * scale), name


@pytest.mark.parametrize("dtype", ["float64"])
def test_rows_are_picked_by_number(kind, dtype, make_case, rng):
    """Shuffling copies nothing: an order into the table is the same as the table in that order."""
    case = make_case(50, weighted=True, dtype=dtype, **PARTS["parallel"], **kind)
    order = rng.permutation(50)
    direct, picked = case.rows(order).restart(), case.restart()
    assert direct.train(batch_size=20) == picked.train(batch_size=20, order=order)
    np.testing.assert_array_equal(direct.model.snapshot(), picked.model.snapshot())


def test_an_epoch_is_its_batches(make_case):
    """2 of 20 rows, 1 of 10: the same as three calls; the loss is their mean by rows."""
    case = make_case(50, dtype="float64", **PARTS["parallel"])
    together, apart = case.restart(), case.restart()
    loss, n_batches, finished = together.train(batch_size=20)
    batches = [slice(0, 20), slice(20, 40), slice(40, 50)]
    losses = [apart.rows(batch).train()[0] for batch in batches]
    assert (n_batches, finished) == (3, True)
    assert loss == pytest.approx(np.average(losses, weights=[20, 20, 10]), rel=1e-14)
    np.testing.assert_array_equal(together.model.snapshot(), apart.model.snapshot())
    assert together.state.step == 3


def test_loss_that_is_not_finite_is_not_applied(make_case):
    case = make_case(50, dtype="float64", **PARTS["parallel"])
    case.target[25] = np.nan
    _, n_batches, finished = case.train(batch_size=20)
    assert (n_batches, finished) == (1, False)
    assert np.isfinite(case.model.snapshot()).all()
    assert case.state.step == 1
