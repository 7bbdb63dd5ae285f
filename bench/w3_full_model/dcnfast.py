import numpy as np

from dcnfast import _core


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
    state = _core.TrainingStateF32(network)
    table = _core.TableF32(network, data.ids, data.dense, data.target, None, data.lists)

    def run():
        turn = next(turns)
        loss, _, _ = state.train_epoch(
            table, turn.ravel(), turn.shape[1], data.adam.compile(), 0, threads
        )
        return (np.array([loss]),)

    return run
