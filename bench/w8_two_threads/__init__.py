"""W8: two threads beside one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bench import w1_cross_matrix, w3_full_model, w5_prediction
from bench.harness import Work
from bench.training import Training

TITLE = "W8: two threads beside one: three matrix cross layers of W1, and training steps of W3"


def single_rows(draw: Callable[[], Training], n: int) -> Work:
    """Return rows for the row predictor: each thread asks for its share, one after the other."""
    return replace(w5_prediction.work(draw, n, single=True), threads=2)


CASES = {
    "W1, D = 429": partial(w1_cross_matrix.work, 429, 2),
    "W3, matrix": partial(w3_full_model.work, "matrix", 2),
    "W3, single rows": partial(single_rows, w5_prediction.FULL, 2048),
}
SMOKE = w1_cross_matrix.SMOKE | {
    "W3, matrix": partial(w3_full_model.small_work, "matrix", 2),
    "W3, single rows": partial(single_rows, w5_prediction.SMALL_FULL, 7),
}
