"""Eager, with torch's own optimizer of sparse gradients."""

import torch
from torch.nn.functional import embedding

from bench.w3_full_model import torch_eager


class SparseTable:
    def __init__(self, data):
        adam, self.offsets = data.adam, torch.from_numpy(data.offsets)
        self.values = torch.tensor(data.table).requires_grad_()
        betas = adam.beta_1, adam.beta_2
        self.optimizer = torch.optim.SparseAdam(
            [self.values], adam.learning_rate, betas, adam.epsilon
        )

    def __call__(self, ids):
        self.optimizer.zero_grad()
        return embedding(ids + self.offsets, self.values, sparse=True).flatten(1)

    def move(self, step):  # noqa: ARG002, it counts them itself
        self.optimizer.step()


def prepare(data, threads):
    return torch_eager.prepare(data, threads, table_type=SparseTable)
