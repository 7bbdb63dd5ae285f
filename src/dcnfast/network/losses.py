"""The losses by name, and the mean loss of some rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from dcnfast.network.kinds import Family
from dcnfast.network.loss import Array, Floats, Loss, RankingLoss
from dcnfast.network.losses_of_classes import Focal, LogLoss, MultiLabel, Ordinal, Softmax
from dcnfast.network.losses_of_lists import Lambda, Listwise, Pairwise
from dcnfast.network.losses_of_numbers import (
    AbsoluteError,
    Gamma,
    Huber,
    Poisson,
    Quantile,
    SquaredError,
    Tweedie,
)

__all__ = [
    "AbsoluteError",
    "Focal",
    "Gamma",
    "Huber",
    "Lambda",
    "Listwise",
    "LogLoss",
    "Loss",
    "MultiLabel",
    "Ordinal",
    "Pairwise",
    "Poisson",
    "Quantile",
    "Softmax",
    "SquaredError",
    "Tweedie",
]

RegressionLossName = Literal[
    "squared_error", "log_loss", "poisson", "absolute_error", "huber", "quantile", "gamma",
    "tweedie",
]  # fmt: skip
ClassificationLossName = Literal["log_loss", "softmax", "focal", "ordinal", "multi_label"]
RankingLossName = Literal["pairwise", "listwise", "lambda"]
LossName = RegressionLossName | ClassificationLossName | RankingLossName

LOSSES: Family[Loss] = Family(
    "loss", SquaredError, LogLoss, Softmax, Poisson, AbsoluteError, Huber, Quantile, Gamma, Tweedie,
    Focal, Ordinal, MultiLabel,
)  # fmt: skip
# those of lists of rows, which DCNRanker offers; the others are of rows
RANKING_LOSSES: Family[RankingLoss] = Family("loss", Pairwise, Listwise, Lambda)


def kind_named(name: str) -> type[Loss]:
    """Return the loss of that name, of rows or of lists."""
    return RANKING_LOSSES[name] if name in RANKING_LOSSES else LOSSES[name]


def loss_of(name: str, constants: Sequence[float] = ()) -> Loss:
    """Return the loss with the numbers that the engine knows it by.

    Raises
    ------
    ValueError
        If they are not those of such a loss.
    """
    try:
        kind = kind_named(name).of_constants(tuple(constants))
    except (ValueError, IndexError) as error:  # another number of them
        raise ValueError(f"loss_constants of {name!r} are {list(constants)!r}: {error}") from None
    kind.check("loss_constants")
    return kind


def mean_loss(
    loss: str | Loss,
    logits: Floats,
    target: Array,
    weight: Array | None = None,
    group: Array | None = None,
) -> float:
    """Return the weighted mean of a loss over rows, or over lists of them.

    Parameters
    ----------
    loss : str or Loss
    logits : ndarray of shape (n, C)
    target : ndarray of shape (n, Y), for softmax (n, 1) with class numbers
    weight : ndarray of shape (n,) or None
    group : ndarray of shape (n,) or None, default=None
        Of each row, where the loss ranks; None is one group.
    """
    if isinstance(loss, RankingLoss):
        group = np.zeros(len(logits), np.int64) if group is None else group
        return loss.mean_of_lists(logits, target, weight, group)
    record = LOSSES.resolve(loss, {})
    losses = record.deviance(logits, target.astype(np.float64))
    of_rows = losses.mean(axis=1) if record.mean_of_outputs else losses.sum(axis=1)
    return float(np.average(of_rows, weights=weight))
