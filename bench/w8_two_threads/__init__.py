"""W8: two threads beside one."""

from __future__ import annotations

from functools import partial

from bench import w1_cross_matrix, w3_full_model

TITLE = "W8: two threads beside one: three matrix cross layers of W1, and training steps of W3"
CASES = {
    "W1, D = 429": partial(w1_cross_matrix.work, 429, 2),
    "W3, matrix": partial(w3_full_model.work, "matrix", 2),
}
SMOKE = w1_cross_matrix.SMOKE | {"W3, matrix": partial(w3_full_model.small_work, "matrix", 2)}
