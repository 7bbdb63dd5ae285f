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


def prepare(data, threads, loss_of=loss_of):
    """One table for all fields, with sparse gradients; fused Adam for the rest."""
    torch.set_num_threads(threads)
    adam, p = data.adam, leaves(data.layers)
    betas = adam.beta_1, adam.beta_2
    dense_adam = torch.optim.Adam(p.values(), adam.learning_rate, betas, fused=True)
    optimizers = [dense_adam]
    ids, dense, target = (torch.from_numpy(a) for a in (data.ids, data.dense, data.target))
    if data.table is not None:
        offsets = torch.from_numpy(data.offsets)
        table = torch.tensor(data.table).requires_grad_()
        optimizers.append(torch.optim.SparseAdam([table], adam.learning_rate, betas, adam.epsilon))
    turns = data.endless_turns()
    step = 0

    def train_step(rows):
        nonlocal step
        step += 1
        # torch adds epsilon after correcting the second moment's bias, the paper before; its
        # SparseAdam is as the paper
        dense_adam.param_groups[0]["eps"] = adam.epsilon / (1 - betas[1] ** step) ** 0.5
        for optimizer in optimizers:
            optimizer.zero_grad()
        x = dense[rows]
        embedded = x[:, :0]
        if data.table is not None:
            embedded = embedding(ids[rows] + offsets, table, sparse=True).flatten(1)
        loss = loss_of(p, data.config, embedded, x, target[rows])
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss.detach()

    def run():
        losses = [train_step(rows) for rows in torch.from_numpy(next(turns))]
        return mean_loss([loss.item() for loss in losses])

    return run
