"""A network that begins as a linear model of the columns, which is found at once.

Where a target is nearly linear, what Adam makes of few rows is far from the linear model: columns
that are nearly the same, a hundred columns of three hundred rows, or numbers far out, which weigh
most in squares and come seldom. So the linear part begins as a ridge or a logistic regression, and
the head, which reads all else, at 0: the network learns what is left.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV

from dcnfast.network.model import Model
from dcnfast.training.batches import Rows

Floats = npt.NDArray[np.float64]

PENALTIES = np.logspace(-4, 4, 17)  # of squares, numbers scaled
OF_NUMBERS = ("squared_error", "absolute_error", "huber")
OF_CLASSES = ("log_loss", "softmax")


def begin_as_linear(model: Model, rows: Rows) -> bool:
    """Set the linear part to a linear model of the rows, and the head to 0.

    Of numbers it is a ridge regression whose penalty is chosen by the squared error of each row
    left out in turn, of classes a logistic regression with scikit-learn's penalty.

    Parameters
    ----------
    model : Model
        Just drawn, with a linear part, no embeddings of numbers and one of the losses above.
    rows : Rows
        Lists among their columns are left out.

    Returns
    -------
    begun : bool
        False where there is no such model, or no finite one.
    """
    config = model.config
    of_classes = config.loss in OF_CLASSES
    if of_classes and len(np.unique(rows.target)) < max(2, config.n_outputs):
        return False
    M, n_categories = config.n_dense, sum(V for _, V, _ in config.own_fields)
    X: Floats = np.zeros((len(rows), M + n_categories))
    X[:, :M] = rows.dense
    for ids, first in zip(rows.ids.T, config.rows_of_linear, strict=False):
        X[np.arange(len(rows)), M + first + ids] += 1  # fields may share rows
    try:
        if of_classes:
            found = _logistic(X, rows)
        else:
            found = RidgeCV(PENALTIES).fit(X, rows.target, sample_weight=rows.weight)
    except LinAlgError:
        return False
    weight, bias = np.atleast_2d(found.coef_), np.atleast_1d(found.intercept_)
    if not np.isfinite([*weight.sum(axis=1), *bias]).all():
        return False
    head = {"head_W": np.zeros(1), "head_b": bias}
    model.assign({"wide_W": weight[:, :M], "wide": weight[:, M:].T} | head)
    return True


def _logistic(X: Floats, rows: Rows) -> LogisticRegression:
    with warnings.catch_warnings():  # a start need not have converged
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression().fit(X, rows.target[:, 0], sample_weight=rows.weight)
