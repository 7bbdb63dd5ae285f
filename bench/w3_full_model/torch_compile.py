import torch

from bench.w3_full_model import torch_eager


def prepare(data, threads):
    """Compile all but the look-up, whose sparse gradient the compiler does not know."""
    torch.compiler.reset()
    return torch_eager.prepare(data, threads, torch.compile(torch_eager.loss_of))
