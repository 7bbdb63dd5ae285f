from dataclasses import replace

import numpy as np
from sklearn.neural_network import MLPClassifier

from bench.training import mean_loss


def without_cross(data):
    """Return the training of the network that is left without cross layers."""
    width = data.config.width
    layers = {n: p for n, p in data.parameters.items() if not n.startswith("cross")}
    layers["head_W"] = layers["head_W"][:, width:]
    return replace(data, config=replace(data.config, cross_layers=0), parameters=layers)


def reference(data):
    return mean_loss(without_cross(data).first_losses)


def prepare(data, threads):  # noqa: ARG001  the harness limits BLAS, the only threads there are
    config, p, adam = data.config, without_cross(data).parameters, data.adam
    mlp = MLPClassifier(
        hidden_layer_sizes=config.hidden,
        alpha=0,
        batch_size=data.turns.shape[2],
        learning_rate_init=adam.learning_rate,
        beta_1=adam.beta_1,
        beta_2=adam.beta_2,
        epsilon=adam.epsilon,
        shuffle=False,  # the turns are shuffled
    )
    labels = data.target[:, 0].astype(int)
    some = data.turns[0, 0]
    mlp.partial_fit(data.dense[some], labels[some], classes=[0, 1])
    layers = [f"deep_{{}}_{i}" for i in range(len(config.hidden))] + ["head_{}"]
    mlp.coefs_ = [p[layer.format("W")].T.copy() for layer in layers]
    mlp.intercepts_ = [p[layer.format("b")].copy() for layer in layers]
    del mlp._optimizer  # the next call makes one for these
    turns = data.endless_turns()

    def run():
        rows = next(turns).ravel()
        mlp.partial_fit(data.dense[rows], labels[rows])
        return (np.array([mlp.loss_]),)

    return run
