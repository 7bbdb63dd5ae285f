"""What came of training, and what to do where it is worse than no training at all."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning

from dcnfast.network.model import Model
from dcnfast.reference.network import ReferenceNetwork
from dcnfast.training.batches import Rows
from dcnfast.training.shrinkage import best_constant
from dcnfast.training.trainer import Settings

Array = npt.NDArray[Any]

SAMPLE = 512  # rows that are looked at first
# times the loss of a network whose logits are all 0
ASTRAY = 2.0  # worse, and an epoch had half the loss: not on its way any more
FAR_OUT = 10.0  # no drawn network begins there, but for one that is too deep for its initializer


def judge(model: Model, rows: Rows, settings: Settings, best: Array) -> None:
    """Warn of a network that is far worse than a constant, or has become one; keep what is best.

    Parameters
    ----------
    model : Model
        Trained. Where its loss on the training rows is far above that of logits that are all 0, it
        gets the parameters of its best epoch; or if these are no better, those of the constant.
    rows : Rows
        That it was trained on.
    settings : Settings
    best : ndarray
        Flat parameters from the end of the best epoch.

    Warns
    -----
    ConvergenceWarning
    """
    some = _sample(rows)
    if (rows.target == rows.target[0]).all():
        return
    if (
        _is_worse(model, some, settings)
        and _is_worse(model, rows, settings)
        and _went_back(model, rows, settings, best)
    ):
        return
    if not ((some.ids == some.ids[:1]).all() and (some.dense == some.dense[:1]).all()):
        _warn_if_dead(model, some, settings)


def _sample(rows: Rows) -> Rows:
    step = max(1, len(rows) // SAMPLE)
    ids, dense = np.ascontiguousarray(rows.ids[::step]), np.ascontiguousarray(rows.dense[::step])
    target = np.ascontiguousarray(rows.target[::step])
    weight = None if rows.weight is None else np.ascontiguousarray(rows.weight[::step])
    return Rows(ids, dense, target, weight)


def _loss(model: Model, rows: Rows, settings: Settings) -> float:
    loss = float(
        model.network.evaluate(rows.ids, rows.dense, rows.target, rows.weight, settings.n_threads)
    )
    return loss if np.isfinite(loss) else np.inf


def _is_worse(model: Model, rows: Rows, settings: Settings) -> bool:
    return _loss(model, rows, settings) > ASTRAY * _loss_of_zeros(model, rows)


def _loss_of_zeros(model: Model, rows: Rows) -> float:
    if model.config.loss == "softmax":
        return float(np.log(model.config.n_outputs))
    if model.config.loss == "log_loss":
        return float(np.log(2)) * model.config.n_outputs
    squares = np.mean(rows.target.astype(np.float64) ** 2, axis=1)
    return float(np.average(squares, weights=rows.weight))


def _went_back(model: Model, rows: Rows, settings: Settings, best: Array) -> bool:
    """Warn and set what is best, unless the network may just not have arrived yet."""
    config, zeros, loss = model.config, _loss_of_zeros(model, rows), _loss(model, rows, settings)
    at_best = Model(config)  # not a copy: moments may have gone to infinity
    at_best.restore(best)
    best_loss = _loss(at_best, rows, settings)
    if loss <= FAR_OUT * zeros and best_loss > loss / 2:
        return False
    model.restore(best)
    if best_loss <= zeros:
        kept = "The parameters of the best epoch"
    else:
        constant = best_constant(config.loss, rows.target, rows.weight, config.n_outputs)
        model.shrink(np.zeros(config.n_outputs), constant)
        kept = "No epoch was better: the parameters of the best constant"
    nothing = np.zeros_like(best)
    model.network.set_optimizer(nothing, nothing, 0)  # the moments led away
    warnings.warn(
        f"Training went astray: its rows have a loss of {loss:.3g} at the end, and {zeros:.3g} or "
        f"less with one answer to all of them. {kept} are kept. A lower learning_rate_init (now "
        f"{settings.adam.learning_rate:g}), numeric_scaling='auto', fewer layers or the default "
        "initializers may help.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return True


def _warn_if_dead(model: Model, some: Rows, settings: Settings) -> None:
    """Warn when a network gives the same answer to different rows.

    That is where too high a learning rate ends: every ReLU of a layer is negative for every row, no
    gradient passes, and what is left is the last bias, which learns the mean.
    """
    logits = model.logits(some.ids, some.dense, 1)
    if not (logits == logits[0]).all():
        return
    parameters = {name: np.asarray(p, np.float64) for name, p in model.averages.items()}
    network = ReferenceNetwork(model.config)
    results = network.forward(parameters, some.ids, some.dense.astype(np.float64))
    layers = ", ".join(
        f"{int((h == h[0]).all(axis=0).sum())} of {h.shape[1]} in hidden layer {i + 1}"
        + (" beside" if part == "beside" else "")
        for part in ("deep", "beside")
        for i, h in enumerate(results[part][1:])
    )
    warnings.warn(
        "The network's outputs no longer depend on its inputs: it gives the same answer to every "
        "row. "
        + (f"Units that are dead, the same for every row: {layers}. " if layers else "")
        + f"A lower learning_rate_init (now {settings.adam.learning_rate:g})"
        + (
            f" or alpha (now {model.config.alpha_deep:g}) may help."
            if model.config.alpha_deep
            else " may help."
        ),
        ConvergenceWarning,
        stacklevel=2,
    )
