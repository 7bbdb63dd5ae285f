"""The best constant answer, and how far from it held-out rows let a network go.

A network's logits z become c + s (z - c) with c the best constant: s = 1 leaves them, s = 0 is the
constant. Few rows, or rows of noise, do not support a network, and then it should say less.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dcnfast.network.losses import LOSSES, Loss, mean_loss
from dcnfast.network.losses_of_numbers import weighted_quantiles
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

STEPS = 20  # of s, which held-out rows tell no more exactly
SUPPORTED = 0.994  # with less, other rows may say more, or more epochs: 3.6 standard errors
# Of the rows' gains, where the larger ones are cut: a cut gain is no more than the whole one, and a
# few rows with a large one no longer hide by their spread what the others show.
CUTS = (1.0, 0.998, 0.995, 0.99, 0.98, 0.95, 0.9)


def best_constant(loss: str | Loss, target: Array, weight: Array | None, n_outputs: int) -> Floats:
    """Return the logits (C) of the constant with the least loss.

    Parameters
    ----------
    loss : str or Loss
    target : ndarray of shape (n, Y), for softmax (n, 1) with class numbers
    weight : ndarray of shape (n,) or None
    n_outputs : int
        C. Probabilities count one row more that is all classes in equal parts, so that they are
        never 0.
    """
    w = np.ones(len(target)) if weight is None else np.asarray(weight, np.float64)
    w = w * (len(w) / w.sum())
    return LOSSES.resolve(loss, {}).best_constant(target, w, n_outputs)


def constant_loss(model: Model, rows: Rows) -> float:
    """Return the mean loss of the best constant on rows."""
    config = model.config
    best = best_constant(config.loss_kind, rows.target, rows.weight, config.n_outputs)
    logits = np.tile(best, (len(rows), 1))
    return mean_loss(config.loss_kind, logits, rows.target, rows.weight)


def row_losses(loss: str | Loss, logits: Floats, target: Array) -> Floats:
    """Return the loss of each row and target (n, Y), for softmax (n, 1)."""
    return LOSSES.resolve(loss, {}).deviance(logits, target)


class Judgement(NamedTuple):
    """How far held-out rows let a network go from the constant.

    Parameters
    ----------
    factor : ndarray of shape (C,)
        The s with the least loss on these rows, 1 where the gain over 1 is less than its standard
        error; the same for all outputs of a target, as of softmax.
    support : ndarray of shape (C,)
        1 - (SE / gain)^4 where that is positive, else 0: a gain over the constant of no more than
        its standard error SE may be chance, one of twice as many hardly is, in small tables of
        which something can be learned. SE / gain is the least of those where the largest gains of
        rows are cut at one of the quantiles ``CUTS``.
    """

    factor: Floats
    support: Floats

    @property
    def shrinkage(self) -> Floats:
        """By how much to multiply the distance of each output from the constant, (C,)."""
        return np.asarray(np.round(self.factor * self.support * STEPS) / STEPS)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the gain over the constant may be chance, or the lack of one."""
        return bool((self.support < SUPPORTED).any())


def judge_rows(
    loss: str | Loss, logits: Array, constant: Floats, target: Array, weight: Array | None
) -> Judgement:
    """Return how far rows that training has not seen let a network go from the constant.

    Parameters
    ----------
    loss : str or Loss
    logits : ndarray of shape (n, C)
        Of held-out rows.
    constant : ndarray of shape (C,) or (n, C)
        The best of the rows that were trained on.
    target, weight : see :func:`best_constant`
        Of the held-out rows.
    """
    z, t = logits.astype(np.float64), target.astype(np.float64)
    c = np.broadcast_to(constant, z.shape)
    w = np.ones(len(z)) if weight is None else np.asarray(weight, np.float64)
    w = (w / w.sum())[:, None]
    base = row_losses(loss, c, t)

    def by_output(s: Any) -> Floats:
        of_targets = np.broadcast_to(s, base.shape[1:])
        return np.repeat(of_targets, z.shape[1] // base.shape[1])

    def gains(s: Any) -> Floats:
        return base - row_losses(loss, c + by_output(s) * (z - c), t)

    def mean_and_error(values: Floats) -> tuple[Floats, Floats]:
        mean = (w * values).sum(axis=0)
        return mean, np.sqrt((w**2 * (values - mean) ** 2).sum(axis=0))

    steps = np.arange(1, STEPS + 1) / STEPS
    with np.errstate(over="ignore", invalid="ignore"):  # a network that is far out gains nothing
        means = np.nan_to_num([(w * gains(s)).sum(axis=0) for s in steps], nan=-np.inf)
        factor = steps[means.argmax(axis=0)]
        more, error = mean_and_error(gains(factor) - gains(1.0))
        factor = np.where(more > error, factor, 1.0)
        of_rows, chance = gains(factor), np.ones(base.shape[1])
        for end in weighted_quantiles(of_rows, w[:, 0], CUTS).T:
            gain, error = mean_and_error(np.minimum(of_rows, end))
            share = error / np.where(gain > 0, gain, 1.0)
            chance = np.where(gain > 0, np.minimum(chance, share), chance)
    return Judgement(by_output(factor), by_output(np.maximum(1 - chance**4, 0)))


def shrink(
    model: Model, rows: Rows, held: Rows | None, factor: Floats | None, n_threads: int
) -> Floats:
    """Move a trained model's logits towards the best constant; return the factor of each output.

    Parameters
    ----------
    model : Model
    rows : Rows
        That it was trained on.
    held : Rows or None
        That it was not trained on, and that say how far.
    factor : ndarray of shape (C,) or None
        Already known, in place of held-out rows. Without both nothing happens.
    n_threads : int
    """
    config = model.config
    constant = partial(best_constant, config.loss_kind, rows.target, rows.weight, config.n_outputs)
    if factor is None and held is not None:
        logits = model.logits_of(held.encoded, n_threads)
        factor = judge_rows(
            config.loss_kind, logits, constant(), held.target, held.weight
        ).shrinkage
    if factor is None:
        return np.ones(config.n_outputs)
    if (factor < 1).any():
        model.shrink(factor, constant())
    return factor
