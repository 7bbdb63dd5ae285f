"""Stage 6 in float64 NumPy: losses from logits.

Each returns the weighted sum over the rows, and dlogits (B,C). weight (B); target (B,C), for losses
of classes (B,1) with their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_softmax, softmax

from dcnfast.network.losses import LOSSES as _RECORDS
from dcnfast.network.losses import Loss
from dcnfast.reference.ranking import LOSSES as _RANKING

Array = npt.NDArray[np.float64]


def squared_error(logits: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Mean over the C outputs of the squared error. target (B,C), weight (B)."""
    w = np.ones(len(logits)) if weight is None else weight
    C = logits.shape[1]
    error = logits - target
    return float(w @ (error**2).sum(axis=1)) / C, 2 / C * w[:, None] * error


def log_loss(
    logits: Array, target: Array, weight: Array | None = None, smoothing: float = 0.0
) -> tuple[float, Array]:
    """Binary cross-entropy of log-odds, summed over the C outputs. target (B,C) in [0, 1].

    With ``smoothing`` s the target is (1 - s) y + s / 2.
    """
    w = np.ones(len(logits)) if weight is None else weight
    target = (1 - smoothing) * target + smoothing / 2
    entropy = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    return float(w @ entropy.sum(axis=1)), w[:, None] * (expit(logits) - target)


def softmax_loss(
    logits: Array, target: Array, weight: Array | None = None, smoothing: float = 0.0
) -> tuple[float, Array]:
    """Cross-entropy of softmax(logits). target (B,1) holds class numbers.

    With ``smoothing`` s every class has s / C, and that of the row 1 - s more: Szegedy et al. 2016,
    section 7.
    """
    w = np.ones(len(logits)) if weight is None else weight
    y = np.full(logits.shape, smoothing / logits.shape[1])
    y[np.arange(len(logits)), target[:, 0].astype(np.int64)] += 1 - smoothing
    loss = -float(w @ (y * log_softmax(logits, axis=1)).sum(axis=1))
    return loss, w[:, None] * (softmax(logits, axis=1) - y)


def poisson_loss(logits: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Half the Poisson deviance, but for a constant, of log means. target (B,C) not negative."""
    w = np.ones(len(logits)) if weight is None else weight
    mean = np.exp(logits)
    return float(w @ (mean - logits * target).sum(axis=1)), w[:, None] * (mean - target)


def absolute_error(
    logits: Array, target: Array, weight: Array | None = None
) -> tuple[float, Array]:
    """Mean over the C outputs of the absolute error."""
    error, w = logits - target, _weights(logits, weight) / logits.shape[1]
    return float((w * np.abs(error)).sum()), w * np.where(error > 0, 1.0, -1.0)


def huber_loss(
    logits: Array, target: Array, weight: Array | None = None, delta: float = 1.35
) -> tuple[float, Array]:
    """Mean over the C outputs of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2)."""
    error, w = logits - target, _weights(logits, weight) / logits.shape[1]
    far = delta * (np.abs(error) - delta / 2)
    loss = np.where(np.abs(error) <= delta, error**2 / 2, far)
    return float((w * loss).sum()), w * np.clip(error, -delta, delta)


def quantile_loss(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    levels: float | Sequence[float] = 0.5,
) -> tuple[float, Array]:
    """Mean over the C outputs of the pinball loss of Q quantiles of each target (B, C / Q).

    The first quantile of a target is a logit, each of the others lies log(1 + exp(logit)) above the
    one before.
    """
    tau = np.atleast_1d(np.asarray(levels, np.float64))
    z = logits.reshape(*target.shape, len(tau))
    later = np.arange(len(tau)) > 0
    q = np.cumsum(np.where(later, np.logaddexp(0, z), z), axis=2)
    error, w = q - target[:, :, None], _weights(logits, weight)[:, :, None] / logits.shape[1]
    slope = np.where(error > 0, 1 - tau, -tau)  # of each quantile
    moved = np.cumsum(slope[:, :, ::-1], axis=2)[:, :, ::-1]
    dz = w * moved * np.where(later, expit(z), 1.0)
    return float((w * slope * error).sum()), dz.reshape(logits.shape)


def gamma_loss(logits: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Half the gamma deviance, but for what the target decides, of log means. target above 0."""
    w, ratio = _weights(logits, weight), target * np.exp(-logits)
    return float((w * (logits + ratio)).sum()), w * (1 - ratio)


