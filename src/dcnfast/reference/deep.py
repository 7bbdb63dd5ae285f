"""Stage 4 in float64 NumPy: the hidden layers of one branch, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcnfast.network.branches import Branch, topology
from dcnfast.reference.kernels import (
    Array,
    activate,
    activate_backward,
    dense,
    dense_backward,
    dropout_mask,
    dropout_stream,
    layer_norm,
    layer_norm_backward,
    parametric,
    parametric_backward,
)


def deep_part(
    config: Any, part: str, p: Mapping[str, Array], h: Array, masks: list[Array]
) -> list[Array]:
    """Return h (B,I) and the outputs of all layers, times the factors of dropout."""
    layers = [h]
    for i, mask in enumerate(masks):
        z = _before_activation(config, part, i, p, layers[-1])
        if config.parametric_activation:
            bent = parametric(z, p[f"{part}_a_{i}"], config.activation)
        else:
            bent = activate(z, config.activation)
        layers.append(bent * mask)
    return layers


def deep_part_backward(
    dh: Array,
    config: Any,
    branch: Branch,
    p: Mapping[str, Array],
    layers: list[Array],
    masks: list[Array],
) -> tuple[Array, dict[str, Array]]:
    """Return the gradient of the part's input, and those of its parameters by name."""
    part, g = branch.name, dict[str, Array]()
    for i in reversed(range(len(branch.hidden))):
        W, b = p[f"{part}_W_{i}"], p[f"{part}_b_{i}"]
        z, dh = _before_activation(config, part, i, p, layers[i]), dh * masks[i]
        if config.parametric_activation:
            a = p[f"{part}_a_{i}"]
            dz, g[f"{part}_a_{i}"] = parametric_backward(dh, z, a, config.activation)
        else:
            dz = activate_backward(dh, z, config.activation)
        if config.layer_norm:
            scale, shift = p[f"{part}_scale_{i}"], p[f"{part}_shift_{i}"]
            dz, g[f"{part}_scale_{i}"], g[f"{part}_shift_{i}"] = layer_norm_backward(
                dz, dense(layers[i], W, b), scale, shift
            )
        dh, g[f"{part}_W_{i}"], g[f"{part}_b_{i}"] = dense_backward(dz, layers[i], W, b)
    return np.asarray(dh), g


def hidden_mask(
    config: Any, branch: Branch, i: int, n_rows: int, e: int, seed: int, step: int | None
) -> Array:
    """Return the factors of dropout of a layer's outputs for a member; ones without a step."""
    if step is None or not config.dropout:
        return np.ones((n_rows, branch.hidden[i]))
    stream = dropout_stream(seed, step, branch.first_layer + i, e)
    return dropout_mask(stream, np.arange(n_rows), branch.hidden[i], config.dropout)


def cross_mask(config: Any, shape: tuple[int, ...], e: int, seed: int, step: int | None) -> Array:
    """Return the factors of xL (B,D); their stream follows those of the hidden layers."""
    if step is None or not config.cross_dropout or not config.cross_layers:
        return np.ones(shape)
    layer = sum(len(branch.hidden) for branch in topology(config).branches)
    stream = dropout_stream(seed, step, layer, e)
    return dropout_mask(stream, np.arange(shape[0]), shape[1], config.cross_dropout)


def _before_activation(config: Any, part: str, i: int, p: Mapping[str, Array], h: Array) -> Array:
    z = dense(h, p[f"{part}_W_{i}"], p[f"{part}_b_{i}"])
    if not config.layer_norm:
        return z
    return layer_norm(z, p[f"{part}_scale_{i}"], p[f"{part}_shift_{i}"])
