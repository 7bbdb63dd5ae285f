"""W16: training steps of each loss, beside those of squared error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from bench import training
from bench.harness import Array, Work
from bench.training import Training
from dcnfast.network.config import NetworkConfig
from dcnfast.network.losses import kind_named

COLUMNS = 40
TITLE = (
    f"W16: each loss beside squared error: {COLUMNS} numeric columns, 2 matrix cross layers, deep "
    "(64, 32) as in W4 or (256, 256) as by default, B = 256, Adam, 64 steps a turn"
)
CLASSES = {"softmax": 3, "focal": 2}
OF_NUMBERS = ("absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie")


@dataclass(frozen=True, eq=False)
class Both:
    """The same network and rows, with a loss and with squared error."""

    of_loss: Training
    of_squared_error: Training

    def squared_error_reference(self) -> tuple[Array]:
        return training.mean_loss(self.of_squared_error.first_losses)


@cache
def draw(loss: str, hidden: tuple[int, ...], n: int, steps: int) -> Both:
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((n, COLUMNS), np.float32)
    n_outputs = CLASSES.get(loss, 1)
    config = NetworkConfig(
        n_dense=COLUMNS, cross_layers=2, hidden=hidden, n_outputs=n_outputs, loss=loss,
        loss_constants=kind_named(loss)().constants(),
    )  # fmt: skip
    target = numbers = training.draw_clicks(dense, rng)
    if loss in CLASSES:  # as numbers of classes, and in columns of 0 and 1
        target = rng.integers(n_outputs, size=(n, 1)).astype(np.float32)
        numbers = (target == np.arange(n_outputs)).astype(np.float32)
    elif loss != "log_loss":
        target = numbers = target + rng.random((n, 1), np.float32)
    squares = Training(
        config=replace(config, loss="squared_error", loss_constants=()),
        parameters=training.draw_parameters(config, rng),
        ids=np.zeros((n, 0), np.int32),
        dense=dense,
        target=numbers,
        turns=training.draw_turns(n, 256, steps, rng),
    )
    return Both(replace(squares, config=config, target=target), squares)


def work(loss: str, hidden: tuple[int, ...], n: int = 65_536, steps: int = 64) -> Work:
    both = draw(loss, hidden, n, steps)
    return replace(training.work(both.of_loss, 1, tolerance=1e-4), data=both)


CASES = {
    f"{loss}, {hidden}": partial(work, loss, hidden)
    for loss in ("log_loss", *CLASSES, *OF_NUMBERS)
    for hidden in ((64, 32), (256, 256))
}
SMOKE = {loss: partial(work, loss, (64, 32), 1024, 2) for loss in ("focal", "tweedie")}
