import torch
from torch.nn.functional import binary_cross_entropy_with_logits, embedding, linear, relu

from bench.training import mean_loss
from bench.w0_almond_study.torch_eager import leaves


def logits(p, config, x0):
    x = h = x0
    for i in range(config.cross_layers):
        if config.cross == "matrix":
            product = linear(x, p[f"cross_W_{i}"], p[f"cross_b_{i}"])
        else:
            product = linear(linear(x, p[f"cross_V_{i}"]), p[f"cross_U_{i}"], p[f"cross_b_{i}"])
        x = torch.addcmul(x, x0, product)
    for i in range(len(config.hidden)):
        h = relu(linear(h, p[f"deep_W_{i}"], p[f"deep_b_{i}"]))
    both = torch.cat([x, h], dim=1) if config.cross_layers else h
    return linear(both, p["head_W"], p["head_b"])


def loss_of(p, config, embedded, dense, target):
    x0 = torch.cat([embedded, dense], dim=1)
    return binary_cross_entropy_with_logits(logits(p, config, x0), target)


class LazyTable:
    """One table for all fields, and lazy Adam by hand: faster than SparseAdam, and the same."""

    def __init__(self, data):
        self.adam, self.offsets = data.adam, torch.from_numpy(data.offsets).long()
        self.values = torch.tensor(data.table)
        self.m, self.v = (torch.zeros_like(self.values) for _ in range(2))

    def __call__(self, ids):
        self.rows, places = torch.unique(ids + self.offsets, return_inverse=True)
        self.named = self.values[self.rows].requires_grad_()
        return embedding(places, self.named).flatten(1)

    @torch.no_grad()
    def move(self, step):
        adam, g = self.adam, self.named.grad
        m = self.m[self.rows].lerp_(g, 1 - adam.beta_1)
        v = self.v[self.rows].mul_(adam.beta_2).addcmul_(g, g, value=1 - adam.beta_2)
        size = adam.learning_rate * (1 - adam.beta_2**step) ** 0.5 / (1 - adam.beta_1**step)
        moved = self.named.addcdiv(m, v.sqrt().add_(adam.epsilon), value=-size)
        for table, new in ((self.m, m), (self.v, v), (self.values, moved)):
            table.index_copy_(0, self.rows, new)


class NoTable:
    def __init__(self, data):
        pass

    def __call__(self, ids):
        return torch.empty(ids.shape)  # of no fields

    def move(self, step):
        pass


def prepare(data, threads, loss_of=loss_of, table_type=LazyTable):
    torch.set_num_threads(threads)
    adam, p = data.adam, leaves(data.layers)
    betas = adam.beta_1, adam.beta_2
    optimizer = torch.optim.Adam(p.values(), adam.learning_rate, betas, fused=True)
    table = (NoTable if data.table is None else table_type)(data)
    ids, dense, target = (torch.from_numpy(a) for a in (data.ids, data.dense, data.target))
    turns = data.endless_turns()
    step = 0

    def train_step(rows):
        nonlocal step
        step += 1
        # torch adds epsilon after correcting the second moment's bias, the paper before
        optimizer.param_groups[0]["eps"] = adam.epsilon / (1 - betas[1] ** step) ** 0.5
        optimizer.zero_grad()
        loss = loss_of(p, data.config, table(ids[rows]), dense[rows], target[rows])
        loss.backward()
        optimizer.step()
        table.move(step)
        return loss.detach()

    def run():
        losses = [train_step(rows) for rows in torch.from_numpy(next(turns))]
        return mean_loss([loss.item() for loss in losses])

    return run
