import torch

from bench.w13_other_crosses import torch_eager


def prepare(data, threads):
    torch.compiler.reset()  # or from the second shape on it compiles for all shapes
    return torch_eager.prepare(data, threads, torch.compile)
