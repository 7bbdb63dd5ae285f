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

_NO_CLASS = """IndexError
    If a class number is out of range.
"""


def _make(kind: type[Loss]) -> Callable[..., tuple[float, Array]]:
    name = kind.reference

    def function(
        logits: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None = None
    ) -> tuple[float, Array]:
        given = {"logits": logits, "target": target}
        if weight is not None:
            given["weight"] = weight
        ops, (z, y, *w) = prepare(name, **given)
        return ops.loss(kind.name, z, y, w[0] if w else None)

    of_class, mean = kind.one_target_a_row, kind.mean_of_outputs
    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOC.format(
        each="" if of_class else ", mean over outputs" * mean or " and outputs",
        summary=kind.summary,
        shape="(B, 1)" if of_class else "(B, C)",
        targets="Class numbers from 0 to C - 1." if of_class else f"{kind.targets.capitalize()}.",
        errors=_NO_CLASS if of_class else "",
    )
    return function


FUNCTIONS = {kind.reference: _make(kind) for kind in LOSSES.values()}


def __getattr__(name: str) -> Callable[..., tuple[float, Array]]:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
