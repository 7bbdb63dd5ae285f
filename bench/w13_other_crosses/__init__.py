"""W13: three cross layers of other forms than W1's and W2's, forward and backward."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from bench.harness import Array, Work
from dcnfast import reference

TITLE = "W13: mixtures of experts and exponential layers, forward and backward, L = 3"

EXPERTS, RANK = 4, 64
# form -> function, options of the functions
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "mixture": ("cross_mixture", {"gating": "softmax"}),
    "mixture of tanh": ("cross_mixture", {"gating": "softmax", "preactivation": "tanh"}),
    "exponential": ("cross_exponential", {}),
    "onlydense": ("cross_onlydense", {}),
}


@cache
def _draw(form: str, B: int, D: int, L: int) -> tuple[Any, ...]:
    """Return the form, dxL, x0, then weights and b; None for a weight that the form has not."""
    rng = np.random.default_rng(0)
    E, R, H = EXPERTS, RANK, (D + 1) // 2

    def normal(*shape: int, scale: float = 1.0) -> Array:
        return rng.normal(scale=scale, size=shape).astype(np.float32)

    columns, rank = 0.3 / np.sqrt(D), 1 / np.sqrt(R)
    rows = form, normal(B, D), normal(B, D)
    b = normal(L, D, scale=0.1)
    if form == "exponential":
        scale, shift = 1 + normal(L, H, scale=0.1), normal(L, H, scale=0.1)
        return (*rows, normal(L, H, D, scale=columns / 3), scale, shift, b)
    if form == "onlydense":
        return (*rows, normal(L, D, D, scale=columns), b + 1)
    U, V = normal(L, E, D, R, scale=0.3 * rank), normal(L, E, R, D, scale=columns)
    C = normal(L, E, R, R, scale=rank) if form == "mixture of tanh" else None
    return (*rows, U, V, C, normal(L, E, D, scale=columns), b)


@cache
def _answer(form: str, B: int, D: int, L: int) -> tuple[Array, ...]:
    name, options = FORMS[form]
    _, dxL, *arguments = _draw(form, B, D, L)
    dxL, *arguments = [a if a is None else a.astype(np.float64) for a in (dxL, *arguments)]
    gradients = getattr(reference, f"{name}_backward")(dxL, *arguments, **options)
    return tuple(gradient for gradient in gradients if gradient is not None)


def work(form: str, D: int, threads: int, B: int = 4096, L: int = 3) -> Work:
    """Count the products of the weight matrices, once forward and twice backward."""
    E, R = EXPERTS, RANK
    products = E * (2 * D * R + D)
    if form == "mixture of tanh":
        products += E * R * R
    if form == "exponential":
        products = D * ((D + 1) // 2)
    if form == "onlydense":
        products = D * D
    return Work(
        data=_draw(form, B, D, L),
        threads=threads,
        rows=B,
        flops=6 * B * L * products,
        bytes=4 * (5 * B * D + 3 * L * products),
        reference=partial(_answer, form, B, D, L),
    )


CASES = {
    f"{form}, D = {D}, {t} thread{'s' * (t > 1)}": partial(work, form, D, t)
    for form in FORMS
    for D in (128, 429)
    for t in (1, 2)
}
SMOKE = {f"{form}, D = 33, 2 threads": partial(work, form, 33, 2, B=300) for form in FORMS}
