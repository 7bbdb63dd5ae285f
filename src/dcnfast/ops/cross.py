"""Stage 3: L cross layers at once, cut into tiles and spread over threads.

A function and its backward for each form of :mod:`dcnfast.crosses`, made from its record.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

import numpy as np

from dcnfast.cpu import effective_threads
from dcnfast.network.cross_records import Tensor
from dcnfast.network.crosses import CROSSES, Cross
from dcnfast.network.expert_crosses import GATINGS
from dcnfast.network.kinds import BOOLEAN, one_of
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
    "experts": """preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, \
default="identity"
    Activation of the experts, before and behind C; with "identity" there is no C.""",
    "preactivation": """preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, \
default="identity"
    Activation of W_l x_l + b_l, before ``diag_scale * x_l`` is added.""",
    "gating": """gating : {"softmax", "sigmoid", "constant"}, default="softmax"
    What makes gates of their logits; constant ones are 1.""",
    "linear": """linear : bool, default=False
    Whether layers multiply by x0 in the place of x_l.""",
    "activation": """activation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, default="relu"
    Activation of W_l x_l + b_l.""",
    "scale": """scale : float, default=1.0
    Multiplies every layer; not negative.""",
}
_DEFAULTS: dict[str, Any] = {
    "diag_scale": 0.0, "preactivation": "identity", "gating": "softmax", "linear": False,
    "activation": "relu", "scale": 1.0,
}  # fmt: skip


def _weights(kind: type[Cross]) -> dict[str, str]:
    """Return the shape of each weight by its name, as in {"U": "(L, D, R)"}."""
    return {_short(tensor): f"({', '.join(tensor.letters)})" for tensor in kind.weights}


def _short(tensor: Tensor) -> str:
    return tensor.name.removeprefix("cross_")


def _signature(kind: type[Cross], *first: str) -> Signature:
    plain = Parameter.POSITIONAL_OR_KEYWORD
    return Signature(
        [
            *(Parameter(name, plain) for name in (*first, "x0", *_weights(kind), "b")),
            *(Parameter(o, plain, default=_DEFAULTS[o]) for o in kind.reference_options),
            Parameter("n_jobs", Parameter.KEYWORD_ONLY, default=None),
        ]
    )


def _function(kind: type[Cross], name: str, kernel: str, *first: str) -> Callable[..., Any]:
    """Return the forward of a kind, or, with dxL as the ``first`` argument, its backward."""
    signature = _signature(kind, *first)
    names = [*first, "x0"]
    optional = {_short(tensor) for tensor in kind.weights if tensor.optional}

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        call.apply_defaults()
        given = call.arguments
        threads = effective_threads(given.pop("n_jobs"))
        options = {option: given.pop(option) for option in kind.reference_options}
        passed = _checked_options(name, options)
        left_out = {weight for weight in optional if given[weight] is None}
        ops, arrays = prepare(name, **{n: a for n, a in given.items() if n not in left_out})
        found = dict(zip((n for n in given if n not in left_out), arrays, strict=True))
        nothing = np.zeros(0, arrays[0].dtype)
        weights = [found.get(weight, nothing) for weight in _weights(kind)]
        outputs = getattr(ops, kernel)(
            kind.name, *(found[n] for n in names), weights, found["b"], *passed[:2], threads,
            *passed[2:],
        )  # fmt: skip
        if not left_out or not first:
            return outputs
        gradients = iter(outputs)
        return tuple(
            None if n in left_out else next(gradients) for n in ("x0", *_weights(kind), "b")
        )

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _about_weight(tensor: Tensor, shape: str) -> str:
    also = ", (E, D) for all layers" if tensor.letters == "LED" else ""
    none = ", or None" if tensor.optional else ""
    how = " as (.., outputs, inputs)." if shape.count(",") >= 2 else "."
    return f"{_short(tensor)} : array-like of shape {shape}{also}{none}\n    Weights{how}"


def _about_option(kind: type[Cross], option: str) -> str:
    experts = option == "preactivation" and "experts" in kind.options
    return _OPTIONS["experts" if experts else option]


def _checked_options(name: str, given: dict[str, Any]) -> tuple[float, str, str, bool, float]:
    """Return all options as the kernels take them."""
    options = _DEFAULTS | given
    diag_scale = check_scale(name, "diag_scale", options["diag_scale"])
    act = "activation" if "activation" in given else "preactivation"
    bent = check_activation(name, act, options[act])
    one_of(GATINGS).check(options["gating"], f"{name}: gating")
    BOOLEAN.check(options["linear"], f"{name}: linear")
    scale = check_scale(name, "scale", options["scale"])
    return diag_scale, bent, options["gating"], bool(options["linear"]), scale


def _make(kind: type[Cross]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    forward_name, backward_name = kind.reference
    weights = _weights(kind)
    forward = _function(kind, forward_name, "cross")
    forward.__doc__ = _FORWARD.format(
        formula=kind.formula,
        weights="\n".join(
            _about_weight(tensor, shape)
            for tensor, shape in zip(kind.weights, weights.values(), strict=True)
        ),
        options="\n".join(_about_option(kind, option) for option in kind.reference_options),
        source="\n".join(textwrap.wrap(kind.source, 92)),
    ).replace("\n\nn_jobs", "\nn_jobs")
    backward = _function(kind, backward_name, "cross_backward", "dxL")
    backward.__doc__ = _BACKWARD.format(
        forward=forward_name,
        names=", ".join(["x0", *weights, "b", *kind.reference_options, "n_jobs"]),
        gradients="\n".join(
            f"d{_short(t)} : ndarray of shape {weights[_short(t)]}"
            + (", or None" if t.optional else "")
            for t in kind.weights
        ),
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
