import torch

from bench.w2_cross_vector import torch_eager


def prepare(data, threads):
    torch.compiler.reset()  # or from the second shape on it compiles for all shapes
    return torch_eager.prepare(data, threads, torch.compile(torch_eager.forward))
