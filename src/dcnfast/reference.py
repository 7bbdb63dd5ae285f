"""The whole model in float64 NumPy: the specification, and the oracle of the tests.

It cannot be fast and does not try. One function per kernel pair, named and ordered as in
``src/cpp/kernel_table.hpp`` and :mod:`dcnfast.ops`, forward above its backward. Every backward
takes the gradient of the output, then what its forward took, and returns the gradients in that
order.

Letters: B rows, M dense columns, D width of x0, L cross layers, R rank, I and O inputs and outputs
of a dense layer, H width of the last one, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_softmax, softmax

Array = npt.NDArray[np.float64]

# ---- 3: cross


def cross_vector_layer(x0: Array, x: Array, w: Array, b: Array) -> Array:
    """Wang et al. 2017, eq. 3. x0, x (B,D), w (D), b (D) -> the next x (B,D)."""
    return x0 * (x @ w)[:, None] + b + x


def cross_vector(x0: Array, w: Array, b: Array) -> Array:
    """All layers, one by one. x0 (B,D), w (L,D), b (L,D) -> xL (B,D)."""
    x = x0
    for w_l, b_l in zip(w, b, strict=True):
        x = cross_vector_layer(x0, x, w_l, b_l)
    return x


def cross_vector_backward(dxL: Array, x0: Array, w: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return dx0 (B,D), dw (L,D), db (L,D)."""
    xs = [cross_vector(x0, w[:l], b[:l]) for l in range(len(w))]
    dx, dx0, dw, db = dxL, np.zeros_like(x0), np.zeros_like(w), np.zeros_like(b)
    for l in reversed(range(len(w))):
        s = (xs[l] @ w[l])[:, None]  # x_{l+1} = x0 s + b_l + x_l
        ds = (dx * x0).sum(axis=1, keepdims=True)
        dx0 = dx0 + dx * s
        dw[l] = (ds * xs[l]).sum(axis=0)
        db[l] = dx.sum(axis=0)
        dx = dx + ds * w[l]
    return dx0 + dx, dw, db


def cross_matrix_layer(x0: Array, x: Array, W: Array, b: Array, diag_scale: float = 0.0) -> Array:
    """Wang et al. 2021, eq. 1. x0, x (B,D), W (D,D) as (out, in), b (D) -> the next x (B,D)."""
    return x0 * (x @ W.T + b + diag_scale * x) + x


def cross_matrix(x0: Array, W: Array, b: Array, diag_scale: float = 0.0) -> Array:
    """All layers, one by one. x0 (B,D), W (L,D,D), b (L,D) -> xL (B,D)."""
    x = x0
    for W_l, b_l in zip(W, b, strict=True):
        x = cross_matrix_layer(x0, x, W_l, b_l, diag_scale)
    return x


def cross_matrix_backward(
    dxL: Array, x0: Array, W: Array, b: Array, diag_scale: float = 0.0
) -> tuple[Array, Array, Array]:
    """Return dx0 (B,D), dW (L,D,D), db (L,D)."""
    xs = [cross_matrix(x0, W[:l], b[:l], diag_scale) for l in range(len(W))]
    dx, dx0, dW, db = dxL, np.zeros_like(x0), np.zeros_like(W), np.zeros_like(b)
    for l in reversed(range(len(W))):
        z = xs[l] @ W[l].T + b[l] + diag_scale * xs[l]  # x_{l+1} = x0 z + x_l
        dz = dx * x0
        dx0 = dx0 + dx * z
        dW[l] = dz.T @ xs[l]
        db[l] = dz.sum(axis=0)
        dx = dx + dz @ W[l] + diag_scale * dz
    return dx0 + dx, dW, db


def cross_lowrank(x0: Array, U: Array, V: Array, b: Array, diag_scale: float = 0.0) -> Array:
    """Wang et al. 2021, eq. 2: W_l = U_l V_l. U (L,D,R), V (L,R,D), b (L,D) -> xL (B,D)."""
    return cross_matrix(x0, U @ V, b, diag_scale)


def cross_lowrank_backward(
    dxL: Array, x0: Array, U: Array, V: Array, b: Array, diag_scale: float = 0.0
) -> tuple[Array, Array, Array, Array]:
    """Return dx0 (B,D), dU (L,D,R), dV (L,R,D), db (L,D)."""
    dx0, dW, db = cross_matrix_backward(dxL, x0, U @ V, b, diag_scale)
    return dx0, dW @ V.transpose(0, 2, 1), U.transpose(0, 2, 1) @ dW, db


