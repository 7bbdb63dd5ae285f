"""Stage 8: the fused pass of each optimizer, against the reference, on the kernels themselves."""

import numpy as np
import pytest

from dcnfast import _core, reference
from dcnfast.testing import assert_close_in_norm
from dcnfast.training.optimizers import OPTIMIZERS, OptimizerStep

pytestmark = pytest.mark.usefixtures("isa")


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 17, 33, 1000])
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize(
    ("kind", "nesterov"), [*((kind, False) for kind in OPTIMIZERS), ("sgd", True)]
)
def test_three_steps(kind, nesterov, n, l2, dtype, rng, check_rounding):
    kernels = _core.ops_f32 if dtype == "float32" else _core.ops_f64
    p, g = rng.normal(size=(2, n)).astype(dtype)
    m, v, start = np.zeros_like(p), np.zeros_like(p), p.astype(np.float64)
    want = [a.astype(np.float64) for a in (p, m, v)]
    options = OptimizerStep(
        0.01, weight_decay=5.0 if OPTIMIZERS[kind].decays else 0.0, kind=kind, nesterov=nesterov
    )
    numbers = {
        name: value
        for name, value in vars(options).items()
        if name not in ("kind", "gradient_clip", "rate_factors", "prior_strength")
    }
    for step in (1, 2, 3):
        squares = kernels.optimizer_update(p, m, v, g, options.compile(), step, l2)
        want_squares = float((want[0] ** 2).sum())
        assert squares == pytest.approx(want_squares, rel=(n + 8) * float(np.finfo(dtype).eps))
        update = reference.OPTIMIZERS[kind]
        want = update(*want, g.astype(np.float64), step, **numbers, l2=l2)
        g = rng.normal(size=n).astype(dtype)
    # 3 steps of a dozen operations; beta_2 to float32 is good to u / (1 - beta_2) of its rest
    magnitude = (np.abs(want[0]) + 3, np.abs(want[1]) + 3, np.abs(want[2]) + 3)
    check_rounding((p, m, v), tuple(want), magnitude, 60)
    # and of each, what training has changed: a step that is not taken is no rounding
    for got, expected, before in zip((p, m, v), want, (start, 0, 0), strict=True):
        assert_close_in_norm(got - before, expected - before, 1e3 * float(np.finfo(dtype).eps))
