import copy

import numpy as np
import torch
from torch.nn.functional import linear, mse_loss, relu


def forward(p, config, x0):
    x = x0
    for i in range(config.cross_layers):
        x = torch.addcmul(x, x0, linear(x, p[f"cross_W_{i}"], p[f"cross_b_{i}"]))
    for i in range(len(config.hidden)):
        x = relu(linear(x, p[f"deep_W_{i}"], p[f"deep_b_{i}"]))
    return linear(x, p["head_W"], p["head_b"])


def leaves(parameters):
    """Return one tensor a layer, so that no gradient is stacked in every step."""
    p = {}
    for name, value in parameters.items():
        if name.startswith("cross"):
            p |= {f"{name}_{i}": torch.tensor(layer) for i, layer in enumerate(value)}
        else:
            p[name] = torch.tensor(value)
    return {name: tensor.requires_grad_() for name, tensor in p.items()}


def prepare(data, threads):
    torch.set_num_threads(threads)
    dense, target = torch.from_numpy(data.dense), torch.from_numpy(data.target)
    betas = data.adam.beta_1, data.adam.beta_2

    def run():
        p, random_state = leaves(data.parameters), copy.deepcopy(data.random_state)
        optimizer = torch.optim.Adam(p.values(), data.adam.learning_rate, betas, fused=True)
        step, curve = 0, []
        for _ in range(data.epochs):
            losses = torch.zeros(())
            batches = torch.from_numpy(data.batches(random_state))
            for rows in batches:
                step += 1
                # torch adds epsilon after correcting the second moment's bias, the paper before
                correction = (1 - betas[1] ** step) ** 0.5
                optimizer.param_groups[0]["eps"] = data.adam.epsilon / correction
                optimizer.zero_grad()
                loss = mse_loss(forward(p, data.config, dense[rows]), target[rows])
                loss.backward()
                optimizer.step()
                losses += loss.detach()
            curve.append(losses.item() / len(batches))
        return (np.array(curve),)

    return run