CROSSES: dict[str, Callable[..., Array]] = {
    "vector": cross_vector,
    "matrix": cross_matrix,
    "lowrank": cross_lowrank,
}

# ---- 4: deep

_GELU_C = np.sqrt(2 / np.pi)
_GELU_K = 0.044715


def activate(z: Array, activation: str) -> Array:
    """Apply the activation of that name; gelu is the tanh form (Hendrycks and Gimpel, 2016)."""
    if activation == "relu":
        return np.maximum(z, 0)
    if activation == "tanh":
        return np.tanh(z)
    if activation == "sigmoid":
        return np.asarray(expit(z))
    if activation == "gelu":
        return np.asarray(0.5 * z * (1 + np.tanh(_GELU_C * (z + _GELU_K * z**3))))
    return z


def activate_backward(dh: Array, z: Array, activation: str) -> Array:
    """Return dz; the slope of relu at 0 is 0."""
    if activation == "relu":
        return dh * (z > 0)
    if activation == "tanh":
        return np.asarray(dh * (1 - np.tanh(z) ** 2))
    if activation == "sigmoid":
        return np.asarray(dh * expit(z) * (1 - expit(z)))
    if activation == "gelu":
        t = np.tanh(_GELU_C * (z + _GELU_K * z**3))
        inner = _GELU_C * (1 + 3 * _GELU_K * z**2)
        return np.asarray(dh * (0.5 * (1 + t) + 0.5 * z * (1 - t**2) * inner))
    return dh


def dense(h: Array, W: Array, b: Array, activation: str = "identity") -> Array:
    """Map h (B,I), W (O,I), b (O) to act(h W^T + b) (B,O)."""
    return activate(h @ W.T + b, activation)


def dense_backward(
    dhn: Array, h: Array, W: Array, b: Array, activation: str = "identity"
) -> tuple[Array, Array, Array]:
    """Return dh (B,I), dW (O,I), db (O)."""
    dz = activate_backward(dhn, h @ W.T + b, activation)
    return dz @ W, dz.T @ h, dz.sum(axis=0)


# ---- 5: combine


def combine(x: Array, h: Array, W: Array, b: Array) -> Array:
    """Map x (B,D), h (B,H), W (C,D+H), b (C) to logits (B,C)."""
    return np.concatenate([x, h], axis=1) @ W.T + b


def combine_backward(
    dlogits: Array, x: Array, h: Array, W: Array, b: Array
) -> tuple[Array, Array, Array, Array]:
    """Return dx (B,D), dh (B,H), dW (C,D+H), db (C)."""
    D = x.shape[1]
    dxh = dlogits @ W
    dW = dlogits.T @ np.concatenate([x, h], axis=1)
    return dxh[:, :D], dxh[:, D:], dW, dlogits.sum(axis=0) + 0 * b


# ---- 6: loss. Each returns the weighted sum over the rows, and dlogits (B,C)


