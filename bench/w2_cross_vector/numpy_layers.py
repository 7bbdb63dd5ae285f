"""Layer by layer, as one writes it in NumPy with some care: in place, keeping x_l and x_l . w_l."""

import numpy as np


def forward(x0, w, b):
    x, kept = x0, []
    for w_l, b_l in zip(w, b, strict=True):
        s = (x @ w_l)[:, None]
        kept.append((x, s))
        out = x0 * s
        out += b_l
        out += x
        x = out
    return x, kept


def backward(dxL, x0, w, kept):
    dx, dx0 = dxL.copy(), np.zeros_like(x0)
    dw, db = np.empty_like(w), np.empty_like(w)
    for i in reversed(range(len(w))):
        x, s = kept[i]
        ds = np.einsum("bd,bd->b", dx, x0)
        dx0 += dx * s
        dw[i] = ds @ x
        db[i] = dx.sum(axis=0)
        dx += ds[:, None] * w[i]
    dx0 += dx
    return dx0, dw, db


def prepare(data, threads):  # noqa: ARG001  the harness limits BLAS; NumPy's loops have one thread
    dxL, x0, w, b = data

    def run():
        xL, kept = forward(x0, w, b)
        return xL, *backward(dxL, x0, w, kept)

    return run