def tweedie_loss(
    logits: Array, target: Array, weight: Array | None = None, power: float = 1.5
) -> tuple[float, Array]:
    """Half the Tweedie deviance, but for what the target decides, of log means."""
    w, up, down = _weights(logits, weight), 2 - power, 1 - power
    rise, fall = np.exp(up * logits), target * np.exp(down * logits)
    return float((w * (rise / up - fall / down)).sum()), w * (rise - fall)


def focal_loss(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    gamma: float = 2.0,
    alpha: float | None = None,
) -> tuple[float, Array]:
    """Lin et al. 2017, eq. 5: (1 - p)^gamma times the cross-entropy of softmax(logits).

    With ``alpha`` rows of the second of two classes weigh alpha, those of the first 1 - alpha.
    """
    w, rows, y = _weights(logits, weight)[:, 0], np.arange(len(logits)), target[:, 0].astype(int)
    if alpha is not None:
        w = w * np.where(y == 1, alpha, 1 - alpha)
    others = np.array(logits)
    others[rows, y] = -np.inf
    log_sum = np.logaddexp.reduce(others, axis=1)
    d = log_sum - logits[rows, y]  # log((1 - p) / p)
    log_loss, missed = np.logaddexp(0, d), np.exp(-gamma * np.logaddexp(0, -d))
    dd = w * missed * (gamma * expit(-d) * log_loss + expit(d))
    with np.errstate(invalid="ignore"):  # of a single class
        dlogits = dd[:, None] * np.nan_to_num(np.exp(others - log_sum[:, None]))
    dlogits[rows, y] = -dd
    return float(w @ (missed * log_loss)), dlogits


def ordinal_loss(logits: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Log-loss of C + 1 classes by cumulative logits. McCullagh 1980, with thresholds by row.

    The log-odds s_0 of a class above 0 are the first logit, s_c of one above c lie
    log(1 + exp(z_c)) below those before; p(c) = sigmoid(s_(c-1)) - sigmoid(s_c).
    """
    w, C = _weights(logits, weight), logits.shape[1]
    later, y = np.arange(C) > 0, target.astype(int)
    s = np.cumsum(np.where(later, -np.logaddexp(0, logits), logits), axis=1)
    above, at, inner = np.arange(C) == y - 1, np.arange(C) == y, (np.arange(C) == y) & later
    # p(c) = sigmoid(s_(c-1)) sigmoid(-s_c) sigmoid(z_c)
    loss = above * np.logaddexp(0, -s) + at * np.logaddexp(0, s) + inner * np.logaddexp(0, -logits)
    ds = at * expit(s) - above * expit(-s)
    moved = np.cumsum(ds[:, ::-1], axis=1)[:, ::-1]
    dz = np.where(later, -expit(logits), 1.0) * moved - inner * expit(-logits)
    return float((w * loss).sum()), w * dz


def multi_label_loss(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    smoothing: float = 0.0,
    task_weights: Sequence[float] | None = None,
) -> tuple[float, Array]:
    """Log-loss as above of labels of 0 and 1 that are not NaN, times the weights of the outputs."""
    known = ~np.isnan(target)
    y = (1 - smoothing) * np.where(known, target, 0) + smoothing / 2
    w = _weights(logits, weight) * np.where(known, np.asarray(task_weights or 1.0), 0.0)
    entropy = np.logaddexp(0, logits) - logits * y
    return float((w * entropy).sum()), w * (expit(logits) - y)


def _weights(logits: Array, weight: Array | None) -> Array:
    return np.ones((len(logits), 1)) if weight is None else np.asarray(weight)[:, None]


LOSSES = {name: globals()[loss.reference] for name, loss in _RECORDS.items()}


def training_loss(
    kind: Loss,
    logits: Array,
    target: Array,
    weight: Array | None,
    smoothing: float,
    group: npt.NDArray[Any] | None = None,
) -> tuple[float, Array]:
    """Return a loss with its options, of smoothed targets where it has any, or of lists."""
    options: dict[str, Any] = kind.get_params(deep=False)
    if kind.ranks:
        assert group is not None
        return _RANKING[kind.name](logits, target, weight, group, **options)
    options |= {"smoothing": smoothing} if kind.smooths else {}
    loss: tuple[float, Array] = LOSSES[kind.name](logits, target, weight, **options)
    return loss
