"""An MLP without cross layers, whose weights are those of the network's deep part."""

import numpy as np
from sklearn.neural_network import MLPRegressor

from bench.latency import Calls


def layers(data):
    """Return W (inputs, outputs) and b of each layer; the head without what reads the crosses."""
    p, width = data.parameters, data.config.width
    deep = [(p[f"deep_W_{i}"].T, p[f"deep_b_{i}"]) for i in range(len(data.config.hidden))]
    return [*deep, (p["head_W"][:, width:].T, p["head_b"])]


def reference(data):
    h = data.dense.astype(np.float64)
    for W, b in layers(data)[:-1]:
        h = np.maximum(h @ W + b, 0)
    W, b = layers(data)[-1]
    return ((h @ W + b)[:, 0],)


def prepare(data, threads):  # noqa: ARG001  the harness limits BLAS, the only threads there are
    if data.table is not None:  # it has no embeddings
        return None
    mlp = MLPRegressor(hidden_layer_sizes=data.config.hidden, batch_size=2)
    mlp.partial_fit(data.dense[:2], [0.0, 1.0])
    mlp.coefs_ = [np.ascontiguousarray(W) for W, _ in layers(data)]
    mlp.intercepts_ = [b for _, b in layers(data)]
    if not data.single:
        return lambda: (mlp.predict(data.dense),)
    rows = [data.dense[i : i + 1] for i in range(len(data.dense))]
    return Calls(lambda row: mlp.predict(row)[0], rows)
