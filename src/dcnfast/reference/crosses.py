"""Crosses that are no polynomial in float64 NumPy; the others are in kernels.py.

Letters: as there, H half of D, rounded up, E experts.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, softmax

from dcnfast.reference.kernels import (
    Array,
    activate,
    activate_backward,
    layer_norm,
    layer_norm_backward,
)

# ---- 3: cross, a mixture of low-rank experts


def _gates(logits: Array, gating: str) -> Array:
    """Map logits (B,E) to gates (B,E)."""
    if gating == "constant":
        return np.ones_like(logits)
    return np.asarray(expit(logits) if gating == "sigmoid" else softmax(logits, axis=1))


def _gates_backward(dg: Array, g: Array, gating: str) -> Array:
    if gating == "constant":
        return np.zeros_like(g)
    if gating == "sigmoid":
        return dg * g * (1 - g)
    return np.asarray(g * (dg - (g * dg).sum(axis=1, keepdims=True)))


def _experts(
    x: Array, V: Array, C: Array | None, preactivation: str
) -> tuple[Array, Array, Array, Array]:
    """Return t = V x, act(t), and the same of the products with C, all (E,B,R)."""
    t = x @ V.transpose(0, 2, 1)
    h = activate(t, preactivation)
    if C is None:
        return t, h, t, h
    c = h @ C.transpose(0, 2, 1)
    return t, h, c, activate(c, preactivation)


def cross_mixture_layer(
    x0: Array,
    x: Array,
    U: Array,
    V: Array,
    C: Array | None,
    gate: Array | None,
    b: Array,
    gating: str = "softmax",
    preactivation: str = "identity",
) -> Array:
    """Wang et al. 2021, eqs. 3 and 4. U (E,D,R), V (E,R,D), C (E,R,R), gate (E,D), b (D)."""
    logits = np.zeros((len(x), len(U))) if gate is None else x @ gate.T
    g = _gates(logits, gating)
    *_, h = _experts(x, V, C, preactivation)
    each = h @ U.transpose(0, 2, 1) + b  # (E,B,D)
    return np.asarray(x0 * np.einsum("be,ebd->bd", g, each) + x)


def cross_mixture(
    x0: Array,
    U: Array,
    V: Array,
    C: Array | None,
    gate: Array | None,
    b: Array,
    gating: str = "softmax",
    preactivation: str = "identity",
) -> Array:
    """All layers. U (L,E,D,R), V (L,E,R,D), b (L,D) -> xL (B,D).

    C (L,E,R,R) is None unless the experts are activated, gate (L,E,D), or (E,D) of all layers, is
    None if the gates are constant.
    """
    x = x0
    for l in range(len(b)):
        of_layer = U[l], V[l], None if C is None else C[l], _of_layer(gate, l), b[l]
        x = cross_mixture_layer(x0, x, *of_layer, gating, preactivation)
    return x


def _of_layer(gate: Array | None, l: int) -> Array | None:
    return gate if gate is None or gate.ndim == 2 else gate[l]


def cross_mixture_backward(
    dxL: Array,
    x0: Array,
    U: Array,
    V: Array,
    C: Array | None,
    gate: Array | None,
    b: Array,
    gating: str = "softmax",
    preactivation: str = "identity",
) -> tuple[Array, Array, Array, Array | None, Array | None, Array]:
    """DxL (B,D), then as `cross_mixture` -> dx0 (B,D), dU, dV, dC, dgate, db; None of what is."""
    xs = [x0]
    for l in range(len(b)):
        of_layer = U[l], V[l], None if C is None else C[l], _of_layer(gate, l), b[l]
        xs.append(cross_mixture_layer(x0, xs[l], *of_layer, gating, preactivation))
    dx, dx0 = dxL, np.zeros_like(x0)
    dU, dV, db = np.zeros_like(U), np.zeros_like(V), np.zeros_like(b)
    dC = None if C is None else np.zeros_like(C)
    dgate = None if gate is None else np.zeros_like(gate)
    for l in reversed(range(len(b))):
        x, W = xs[l], _of_layer(gate, l)
        g = _gates(np.zeros((len(x), U.shape[1])) if W is None else x @ W.T, gating)
        t, h, c, last = _experts(x, V[l], None if C is None else C[l], preactivation)
        each = last @ U[l].transpose(0, 2, 1) + b[l]
        dx0 = dx0 + dx * np.einsum("be,ebd->bd", g, each)
        dz = dx * x0
        deach = g.T[:, :, None] * dz  # (E,B,D)
        dU[l], db[l] = deach.transpose(0, 2, 1) @ last, deach.sum(axis=(0, 1))
        dh = deach @ U[l]
        da = _gates_backward(np.einsum("bd,ebd->be", dz, each), g, gating)
        if C is not None and dC is not None:
            dc = activate_backward(dh, c, preactivation)
            dC[l] = dc.transpose(0, 2, 1) @ h
            dh = dc @ C[l]
        dt = activate_backward(dh, t, preactivation)
        dV[l] = dt.transpose(0, 2, 1) @ x
        dx = dx + (dt @ V[l]).sum(axis=0)
        if W is not None and dgate is not None:
            dgate[... if dgate.ndim == 2 else l] += da.T @ x
            dx = dx + da @ W
    return dx0 + dx, dU, dV, dC, dgate, db


# ---- 3: cross, exponential


def _halves(x: Array, W: Array, scale: Array, shift: Array) -> tuple[Array, Array, Array]:
    """Return H = W x and the mask (B,H), and [H, H * mask] (B,D)."""
    h = x @ W.T
    m = activate(layer_norm(h, scale, shift), "relu")
    return h, m, np.concatenate([h, h * m], axis=1)[:, : x.shape[1]]


def cross_exponential_layer(
    x0: Array,
    x: Array,
    W: Array,
    scale: Array,
    shift: Array,
    b: Array,
    linear: bool = False,
) -> Array:
    """Li et al. 2024, eqs. 4 and 5. x0, x (B,D), W (H,D), scale, shift (H), b (D) -> (B,D)."""
    *_, both = _halves(x, W, scale, shift)
    return np.asarray((x0 if linear else x) * (both + b) + x)


def cross_exponential(
    x0: Array, W: Array, scale: Array, shift: Array, b: Array, linear: bool = False
) -> Array:
    """All layers. x0 (B,D), W (L,H,D), scale, shift (L,H), b (L,D) -> xL (B,D)."""
    x = x0
    for of_layer in zip(W, scale, shift, b, strict=True):
        x = cross_exponential_layer(x0, x, *of_layer, linear)
    return x


def cross_exponential_backward(
    dxL: Array,
    x0: Array,
    W: Array,
    scale: Array,
    shift: Array,
    b: Array,
    linear: bool = False,
) -> tuple[Array, Array, Array, Array, Array]:
    """Return dx0 (B,D), dW (L,H,D), dscale, dshift (L,H), db (L,D)."""
    xs = [x0]
    for l in range(len(b)):
        xs.append(cross_exponential_layer(x0, xs[l], W[l], scale[l], shift[l], b[l], linear))
    dx, dx0 = dxL, np.zeros_like(x0)
    dW, dscale, dshift, db = (np.zeros_like(a) for a in (W, scale, shift, b))
    H, D = W.shape[1], x0.shape[1]
    for l in reversed(range(len(b))):
        x, of_norm = xs[l], (scale[l], shift[l])
        h, m, both = _halves(x, W[l], *of_norm)
        dg = dx * (x0 if linear else x)
        if linear:
            dx0 = dx0 + dx * (both + b[l])
        else:
            dx = dx + dx * (both + b[l])
        db[l] = dg.sum(axis=0)
        second = np.zeros_like(h)
        second[:, : D - H] = dg[:, H:]
        dn = activate_backward(second * h, layer_norm(h, *of_norm), "relu")
        dh, dscale[l], dshift[l] = layer_norm_backward(dn, h, *of_norm)
        dh = dh + dg[:, :H] + second * m
        dW[l] = dh.T @ x
        dx = dx + dh @ W[l]
    return dx0 + dx, dW, dscale, dshift, db


# ---- 3: cross, onlydense


def cross_onlydense_layer(
    x: Array, W: Array, b: Array, activation: str = "relu", scale: float = 1.0
) -> Array:
    """DCN^2. x (B,D), W (D,D), b (D) -> (B,D)."""
    return np.asarray(scale * x * activate(x @ W.T + b, activation))


def cross_onlydense(
    x0: Array, W: Array, b: Array, activation: str = "relu", scale: float = 1.0
) -> Array:
    """All layers. x0 (B,D), W (L,D,D), b (L,D) -> xL (B,D)."""
    x = x0
    for of_layer in zip(W, b, strict=True):
        x = cross_onlydense_layer(x, *of_layer, activation, scale)
    return x


def cross_onlydense_backward(
    dxL: Array, x0: Array, W: Array, b: Array, activation: str = "relu", scale: float = 1.0
) -> tuple[Array, Array, Array]:
    """Return dx0 (B,D), dW (L,D,D), db (L,D)."""
    xs = [x0]
    for of_layer in zip(W, b, strict=True):
        xs.append(cross_onlydense_layer(xs[-1], *of_layer, activation, scale))
    dx, dW, db = dxL, np.zeros_like(W), np.zeros_like(b)
    for l in reversed(range(len(b))):
        x = xs[l]
        z = x @ W[l].T + b[l]
        dz = activate_backward(scale * dx * x, z, activation)
        dW[l], db[l] = dz.T @ x, dz.sum(axis=0)
        dx = scale * dx * activate(z, activation) + dz @ W[l]
    return dx, dW, db
