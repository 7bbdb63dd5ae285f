"""Checks of a trained network: whether it is worse than a constant, or has become one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.losses import mean_loss
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows
from dcnfast.training.settings import Notice, Settings
from dcnfast.training.shrinkage import best_constant
from dcnfast.training.state import Training

Array = npt.NDArray[Any]

SAMPLE = 512  # rows that are looked at first
# times the loss of a network whose logits are all 0
FAR_WORSE = 2.0  # and an epoch had half the loss: training got worse since
VERY_FAR_WORSE = 10.0  # only networks too deep for their initializer start with such a loss


def judge(training: Training, rows: Rows, settings: Settings, best: Array) -> list[Notice]:
    """Notice a network that is far worse than a constant, or has become one; keep what is best.

    Parameters
    ----------
    training : Training
        At its end. Where the model's loss on the training rows is far above that of logits that are
        all 0, it gets the parameters of its best epoch; or if these are no better, those of the
        constant.
    rows : Rows
        That it was trained on.
    settings : Settings
    best : ndarray
        Flat parameters from the end of the best epoch.

    Returns
    -------
    notices : list of Notice
        Empty for a network that is fine.
    """
    model, some = training.model, _sample(training.model, rows)
    if (rows.target == rows.target[0]).all():
        return []
    if _is_worse(model, some, settings) and _is_worse(model, rows, settings):
        notices = _go_back(training, rows, settings, best)
        if notices:
            return notices
    same = (some.ids == some.ids[:1]).all() and (some.dense == some.dense[:1]).all()
    if same and not some.lists:
        return []
    return _notice_if_dead(model, some, settings)


def _sample(model: Model, rows: Rows) -> Rows:
    step = max(1, len(rows) // SAMPLE)
    some: Any = slice(None, None, step)
    if rows.group is not None:  # whole lists
        some = np.isin(rows.group, rows.group[some])
    encoded, target = rows.encoded.take(some), np.ascontiguousarray(rows.target[some])
    weight, group = (
        None if of is None else np.ascontiguousarray(of[some]) for of in (rows.weight, rows.group)
    )
    return Rows(model, encoded.ids, encoded.dense, target, weight, encoded.lists, group)


def _loss(model: Model, rows: Rows, settings: Settings) -> float:
    loss = model.evaluate(rows.table, settings.n_threads)
    return loss if np.isfinite(loss) else np.inf


def _is_worse(model: Model, rows: Rows, settings: Settings) -> bool:
    return _loss(model, rows, settings) > FAR_WORSE * _loss_of_zeros(model, rows)


def _loss_of_zeros(model: Model, rows: Rows) -> float:
    if rows.group is not None:  # faster than in NumPy: the parameters of a new model are all 0
        return Model(model.config).evaluate(rows.table, 1)
    zeros = np.zeros((len(rows), model.config.n_outputs))
    return mean_loss(model.config.loss_kind, zeros, rows.target, rows.weight)


def _go_back(training: Training, rows: Rows, settings: Settings, best: Array) -> list[Notice]:
    """Set what is best and say so, unless the network may still be on its way to a lower loss."""
    model = training.model
    config, zeros, loss = model.config, _loss_of_zeros(model, rows), _loss(model, rows, settings)
    at_best = Model(config)
    at_best.restore(best)
    best_loss = _loss(at_best, rows, settings)
    if loss <= VERY_FAR_WORSE * zeros and best_loss > loss / 2:
        return []
    model.restore(best)
    if best_loss <= zeros:
        kept = "The parameters of the best epoch"
    else:
        constant = np.zeros(config.n_outputs)
        if rows.group is None:  # of ranks one constant is as good as another
            constant = best_constant(config.loss_kind, rows.target, rows.weight, config.n_outputs)
        model.shrink(np.zeros(config.n_outputs), constant)
        kept = "No epoch was better: the parameters of the best constant"
    training.reset()  # the moments belong to other parameters
    text = (
        f"Training ended worse than a constant: the training rows have a loss of {loss:.3g}, and "
        f"{zeros:.3g} or less with one answer to all of them. {kept} are kept. A lower "
        f"learning_rate_init (now {settings.step.learning_rate:g}), numeric_scaling='auto', fewer "
        "layers or the default initializers may help."
    )
    return [Notice("convergence", text)]


def _notice_if_dead(model: Model, some: Rows, settings: Settings) -> list[Notice]:
    """Notice a network that gives the same answer to different rows.

    That is where too high a learning rate ends: every ReLU of a layer is negative for every row, no
    gradient passes, and what is left is the last bias, which learns the mean.
    """
    logits = model.logits_of(some.encoded, 1)
    if not (logits == logits[0]).all():
        return []
    alpha = model.config.alpha_deep
    text = (
        "The network's outputs no longer depend on its inputs: it gives the same answer to every "
        "row. "
        + ("A hidden layer may have only dead units. " if model.config.hidden else "")
        + f"A lower learning_rate_init (now {settings.step.learning_rate:g})"
        + (f" or alpha (now {alpha:g})" if alpha else "")
        + " may help."
    )
    return [Notice("convergence", text)]
