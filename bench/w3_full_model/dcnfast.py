import numpy as np


def compiled(config, parameters):
    """Return the engine's network with these parameters."""
    network = config.compile()
    flat = np.zeros_like(network.flat_parameters)
    for name, _, offset in network.tensors:
        flat[offset : offset + parameters[name].size] = parameters[name].ravel()
    network.set_parameters(flat)
    return network


def prepare(data, threads):
    network, turns = compiled(data.config, data.parameters), data.endless_turns()
    table = data.ids, data.dense, data.target, None

    def run():
        turn = next(turns)
        loss, _, _ = network.train_epoch(
            *table, turn.ravel(), turn.shape[1], data.adam.compile(), 0, threads
        )
        return (np.array([loss]),)

    return run
