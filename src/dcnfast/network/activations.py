"""Activations, of hidden layers and before the product of a cross layer: the list of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ActivationRecord:
    """What is known about an activation.

    Parameters
    ----------
    name : str
    summary : str
        What the documentation says.
    keeps_input : bool
        Whether the backward pass needs what went in; else what came out is enough.
    """

    name: str
    summary: str
    keeps_input: bool = False


ACTIVATIONS = {
    record.name: record
    for record in (
        ActivationRecord("identity", "none"),
        ActivationRecord("relu", "max(z, 0)"),
        ActivationRecord("tanh", "the hyperbolic tangent"),
        ActivationRecord("sigmoid", "1 / (1 + exp(-z))"),
        ActivationRecord("gelu", "gelu in its tanh form", keeps_input=True),
    )
}
