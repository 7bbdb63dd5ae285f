"""Answers that are surer than floating point can say are 0 or 1, and never denormal numbers."""

import numpy as np
import pytest

from dcnfast.estimators.targets import ClassTarget, NumericTarget
from dcnfast.network.losses import LOSSES

FAR = np.array([0.0, -700.0, -709.0, -720.0, -740.0, -800.0, -1e30])
TINY = np.finfo(np.float64).tiny


def check(p):
    assert ((p == 0) | (p >= TINY)).all()
    assert (p == 0).any()
    assert ((p > 0) & (p < 1e-300)).any()  # the normal ones stay


@pytest.mark.parametrize(("loss", "n_outputs"), [("log_loss", 1), ("softmax", 2), ("softmax", 3)])
def test_probabilities(loss, n_outputs):
    target = ClassTarget(np.arange(max(n_outputs, 2)), LOSSES[loss](), n_outputs)
    logits = np.zeros((len(FAR), n_outputs))
    logits[:, 0] = FAR
    decision = logits if n_outputs > 2 else logits[:, 0] - logits[:, -1] * (n_outputs > 1)
    p = target.probabilities(decision)
    check(p)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    check(np.stack([target.answer(row) for row in logits.tolist()]))


def test_rates():
    target = NumericTarget(LOSSES["log_loss"](), 1, True)
    check(np.stack([np.atleast_1d(target.answer([z])) for z in FAR.tolist()]))
