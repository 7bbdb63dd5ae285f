"""W8: two threads beside one."""

from __future__ import annotations

from functools import partial

from bench import w1_cross_matrix

TITLE = "W8: two threads beside one, matrix cross layers, forward and backward, B = 4096, L = 3"
CASES = {"D = 429": partial(w1_cross_matrix.work, 429, 2)}
SMOKE = w1_cross_matrix.SMOKE
