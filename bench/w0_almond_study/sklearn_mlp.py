import copy
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor


def prepare(data, threads):  # noqa: ARG001  the harness limits BLAS, the only threads there are
    """Start the MLP from the shared values: it has no parameter for them, but keeps what it holds.

    Over several epochs it would see other batches, because it shuffles what it shuffled before.
    """
    config, adam = data.config, data.adam
    if config.cross_layers or data.epochs > 1:
        return None
    mlp = MLPRegressor(
        hidden_layer_sizes=config.hidden,
        alpha=0,
        batch_size=data.batch_size,
        learning_rate_init=adam.learning_rate,
        beta_1=adam.beta_1,
        beta_2=adam.beta_2,
        epsilon=adam.epsilon / 2,  # its loss, and so every gradient, is half of ours
        max_iter=1,
        warm_start=True,
    )
    target = data.target[:, 0]
    mlp.partial_fit(data.dense[: data.batch_size], target[: data.batch_size])
    layers = [f"deep_{{}}_{i}" for i in range(len(config.hidden))] + ["head_{}"]

    def run():
        mlp.coefs_ = [data.parameters[layer.format("W")].T.copy() for layer in layers]
        mlp.intercepts_ = [data.parameters[layer.format("b")].copy() for layer in layers]
        mlp.random_state = copy.deepcopy(data.random_state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # one epoch is what is asked for
            mlp.fit(data.dense, target)
        return (2 * np.array(mlp.loss_curve_[-1:]),)

    return run