def squared_error(logits: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Mean over the C outputs of the squared error. target (B,C), weight (B)."""
    w = np.ones(len(logits)) if weight is None else weight
    C = logits.shape[1]
    error = logits - target
    return float(w @ (error**2).sum(axis=1)) / C, 2 / C * w[:, None] * error


def log_loss(logits: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Binary cross-entropy of log-odds, summed over the C outputs. target (B,C) in [0, 1]."""
    w = np.ones(len(logits)) if weight is None else weight
    entropy = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    return float(w @ entropy.sum(axis=1)), w[:, None] * (expit(logits) - target)


def softmax_loss(logits: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Cross-entropy of softmax(logits). target (B,1) holds class numbers."""
    w = np.ones(len(logits)) if weight is None else weight
    rows, classes = np.arange(len(logits)), target[:, 0].astype(np.int64)
    loss = -float(w @ log_softmax(logits, axis=1)[rows, classes])
    dlogits = softmax(logits, axis=1)
    dlogits[rows, classes] -= 1
    return loss, w[:, None] * dlogits


LOSSES = {"squared_error": squared_error, "log_loss": log_loss, "softmax": softmax_loss}

# ---- 8: optimize


def adam_update(
    parameters: Array,
    m: Array,
    v: Array,
    g: Array,
    step: int,
    learning_rate: float = 1e-3,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    l2: float | Array = 0.0,
) -> tuple[Array, Array, Array]:
    """Kingma and Ba 2015, end of section 2; ``step`` counts from 1. -> parameters, m, v (n)."""
    g = g + l2 * parameters
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    rate = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return parameters - rate * m / (np.sqrt(v) + epsilon), m, v


# ---- the network: stages 3 to 7


class ReferenceNetwork:
    """Stages 3 to 8 in the order of the data flow, on a dict of named parameters.

    Parameters
    ----------
    config : NetworkConfig
        As for the compiled network.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    def forward(self, p: Mapping[str, Array], x0: Array) -> dict[str, Any]:
        """Return every intermediate result: xL, h (list), logits."""
        c = self.config
        xL = x0
        if c.cross_layers:
            xL = CROSSES[c.cross](x0, *self._cross_arguments(p))
        h = [xL if c.structure == "stacked" else x0]
        for i in range(len(c.hidden)):
            h.append(dense(h[-1], p[f"deep_W_{i}"], p[f"deep_b_{i}"], c.activation))
        x, hN = self._head_inputs(xL, h)
        logits = combine(x, hN, p["head_W"], p["head_b"])
        return {"x0": x0, "xL": xL, "h": h, "logits": logits}

    def loss_and_gradients(
        self, p: Mapping[str, Array], x0: Array, target: Array, weight: Array | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Return the mean loss over the rows (divided by B) and the gradients by name."""
        c = self.config
        state = self.forward(p, x0)
        xL, h = state["xL"], state["h"]
        loss, dlogits = LOSSES[c.loss](state["logits"], target, weight)
        dlogits = dlogits / len(x0)
        x, hN = self._head_inputs(xL, h)
        dx, dh, dW, db = combine_backward(dlogits, x, hN, p["head_W"], p["head_b"])
        g = {"head_W": dW, "head_b": db}
        dxL = dx if dx.shape[1] else np.zeros_like(xL)
        for i in reversed(range(len(c.hidden))):
            dh, g[f"deep_W_{i}"], g[f"deep_b_{i}"] = dense_backward(
                dh, h[i], p[f"deep_W_{i}"], p[f"deep_b_{i}"], c.activation
            )
        if c.hidden and c.structure == "stacked":
            dxL = dxL + dh
        if c.cross_layers:
            g |= self._cross_gradients(dxL, x0, p)
        return loss / len(x0), g

    def _cross_arguments(self, p: Mapping[str, Array]) -> tuple[Any, ...]:
        c = self.config
        if c.cross == "vector":
            return p["cross_w"], p["cross_b"]
        if c.cross == "matrix":
            return p["cross_W"], p["cross_b"], c.diag_scale
        return p["cross_U"], p["cross_V"], p["cross_b"], c.diag_scale

    def _cross_gradients(self, dxL: Array, x0: Array, p: Mapping[str, Array]) -> dict[str, Array]:
        arguments = self._cross_arguments(p)
        if self.config.cross == "vector":
            _, dw, db = cross_vector_backward(dxL, x0, *arguments)
            return {"cross_w": dw, "cross_b": db}
        if self.config.cross == "matrix":
            _, dW, db = cross_matrix_backward(dxL, x0, *arguments)
            return {"cross_W": dW, "cross_b": db}
        _, dU, dV, db = cross_lowrank_backward(dxL, x0, *arguments)
        return {"cross_U": dU, "cross_V": dV, "cross_b": db}

    def _head_inputs(self, xL: Array, h: list[Array]) -> tuple[Array, Array]:
        """Return x (B,D) and h (B,H) as the head sees them; empty what does not reach it."""
        c = self.config
        nothing = np.zeros((len(xL), 0))
        if not c.hidden:
            return xL, nothing
        return (xL if c.structure == "parallel" and c.cross_layers else nothing), h[-1]

    def train_step(
        self,
        p: Mapping[str, Array],
        moments: Mapping[str, tuple[Array, Array]],
        step: int,
        x0: Array,
        target: Array,
        weight: Array | None = None,
        **adam: float,
    ) -> tuple[float, dict[str, Array], dict[str, tuple[Array, Array]]]:
        """Take one Adam step; returns the objective before it, the new parameters and moments."""
        loss, g = self.loss_and_gradients(p, x0, target, weight)
        new_p, new_moments = {}, {}
        for name, value in p.items():
            l2 = 0.0 if "_b" in name else self.config.alpha
            loss += 0.5 * l2 * float((value**2).sum())
            m, v = moments[name]
            new_p[name], m, v = adam_update(value, m, v, g[name], step, l2=l2, **adam)
            new_moments[name] = (m, v)
        return loss, new_p, new_moments
