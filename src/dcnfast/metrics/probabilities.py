"""What probabilities are worth: log-loss, normalised entropy, calibration."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Literal, NamedTuple

import numpy as np

from dcnfast.metrics.arguments import Array, Floats, read_scores, read_targets, read_weight


class CalibrationCurve(NamedTuple):
    """What rows of similar probabilities turned out to be, bin after bin; empty bins are left out.

    Parameters
    ----------
    prob_true : ndarray of shape (n_bins,)
        Mean of ``y_true``.
    prob_pred : ndarray of shape (n_bins,)
        Mean of ``y_pred``.
    weight : ndarray of shape (n_bins,)
        Sum of the weights, the number of rows without any.
    """

    prob_true: Floats
    prob_pred: Floats
    weight: Floats


def log_loss(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """Return the mean of -y log p - (1 - y) log(1 - p).

    As in scikit-learn, probabilities are kept away from 0 and 1 by the rounding error of their
    type: a sure mistake costs 36.04 in float64, 15.94 in float32.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        0, 1, bools or rates between; else two labels, the larger of which counts as 1.
    y_pred : array-like of shape (n_samples,)
        Probabilities of 1.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    loss : float

    Raises
    ------
    ValueError
        If there are other labels, probabilities outside [0, 1] or NaN, weights that are negative
        or all 0, or lengths differ.
    """
    return _log_loss(*_read(y_true, y_pred, sample_weight))


def normalized_entropy(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """Return the log-loss over that of the mean: below 1 is better than a constant.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_samples,)
        As of :func:`log_loss`.

    Returns
    -------
    entropy : float

    Raises
    ------
    ValueError
        As of :func:`log_loss`, and if the mean of ``y_true`` is 0 or 1, which has no entropy.
    """
    y, p, weight = _read(y_true, y_pred, sample_weight)
    mean = float(np.average(y, weights=weight))
    if not 0 < mean < 1:
        raise ValueError(f"y_true is {mean:g} in all rows with a weight, want 0 and 1")
    entropy = -mean * np.log(mean) - (1 - mean) * np.log1p(-mean)
    return float(_log_loss(y, p, weight) / entropy)


def calibration_ratio(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """Return the sum of the probabilities over that of ``y_true``: above 1 predicts too much.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_samples,)
        As of :func:`log_loss`.

    Returns
    -------
    ratio : float

    Raises
    ------
    ValueError
        As of :func:`log_loss`, and if ``y_true`` is 0 in all rows with a weight.
    """
    y, p, weight = _read(y_true, y_pred, sample_weight)
    clicks = np.average(y, weights=weight)
    if clicks == 0:
        raise ValueError("y_true is 0 in all rows with a weight, want one above 0")
    return float(np.average(p, weights=weight) / clicks)


def calibration_curve(
    y_true: Any,
    y_pred: Any,
    sample_weight: Any = None,
    *,
    n_bins: int = 10,
    strategy: Literal["quantile", "uniform"] = "quantile",
) -> CalibrationCurve:
    """Return the mean of ``y_true`` and of ``y_pred`` among rows of similar probabilities.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_samples,)
        As of :func:`log_loss`.
    n_bins : int, default=10
    strategy : {"quantile", "uniform"}, default="quantile"
        Bins of equal weight, as far as rows of one probability stay together; or of equal width. A
        row at the edge of two bins belongs to the lower one.

    Returns
    -------
    curve : CalibrationCurve
        A tuple of ``prob_true``, ``prob_pred`` and ``weight``.

    Raises
    ------
    ValueError
        As of :func:`log_loss`, and if there is no such strategy, or ``n_bins`` is not an integer of
        at least 1.
    """
    if isinstance(n_bins, bool) or not isinstance(n_bins, Integral) or n_bins < 1:
        raise ValueError(f"n_bins is {n_bins!r}, want an integer of at least 1")
    if strategy not in ("quantile", "uniform"):
        raise ValueError(f"strategy is {strategy!r}, want 'quantile' or 'uniform'")
    y, p, weight = _read(y_true, y_pred, sample_weight)
    if weight is None:
        weight = np.ones(len(p))
    unit = 1.0 if sample_weight is None else np.max(np.asarray(sample_weight)) / weight.max()
    if strategy == "uniform":
        edges = np.linspace(0, 1, int(n_bins) + 1)[1:-1]
    else:
        edges = _quantiles(p, weight, int(n_bins))
    bins = np.searchsorted(edges, p)
    sums = [np.bincount(bins, w, len(edges) + 1) for w in (weight, weight * y, weight * p)]
    of_weight, of_y, of_p = (s[sums[0] > 0] for s in sums)
    return CalibrationCurve(of_y / of_weight, of_p / of_weight, unit * of_weight)


def calibration_error(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """Return the distance of the calibration ratio from 1, |log ratio|: what its scorer negates."""
    ratio = calibration_ratio(y_true, y_pred, sample_weight)
    return abs(float(np.log(ratio))) if ratio > 0 else float("inf")


def _read(y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Floats, Array, Floats | None]:
    """Return targets, probabilities in their own precision, and weights; rows of weight 0 gone."""
    p = read_scores(y_pred, probabilities=True)
    y = read_targets(y_true, len(p))
    weight = read_weight(sample_weight, len(p))
    if weight is None:
        return y, p, None
    present = weight > 0
    return y[present], p[present], weight[present]


def _log_loss(y: Floats, p: Array, weight: Floats | None) -> float:
    margin = float(np.finfo(p.dtype).eps)
    p = np.clip(p.astype(np.float64), margin, 1 - margin)
    return float(np.average(-y * np.log(p) - (1 - y) * np.log1p(-p), weights=weight))


def _quantiles(p: Array, weight: Floats, n_bins: int) -> Array:
    """Return the probabilities at which equal shares of the weight end."""
    order = np.argsort(p)
    shares = np.cumsum(weight[order])
    wanted = shares[-1] * np.arange(1, n_bins) / n_bins
    wanted *= 1 - 1e-12  # rounding does not move a share's end to the next row
    edges: Array = p[order][np.searchsorted(shares, wanted)]
    return np.unique(edges)
