"""Stage 6: losses from logits, each with its gradient.

A function for each loss of :mod:`dcnfast.losses`, made from its record.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

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
{options}
Returns
-------
loss : float
dlogits : ndarray of shape (B, C)
    Gradient of the loss in the logits.

Raises
------
ValueError
    If a shape does not fit{or_option}.
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
    name, defaults = kind.reference, kind.defaults()
    optional = {"weight": None} | ({"smoothing": 0.0} if kind.smooths else {}) | defaults
    signature = _signature(optional)

    def function(*arguments: Any, **named: Any) -> tuple[float, Array]:
        try:
            bound = signature.bind(*arguments, **named)
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        bound.apply_defaults()
        given = bound.arguments
        loss = kind(**{option: given[option] for option in defaults})
        loss.check(name)
        arrays = {"logits": given["logits"], "target": given["target"]}
        if given["weight"] is not None:
            arrays["weight"] = given["weight"]
        ops, (z, y, *w) = prepare(name, **arrays)
        smoothing = given.get("smoothing", 0.0)
        return ops.loss(kind.name, z, y, w[0] if w else None, smoothing, loss.constants())

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__doc__ = _describe(kind, defaults)
    return function


def _signature(optional: dict[str, Any]) -> Signature:
    kind = Parameter.POSITIONAL_OR_KEYWORD
    return Signature([
        *(Parameter(name, kind) for name in ("logits", "target")),
        *(Parameter(name, kind, default=default) for name, default in optional.items()),
    ])  # fmt: skip


def _describe(kind: type[Loss], defaults: dict[str, Any]) -> str:
    of_class, mean = kind.one_target_a_row, kind.mean_of_outputs
    options = _SMOOTHING if kind.smooths else ""
    for option, default in defaults.items():
        options += f"{option} : optional, default={default!r}\n    {kind.options[option].wanted}.\n"
    return _DOC.format(
        each="" if of_class else ", mean over outputs" * mean or " and outputs",
        summary=kind.summary,
        shape="(B, 1)" if of_class else kind.target_shape,
        options=options,
        targets=f"Class numbers from 0 to {kind.last_class}."
        if of_class
        else f"{kind.targets.capitalize()}.",
        or_option=", or an option is not as described" if defaults else "",
        errors=_NO_CLASS if of_class else "",
    )


FUNCTIONS = {kind.reference: _make(kind) for kind in LOSSES.values()}


def __getattr__(name: str) -> Callable[..., tuple[float, Array]]:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
