"""Stage 6: losses from logits, each with its gradient.

A function for each loss of :mod:`dcnfast.losses`, made from its record.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy.typing as npt

from dcnfast.network.losses import LOSSES, Loss
from dcnfast.ops._arrays import Array, prepare

_DOC = """Sum over rows{each}, and its gradient: {summary}

Parameters
----------
logits : array-like of shape (B, C)
target : array-like of shape {shape}
    {targets}
weight : array-like of shape (B,) or None, default=None
    Of the rows; None is 1 for each.
{smoothing}
Returns
-------
loss : float
dlogits : ndarray of shape (B, C)
    Gradient of the loss in the logits.

Raises
------
ValueError
    If a shape does not fit.
TypeError
    If an array is not of numbers.
{errors}"""

_SMOOTHING = """smoothing : float, default=0.0
    Share of the target that goes to all classes alike, at least 0 and less than 1.
"""

_NO_CLASS = """IndexError
    If a class number is out of range.
"""


def _make(kind: type[Loss]) -> Callable[..., tuple[float, Array]]:
    name = kind.reference

    def smoothed(
        logits: npt.ArrayLike,
        target: npt.ArrayLike,
        weight: npt.ArrayLike | None = None,
        smoothing: float = 0.0,
    ) -> tuple[float, Array]:
        given = {"logits": logits, "target": target}
        if weight is not None:
            given["weight"] = weight
        ops, (z, y, *w) = prepare(name, **given)
        return ops.loss(kind.name, z, y, w[0] if w else None, smoothing)

    def plain(
        logits: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None = None
    ) -> tuple[float, Array]:
        return smoothed(logits, target, weight)

    function: Callable[..., tuple[float, Array]] = smoothed if kind.smooths else plain
    of_class, mean = kind.one_target_a_row, kind.mean_of_outputs
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(
        each="" if of_class else ", mean over outputs" * mean or " and outputs",
        summary=kind.summary,
        shape="(B, 1)" if of_class else "(B, C)",
        smoothing=_SMOOTHING if kind.smooths else "",
        targets="Class numbers from 0 to C - 1." if of_class else f"{kind.targets.capitalize()}.",
        errors=_NO_CLASS if of_class else "",
    )
    return function


FUNCTIONS = {kind.reference: _make(kind) for kind in LOSSES.values()}


def __getattr__(name: str) -> Callable[..., tuple[float, Array]]:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
