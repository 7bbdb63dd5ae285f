"""Stage 8: the fused Adam pass, against the reference, on the kernels themselves."""

import numpy as np
import pytest

from dcnfast import _core, reference
from dcnfast.testing import assert_close_in_norm

pytestmark = pytest.mark.usefixtures("isa")


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 17, 33, 1000])
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_three_steps(n, l2, dtype, rng, check_rounding):
    kernels = _core.ops_f32 if dtype == "float32" else _core.ops_f64
    p, g = rng.normal(size=(2, n)).astype(dtype)
    m, v, start = np.zeros_like(p), np.zeros_like(p), p.astype(np.float64)
    want = [a.astype(np.float64) for a in (p, m, v)]
    rate, beta_1, beta_2, epsilon = 0.01, 0.9, 0.999, 1e-7
    options = _core.OptimizerOptions(
        kind="adam", learning_rate=rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon,
        weight_decay=0.0,
    )  # fmt: skip
    for step in (1, 2, 3):
        squares = kernels.optimizer_update(p, m, v, g, options, step, l2)
        want_squares = float((want[0] ** 2).sum())
        assert squares == pytest.approx(want_squares, rel=(n + 8) * float(np.finfo(dtype).eps))
        want = reference.adam_update(
            *want, g.astype(np.float64), step, rate, beta_1, beta_2, epsilon, l2
        )
        g = rng.normal(size=n).astype(dtype)
    # 3 steps of a dozen operations; beta_2 to float32 is good to u / (1 - beta_2) of its rest
    magnitude = (np.abs(want[0]) + 3, np.abs(want[1]) + 3, np.abs(want[2]) + 3)
    check_rounding((p, m, v), tuple(want), magnitude, 60)
    # and of each, what training has changed: a step that is not taken is no rounding
    for got, expected, before in zip((p, m, v), want, (start, 0, 0), strict=True):
        assert_close_in_norm(got - before, expected - before, 1e3 * float(np.finfo(dtype).eps))
