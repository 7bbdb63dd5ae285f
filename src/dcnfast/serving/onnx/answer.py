"""Stage 6 in ONNX: logits -> what ``predict`` and ``predict_proba`` say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.serving.answers import Answer
from dcnfast.serving.onnx.categories import check_text
from dcnfast.serving.onnx.graph import Graph
from dcnfast.serving.onnx.numbers import in_units_of_scale

LARGEST = float(np.finfo(np.float64).max)
PREDICTION = ("variable",)
CLASSES = ("label", "probabilities")


def output_names(answer: Answer, taken: set[str]) -> list[str]:
    """Return the names of the outputs; one that a column has gets a line behind it."""
    names = []
    for name in CLASSES if answer.labels or answer.several_labels else PREDICTION:
        while name in taken:
            name += "_"
        names.append(name)
    return names


def answered(g: Graph, answer: Answer, logits: str, n_members: int, names: list[str]) -> list[Any]:
    """Add what is made of finite logits (N, C), or (E, N, C); return descriptions of the outputs.

    Raises
    ------
    TypeError
        If the loss is one whose inverse link is not written as ONNX, or labels are of a type that
        ONNX does not have.
    """
    if answer.loss not in LINKS:
        raise TypeError(
            f"to_onnx: loss is {answer.loss!r}, whose inverse link is not written as ONNX, want "
            f"one of {list(LINKS)!r}"
        )
    link, logits = LINKS[answer.loss], g.cast(logits, np.float64)
    if n_members > 1 and link is _counts:
        said = link(g, answer, _log_of_mean(g, logits))
    else:
        said = link(g, answer, logits)
        if n_members > 1:
            said = g.op("ReduceMean", said, np.array([0]), keepdims=0)
    if answer.labels:
        return _classes(g, answer, said, names)
    if answer.several_labels:
        return _several_labels(g, answer, said, names)
    if answer.scaled is not None:
        scale, mean, factor = answer.scaled
        factor, mean, scale = in_units_of_scale(factor, mean, scale)
        said = g.op("Div", g.op("Add", g.op("Mul", said, scale), mean), factor)
        said = g.between(said, np.array(-LARGEST), np.array(LARGEST))
    if answer.bounds is not None:
        said = g.between(said, *(np.asarray(end, np.float64) for end in answer.bounds))
    g.op("Identity", said, name=names[0])
    return [_described(g, names[0], np.float64, ["rows", answer.size])]


def _classes(g: Graph, answer: Answer, said: str, names: list[str]) -> list[Any]:
    labels = _labels(answer)
    likeliest = g.op("ArgMax", said, axis=1, keepdims=0)
    g.op("Gather", labels, likeliest, name=names[0])
    g.op("Identity", said, name=names[1])
    return [
        _described(g, names[0], labels.dtype, ["rows"]),
        _described(g, names[1], np.float64, ["rows", answer.size]),
    ]


def _several_labels(g: Graph, answer: Answer, said: str, names: list[str]) -> list[Any]:
    """Add labels of 0 and 1, and the probabilities of 1."""
    likely = g.op("Greater", said, np.array(0.5))
    kind = g.onnx.TensorProto.INT64
    g.op("Cast", likely, name=names[0], to=kind)
    g.op("Identity", said, name=names[1])
    shape: list[str | int] = ["rows", answer.size]
    return [_described(g, names[0], np.int64, shape), _described(g, names[1], np.float64, shape)]


def _labels(answer: Answer) -> npt.NDArray[Any]:
    kinds = {type(label) for label in answer.labels}
    if kinds == {str}:
        for label in answer.labels:
            check_text(label, "y has the label")
        return np.array(answer.labels, object)
    if kinds == {int} and not all(-(2**63) <= label < 2**63 for label in answer.labels):
        raise ValueError(
            f"to_onnx: y has the label {max(answer.labels, key=abs)}, want those of int64"
        )
    if kinds not in ({bool}, {int}, {float}):
        raise TypeError(
            f"to_onnx: y has labels of the types {sorted(kind.__name__ for kind in kinds)!r}, want "
            "strings, integers, bools or floats alone"
        )
    return np.array(answer.labels)


def _described(g: Graph, name: str, dtype: npt.DTypeLike, shape: list[str | int]) -> Any:
    helper, kind = g.onnx.helper, np.dtype(dtype)
    string = g.onnx.TensorProto.STRING
    element = string if kind.kind == "O" else helper.np_dtype_to_tensor_dtype(kind)
    return helper.make_tensor_value_info(name, element, shape)


# ---- each kind returns answers of logits: numbers, or probabilities of all classes


def _numbers(g: Graph, answer: Answer, logits: str) -> str:
    del g, answer
    return logits


def _rates(g: Graph, answer: Answer, logits: str) -> str:
    both = g.beside([g.op("Neg", logits), logits]) if answer.labels else logits
    return g.op("Sigmoid", both)


def _softmax(g: Graph, answer: Answer, logits: str) -> str:
    del answer
    return g.op("Softmax", logits, axis=-1)


def _counts(g: Graph, answer: Answer, logits: str) -> str:
    del answer
    return g.op("Exp", g.op("Min", logits, np.array(np.log(LARGEST))))


def _log_of_mean(g: Graph, logits: str) -> str:
    """Return the logarithms (N, C) of the mean over members of exp of logits (E, N, C)."""
    largest = g.op("ReduceMax", logits, np.array([0]), keepdims=1)
    shares = g.op("Exp", g.op("Sub", logits, largest))
    mean = g.op("Log", g.op("ReduceMean", shares, np.array([0]), keepdims=0))
    return g.op("Add", g.op("Squeeze", largest, np.array([0])), mean)


def _quantiles(g: Graph, answer: Answer, logits: str) -> str:
    """Add up the first logit of each target and distances, the softplus of the others."""
    C, Q = answer.n_logits, answer.logits_of_a_target
    if Q == 1:
        return logits
    is_first = np.arange(C) % Q == 0
    steps = g.op("Where", is_first, logits, _softplus(g, logits))
    behind = np.arange(C)
    own = behind[:, None] // Q == behind // Q
    return g.op("MatMul", steps, np.where(own & (behind[:, None] <= behind), 1.0, 0.0))


def _ordinal(g: Graph, answer: Answer, logits: str) -> str:
    """Return the probabilities of K classes of K - 1 cumulative logits.

    The log-odds of a class above each but the last fall from one to the next: by the softplus of
    the logits behind the first.
    """
    C = answer.n_logits
    falls = g.op("Neg", _softplus(g, logits))
    steps = g.op("Where", np.arange(C) == 0, logits, falls)
    above = g.op("MatMul", steps, np.triu(np.ones((C, C))))
    over, under = g.op("Sigmoid", above), g.op("Sigmoid", g.op("Neg", above))
    parts = [g.columns(under, [0], C)]
    if C > 1:
        between = g.chain(
            "Mul",
            g.columns(over, range(C - 1), C),
            g.columns(under, range(1, C), C),
            g.op("Sigmoid", g.columns(logits, range(1, C), C)),
        )
        parts.append(between)
    return g.beside([*parts, g.columns(over, [C - 1], C)])


def _softplus(g: Graph, x: str) -> str:
    """Return log(1 + exp(x)), whatever the size of x."""
    small = g.op("Exp", g.op("Neg", g.op("Abs", x)))
    log = g.op("Log", g.op("Add", small, np.array(1.0)))
    return g.op("Add", g.op("Relu", x), log)


LINKS: dict[str, Callable[[Graph, Answer, str], str]] = {
    "squared_error": _numbers,
    "absolute_error": _numbers,
    "huber": _numbers,
    "quantile": _quantiles,
    "poisson": _counts,
    "gamma": _counts,
    "tweedie": _counts,
    "log_loss": _rates,
    "multi_label": _rates,
    "softmax": _softmax,
    "focal": _softmax,
    "ordinal": _ordinal,
}
