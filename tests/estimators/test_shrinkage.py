"""The best constant, and how far held-out rows let a network go from it."""

import numpy as np
import pytest
from scipy.optimize import minimize

from dcnfast import reference
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.shrinkage import best_constant, judge_rows, row_losses

LOSSES = [("squared_error", 1), ("squared_error", 3), ("log_loss", 1), ("log_loss", 2),
          ("softmax", 4)]  # fmt: skip


def shrinkage(*judged):
    return judge_rows(*judged).shrinkage


def draw(rng, loss, C, n):
    """Return logits, and a target that depends on them."""
    logits = rng.normal(size=(n, C))
    if loss == "softmax":
        return logits, (logits + rng.gumbel(size=(n, C))).argmax(axis=1)[:, None]
    if loss == "log_loss":
        return logits, (rng.logistic(size=(n, C)) < logits).astype(float)
    return logits, logits + rng.normal(size=(n, C))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "C"), LOSSES)
def test_losses_are_those_of_the_reference(loss, C, weighted, rng):
    logits, target = draw(rng, loss, C, 50)
    weight = rng.random(50) if weighted else None
    total = reference.LOSSES[loss](logits, target, weight)[0]
    losses = row_losses(loss, logits, target)
    rows = losses.mean(axis=1) if loss == "squared_error" else losses.sum(axis=1)
    assert np.sum(rows * (1 if weight is None else weight)) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "C"), LOSSES)
def test_no_constant_is_better(loss, C, weighted, rng):
    _, target = draw(rng, loss, C, 3000)
    weight = 7 * rng.random(3000) if weighted else None

    def total(constant):
        return reference.LOSSES[loss](np.tile(constant, (3000, 1)), target, weight)[0] / 3000

    constant = best_constant(loss, target, weight, C)
    assert total(constant) <= minimize(total, np.zeros(C)).fun + 1e-4


@pytest.mark.parametrize("loss", ["log_loss", "softmax"])
def test_a_class_that_does_not_occur_is_not_impossible(loss):
    constant = best_constant(loss, np.zeros((9, 1)), None, 1 if loss == "log_loss" else 3)
    rate = 1 / (1 + np.exp(-constant)) if loss == "log_loss" else np.exp(constant)
    np.testing.assert_allclose(rate, 0.05 if loss == "log_loss" else [28 / 30, 1 / 30, 1 / 30])


@pytest.mark.parametrize(("loss", "C"), LOSSES)
def test_true_logits_stay_and_noise_goes(loss, C, rng):
    logits, target = draw(rng, loss, C, 2000)
    constant = best_constant(loss, target, None, C)
    assert (shrinkage(loss, logits, constant, target, None) >= 0.9).all()
    noise = rng.normal(size=(2000, C))
    assert (shrinkage(loss, noise, constant, target, None) == 0).all()
    if loss != "squared_error":
        assert (np.abs(shrinkage(loss, 2 * logits, constant, target, None) - 0.5) < 0.15).all()
    for far in (1e300, np.inf):
        assert (shrinkage(loss, noise * far, constant, target, None) == 0).all()


def test_each_output_has_its_own_factor(rng):
    logits, target = draw(rng, "squared_error", 2, 2000)
    logits[:, 1] = rng.normal(size=2000)
    factor = shrinkage("squared_error", logits, np.zeros(2), target, None)
    assert factor[0] > 0.9
    assert factor[1] == 0


def test_a_gain_that_may_be_chance_is_none(rng):
    """The same signal in few rows and in many."""
    logits, target = draw(rng, "squared_error", 1, 20_000)
    target = 0.3 * logits + 3 * rng.normal(size=target.shape)
    factors = [
        shrinkage("squared_error", 0.3 * logits[:n], np.zeros(1), target[:n], None)[0]
        for n in (40, 20_000)
    ]
    assert factors[0] == 0
    assert factors[1] > 0.8


def test_one_row_far_out_does_not_hide_the_gain_of_the_others(rng):
    logits = rng.normal(size=(400, 1))
    target = rng.poisson(np.exp(logits)).astype(float)
    constant = best_constant("poisson", target, None, 1)
    logits[0], target[0] = np.log(3e3), 3e3
    assert shrinkage("poisson", logits, constant, target, None) == 1
    other = np.roll(logits[1:], 1, axis=0)  # and then that row is all there is
    assert shrinkage("poisson", np.vstack([logits[:1], other]), constant, target, None) == 0
    # a loss far out counts as it is
    logits[0] = np.log(3e6)
    assert shrinkage("poisson", logits, constant, target, None) < 0.9


def test_weights_count_as_rows(rng):
    logits, target = draw(rng, "log_loss", 1, 400)
    weight = np.ones(400)
    weight[200:] = 0
    some = shrinkage("log_loss", logits[:200], np.zeros(1), target[:200], None)
    assert shrinkage("log_loss", logits, np.zeros(1), target, weight) == some


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("structure", ["parallel", "stacked_parallel"])
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_model_shrinks_by_its_head(hidden, structure, ema_decay, dtype, rng):
    config = NetworkConfig(
        fields=(("a", 5, 2), ("b", 4, 3)), n_dense=3, wide=True, cross_layers=2, hidden=hidden,
        structure=structure, n_outputs=2, loss="softmax", ema_decay=ema_decay, dtype=dtype,
    )  # fmt: skip
    model = Model(config)
    flat = rng.normal(size=model.network.flat_parameters.shape).astype(dtype)
    model.restore(flat)
    if ema_decay:  # predictions use the averages, training goes on from the parameters
        model.network.set_averages((0.5 * flat).astype(dtype))
    ids = np.column_stack([rng.integers(0, 5, 20), rng.integers(0, 4, 20)]).astype(np.int32)
    dense = rng.normal(size=(20, 3)).astype(dtype)
    before, constant = model.logits(ids, dense, 1), np.array([3.0, -7.0])
    bias = model.parameters["head_b"].copy()
    factor = np.array([0.25, 0.6])
    model.shrink(factor, constant)
    expected = factor * before + (1 - factor) * constant
    np.testing.assert_allclose(model.logits(ids, dense, 1), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        model.parameters["head_b"], factor * bias + (1 - factor) * constant, rtol=1e-5
    )
    model.shrink(np.zeros(2), constant)
    np.testing.assert_array_equal(model.logits(ids, dense, 1), np.tile(constant, (20, 1)))
