"""W2: three vector cross layers, forward and backward."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from bench.harness import Array, Work
from dcnfast import reference

TITLE = "W2: vector cross layers, forward and backward, B = 4096, L = 3"


@cache
def _draw(B: int, D: int, L: int) -> tuple[Array, ...]:
    """Return dxL, x0, w, b."""
    rng = np.random.default_rng(0)
    shapes = ((B, D), 1.0), ((B, D), 1.0), ((L, D), 0.5 / np.sqrt(D)), ((L, D), 0.1)
    return tuple(rng.normal(scale=s, size=shape).astype(np.float32) for shape, s in shapes)


@cache
def _answer(B: int, D: int, L: int) -> tuple[Array, ...]:
    dxL, x0, w, b = (array.astype(np.float64) for array in _draw(B, D, L))
    backward = reference.cross_vector_backward(dxL, x0, w, b)
    return reference.cross_vector(x0, w, b), *backward


def work(D: int, threads: int, B: int = 4096, L: int = 3) -> Work:
    """Count the closed form: x0 W^T, a x0 + c; dxL x0, a dxL + dp W, dp^T x0, the sum of dxL.

    The forward reads x0 and writes xL. The backward, which can only start when xL is known, reads
    x0 and dxL and writes dx0.
    """
    return Work(
        data=_draw(B, D, L),
        threads=threads,
        rows=B,
        flops=B * D * (6 * L + 6),
        bytes=4 * (5 * B * D + 6 * L * D),
        reference=partial(_answer, B, D, L),
    )


CASES = {
    f"D = {D}, {t} thread{'s' * (t > 1)}": partial(work, D, t)
    for D in (32, 128, 429, 1024)
    for t in (1, 2)
}
SMOKE = {"D = 33, 2 threads": partial(work, 33, 2, B=300)}
