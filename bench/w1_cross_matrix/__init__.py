"""W1: three matrix cross layers, forward and backward."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from bench.harness import Array, Work
from dcnfast import reference

TITLE = "W1: matrix cross layers, forward and backward, B = 4096, L = 3"


@cache
def _draw(B: int, D: int, L: int) -> tuple[Array, ...]:
    """Return dxL, x0, W, b; W as it is at the start of training, so that no layer blows up."""
    rng = np.random.default_rng(0)
    shapes = {(B, D): 1.0, (L, D, D): 1 / np.sqrt(D), (L, D): 0.1}
    x0, W, b = (rng.normal(scale=s, size=shape).astype(np.float32) for shape, s in shapes.items())
    dxL = rng.normal(size=(B, D)).astype(np.float32)
    return dxL, x0, W, b


@cache
def _answer(B: int, D: int, L: int) -> tuple[Array, ...]:
    dxL, x0, W, b = (array.astype(np.float64) for array in _draw(B, D, L))
    return reference.cross_matrix_backward(dxL, x0, W, b)


def work(D: int, threads: int, B: int = 4096, L: int = 3) -> Work:
    """Three products of (B,D) with (D,D) a layer; dxL, x0 and dx0, W and dW once through memory."""
    return Work(
        data=_draw(B, D, L),
        threads=threads,
        rows=B,
        flops=6 * B * L * D**2,
        bytes=4 * (3 * B * D + 2 * L * D * (D + 1)),
        reference=partial(_answer, B, D, L),
    )


CASES = {
    f"D = {D}, {t} thread{'s' * (t > 1)}": partial(work, D, t)
    for D in (32, 128, 429, 1024)
    for t in (1, 2)
}
SMOKE = {"D = 33, 2 threads": partial(work, 33, 2, B=300)}
