"""``calibrate_isotonic``: probabilities that agree with how often it comes so."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from dcnfast.estimators.isotonic import Array, IsotonicLayer, fit_isotonic
from dcnfast.estimators.label_targets import LabelsTarget, uncalibrated
from dcnfast.estimators.prediction import predict_logits
from dcnfast.estimators.published import view
from dcnfast.table.schema import read_validation_table

MOST_BINS = 1000


class Calibrates:
    """The method of a classifier that calibrates it."""

    def calibrate_isotonic(
        self, X: Any, y: Any, sample_weight: Any = None, *, n_bins: int = 20
    ) -> Self:
        """Put an isotonic layer behind the network, fitted to rows that training has not seen.

        A logit z becomes sum_i w_i v_i(z) + b, where v_i is how far z reaches into bin i and no w_i
        is negative: lines from bin to bin that never fall. So the order of predictions stays, but
        that some become equal. ``decision_function``, probabilities and labels, row predictors and
        candidate scorers made from then on are calibrated, ``predict_members`` is not. Calling it
        again begins anew; ``fit``, ``partial_fit``, ``prune_members`` and ``to_low_rank`` remove
        the layer, since the logits are others then.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows that training has not seen, columns as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Each label has a layer of its own; where it is missing, the row does not count for it.
        sample_weight : array-like of shape (n_samples,), default=None
        n_bins : int, default=20
            From 1 to 1000; each has equally many of the rows, as far as logits differ.

        Returns
        -------
        self : DCNClassifier

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described, there are more than two classes, or only one of
            them is in y; the estimator stays as it was.
        """
        fit: Any = view(self)
        check_is_fitted(fit)
        whole = isinstance(n_bins, Integral) and not isinstance(n_bins, bool)
        if not whole or not 1 <= n_bins <= MOST_BINS:
            raise ValueError(f"n_bins is {n_bins!r}, want an integer from 1 to {MOST_BINS}")
        target = uncalibrated(fit._target)
        if not isinstance(target, LabelsTarget) and len(target.classes) > 2:
            raise ValueError(
                f"calibrate_isotonic: there are {len(target.classes)} classes, want two, or "
                "several labels; scikit-learn's CalibratedClassifierCV takes more classes"
            )
        table, y = read_validation_table(fit, X, y, y_numeric=False)
        hits = np.asarray(target.judged("y", y), np.float64)
        weight = fit._check_weight(sample_weight, table)
        encoded = fit.encoder_.transform(table, fit._model.config.dtype, fit.n_jobs)
        z = target.decision(predict_logits(fit, encoded)).reshape(len(hits), -1)
        layers = tuple(
            _layer_of(z[:, c], hits[:, c], weight, int(n_bins), _name(target, c))
            for c in range(z.shape[1])
        )
        calibrated = {"_target": replace(target, calibration=layers)}
        self.__dict__ = vars(fit) | calibrated  # one assignment, as in prune_members
        return self


def _name(target: Any, c: int) -> str:
    return f"column {c} of y" if isinstance(target, LabelsTarget) else "y"


def _layer_of(z: Array, hit: Array, weight: Array, n_bins: int, name: str) -> IsotonicLayer:
    """Return the layer of one logit; rows without a label or a weight do not count."""
    rows = np.flatnonzero(~np.isnan(hit) & (weight > 0))
    if len(np.unique(hit[rows])) < 2:
        raise ValueError(f"{name} has not both labels in rows with a weight, want some of each")
    return fit_isotonic(z[rows], hit[rows], weight[rows], n_bins)
