import torch

from bench.w5_prediction import torch_eager


def prepare(data, threads):
    torch.compiler.reset()
    return torch_eager.prepare(data, threads, torch.compile)
