from itertools import pairwise

import numpy as np
import torch
from torch import nn


def _fit(data, matrix):
    torch.manual_seed(0)
    dtype = torch.float64 if matrix.dtype == np.float64 else torch.float32
    X = torch.from_numpy(matrix)
    y = torch.from_numpy(data.y if data.classes else (data.y - data.y.mean()) / data.y.std())
    several = data.classes > 2
    y = y.long() if several else y.to(dtype)[:, None]
    loss_of = {0: nn.MSELoss(), 2: nn.BCEWithLogitsLoss()}.get(data.classes, nn.CrossEntropyLoss())
    widths = (X.shape[1], *data.hidden)
    layers = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(widths[-1], data.classes if several else 1)).to(dtype)
    optimizer = torch.optim.Adam(net.parameters(), lr=data.rate, eps=1e-7, fused=True)
    curve = []
    for _ in range(data.epochs):
        total = 0.0
        order = torch.randperm(len(X))
        for rows in order.split(data.batch_size):
            optimizer.zero_grad()
            loss = loss_of(net(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        curve.append(total / len(X))
    return (np.array(curve),)


def reference(data):
    return _fit(data, data.matrix.astype(np.float64))


def prepare(data, threads):  # noqa: ARG001  one thread
    torch.set_num_threads(1)
    matrix = data.matrix
    return lambda: _fit(data, matrix)
