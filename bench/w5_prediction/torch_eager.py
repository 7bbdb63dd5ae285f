import torch
from torch.nn.functional import embedding

from bench.latency import Calls
from bench.w0_almond_study.torch_eager import leaves
from bench.w3_full_model.torch_eager import logits


class Network(torch.nn.Module):
    """Ids and dense columns in, logits or rates out."""

    def __init__(self, data):
        super().__init__()
        self.config, self.single = data.config, data.single
        self.p = {name: tensor.detach() for name, tensor in leaves(data.layers).items()}
        self.table = None if data.table is None else torch.tensor(data.table)
        self.offsets = torch.from_numpy(data.offsets)

    def forward(self, ids, dense):
        x0 = dense
        if self.table is not None:
            embedded = embedding(ids + self.offsets, self.table).flatten(1)
            x0 = torch.cat([embedded, dense], dim=1)
        result = logits(self.p, self.config, x0)
        return torch.sigmoid(result) if self.single else result


def prepare(data, threads, compiled=lambda network: network):
    torch.set_num_threads(threads)
    network = compiled(Network(data))
    ids, dense = torch.from_numpy(data.ids), torch.from_numpy(data.dense)
    if not data.single:
        return torch.inference_mode()(lambda: (network(ids, dense),))
    answer = torch.inference_mode()(lambda row: network(*row).item())
    return Calls(answer, list(zip(ids.split(1), dense.split(1), strict=True)))
