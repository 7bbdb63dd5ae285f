"""Stage 8: what the engine refuses of an optimizer's options, and of the number of its steps."""

import math
from functools import partial

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.state import Training

NO_RATE = [math.nan, math.inf, -math.inf, "1", None]
BAD_OPTIONS = {
    "kind": ["", "Adam", None, 1],
    "learning_rate": NO_RATE,
    "beta_1": [-0.1, 1.0, *NO_RATE],
    "beta_2": [-0.1, 1.0, *NO_RATE],
    "epsilon": [0.0, -1, *NO_RATE],
    "weight_decay": [-0.1, *NO_RATE],
    "gradient_clip": [-0.1, *NO_RATE],
    "rate_factors": [None, 3, {"biases": 1.0}, *({"bias": bad} for bad in [-0.1, *NO_RATE])],
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_options_of_an_optimizer(name):
    for bad in BAD_OPTIONS[name]:
        with pytest.raises((ValueError, TypeError)) as caught:
            OptimizerStep(**{name: bad}).compile()
        assert name.replace("kind", "optimizer") in str(caught.value) or caught.type is TypeError


def test_steps_end_before_rows_forget_them():
    """Exact Adam notes the step of each row in 32 bits."""
    config = NetworkConfig(
        fields=(("city", 9, 3), ("day", 4, 2)), n_dense=3, cross_layers=1, sparse_adam="exact"
    )
    training = Training(Model(config))
    ids, dense = np.zeros((6, 2), np.int32), np.full((6, 3), 0.5, np.float32)
    table = training.model.table(ids, dense, np.full((6, 1), 0.5, np.float32), None)
    state = training.state
    flat = np.full(state.flat_gradients.size, 0.1, np.float32)
    step = OptimizerStep(0.1, 0.9, 0.9).compile()
    train = partial(state.train_epoch, table, np.arange(6), 2, step, 0, 2)
    state.set_optimizer(flat, flat, 2**32 - 1 - 4)
    train()
    assert state.step == 2**32 - 1 - 1
    with pytest.raises(ValueError, match=r"train_epoch: step is 4294967294 and 4 may follow"):
        train()
    assert np.isfinite(state.network.flat_parameters).all()
