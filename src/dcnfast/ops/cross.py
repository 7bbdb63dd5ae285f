"""Stage 3: L cross layers at once, cut into tiles and spread over threads.

A function and its backward for each form of :mod:`dcnfast.crosses`, made from its record.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from dcnfast.cpu import effective_threads
from dcnfast.network.crosses import CROSSES, Cross
from dcnfast.ops._arrays import check_activation, check_scale, prepare

_FORWARD = """Apply L cross layers: {formula}.

Parameters
----------
x0 : array-like of shape (B, D)
    The stacked input.
{weights}
b : array-like of shape (L, D)
    Biases.
{options}
n_jobs : int or None, default=None
    Threads; None is all that the process may use. The result does not depend on it.

Returns
-------
xL : ndarray of shape (B, D)

Raises
------
ValueError
    If a shape does not fit, or an option is not what it may be.
TypeError
    If an array is not of numbers.

References
----------
{source}
"""

_BACKWARD = """Differentiate :func:`{forward}`.

Parameters
----------
dxL : array-like of shape (B, D)
    Gradient of the loss in xL.
{names}
    As the forward got them.

Returns
-------
dx0 : ndarray of shape (B, D)
{gradients}
db : ndarray of shape (L, D)
"""

_OPTIONS = {
    "diag_scale": """diag_scale : float, default=0.0
    Added to the diagonal of every W_l, as in TensorFlow Recommenders; not negative.""",
    "preactivation": """preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, \
default="identity"
    Activation of W_l x_l + b_l, before ``diag_scale * x_l`` is added.""",
}


def _weights(kind: type[Cross]) -> dict[str, str]:
    """Return the shape of each weight by its name, as in {"U": "(L, D, R)"}."""
    return {
        tensor.name.removeprefix("cross_"): f"({', '.join(tensor.letters)})"
        for tensor in kind.weights
    }


def _signature(kind: type[Cross], *first: str) -> Signature:
    plain, defaults = Parameter.POSITIONAL_OR_KEYWORD, kind.defaults()
    return Signature(
        [
            *(Parameter(name, plain) for name in (*first, "x0", *_weights(kind), "b")),
            *(Parameter(o, plain, default=defaults[o]) for o in kind.reference_options),
            Parameter("n_jobs", Parameter.KEYWORD_ONLY, default=None),
        ]
    )


def _function(kind: type[Cross], name: str, kernel: str, *first: str) -> Callable[..., Any]:
    """Return the forward of a kind, or, with dxL as the ``first`` argument, its backward."""
    signature = _signature(kind, *first)
    n_weights = len(kind.weights)

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        call.apply_defaults()
        given = call.arguments
        threads = effective_threads(given.pop("n_jobs"))
        options = {option: given.pop(option) for option in kind.reference_options}
        scale = check_scale(name, options.get("diag_scale", 0.0))
        act = check_activation(name, "preactivation", options.get("preactivation", "identity"))
        ops, arrays = prepare(name, **given)
        *rest, b = arrays[len(first) + 1 :]
        assert len(rest) == n_weights
        return getattr(ops, kernel)(
            kind.name, *arrays[: len(first) + 1], rest, b, scale, act, threads
        )

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _make(kind: type[Cross]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    forward_name, backward_name = kind.reference
    weights = _weights(kind)
    forward = _function(kind, forward_name, "cross")
    forward.__doc__ = _FORWARD.format(
        formula=kind.formula,
        weights="\n".join(
            f"{name} : array-like of shape {shape}\n    Weights"
            + (" as (outputs, inputs)." if shape.count(",") == 2 else ".")
            for name, shape in weights.items()
        ),
        options="\n".join(_OPTIONS[option] for option in kind.reference_options),
        source="\n".join(textwrap.wrap(kind.source, 92)),
    ).replace("\n\nn_jobs", "\nn_jobs")
    backward = _function(kind, backward_name, "cross_backward", "dxL")
    backward.__doc__ = _BACKWARD.format(
        forward=forward_name,
        names=", ".join(["x0", *weights, "b", *kind.reference_options, "n_jobs"]),
        gradients="\n".join(f"d{w} : ndarray of shape {s}" for w, s in weights.items()),
    )
    return forward, backward


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function for kind in CROSSES.values() for function in _make(kind)
}
for _each in FUNCTIONS.values():
    _each.__module__ = __name__


def __getattr__(name: str) -> Callable[..., Any]:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
