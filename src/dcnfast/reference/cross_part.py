"""Stage 3 of a network in float64 NumPy: on x0, or on what each of several heads sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcnfast import reference
from dcnfast.network import crosses
from dcnfast.network.structure import join_heads, project_gradient, shares_of_heads, split_heads
from dcnfast.reference.kernels import Array

CROSSES: dict[str, Any] = {
    name: (
        *(getattr(reference, function) for function in cross.reference),
        tuple(tensor.name for tensor in cross.weights),
    )
    for name, cross in crosses.CROSSES.items()
}


def cross_part(c: Any, p: Mapping[str, Array], x0: Array) -> Array:
    """Return xL (B,D) of x0 (B,D).

    Parameters
    ----------
    c : NetworkConfig
    p : dict of ndarray
        Parameters by name.
    x0 : ndarray of shape (B, D)
    """
    cross, _, names = CROSSES[c.cross]
    x = split_heads(c, x0) if c.has_shared_heads else x0
    xL = cross(x, *(p.get(name) for name in names), *_options(c, p))
    if c.has_shared_heads:
        xL = join_heads(c, xL) * shares_of_heads(c)
    return np.asarray(xL)


def cross_part_backward(
    dxL: Array, c: Any, p: Mapping[str, Array], x0: Array
) -> tuple[Array, dict[str, Array]]:
    """Return dx0 (B,D), and the gradients by name."""
    _, backward, names = CROSSES[c.cross]
    x, d = x0, dxL
    if c.has_shared_heads:
        x, d = split_heads(c, x0), split_heads(c, dxL * shares_of_heads(c))
    dx0, *gradients = backward(d, x, *(p.get(name) for name in names), *_options(c, p))
    found = zip((*names, "cross_b"), gradients, strict=True)
    g = {name: gradient for name, gradient in found if gradient is not None}
    if c.cross == "matrix":
        g["cross_W"] = project_gradient(c, g["cross_W"])
    return np.asarray(join_heads(c, dx0) if c.has_shared_heads else dx0), g


def _options(c: Any, p: Mapping[str, Array]) -> tuple[Any, ...]:
    b = p["cross_b"] if c.cross_bias else np.zeros((c.cross_layers, c.cross_sizes["D"]))
    behind = crosses.CROSSES[c.cross].reference_options
    return (b, *(getattr(c, name) for name in behind.values()))
