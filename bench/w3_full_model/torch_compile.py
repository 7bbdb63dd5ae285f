import torch

from bench.w3_full_model import torch_eager


def prepare(data, threads):
    """Compile all between the rows of the table and the loss."""
    torch.compiler.reset()
    return torch_eager.prepare(data, threads, torch.compile(torch_eager.loss_of))
