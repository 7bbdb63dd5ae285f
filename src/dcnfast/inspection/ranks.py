"""The rank of what the cross layers learned, and a model with cross layers of that rank."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dcnfast.estimators.compressing import refuse_compressed
from dcnfast.estimators.configure import kind_of
from dcnfast.estimators.label_targets import uncalibrated
from dcnfast.estimators.published import private_copy
from dcnfast.estimators.saved import attributes_of
from dcnfast.inspection.weights import one_fit
from dcnfast.network.compression import FACTORED, dense_weights, least_rank, low_rank_model
from dcnfast.network.crosses import CROSSES, LowRank

E = TypeVar("E")
Floats = npt.NDArray[np.float64]


def singular_values(estimator: Any) -> Floats:
    """Return the singular values of W of every cross layer, the largest first.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Fitted, with at least one cross layer. W is what :func:`cross_weights` returns.

    Returns
    -------
    values : ndarray of shape (L, D)

    Raises
    ------
    ValueError
        If the estimator has no cross layers.
    """
    fit = one_fit(estimator)
    _want_layers(fit)
    return np.asarray(np.linalg.svd(dense_weights(fit._model), compute_uv=False), np.float64)


def effective_rank(estimator: Any, energy: float = 0.99) -> int:
    """Return the least rank that keeps a share of what every W has.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Fitted, with at least one cross layer.
    energy : float, default=0.99
        Share of the sum of squared singular values that is kept in each layer, in (0, 1]. It is the
        sum of the squared weights as well.

    Returns
    -------
    rank : int
        At least 1.

    Raises
    ------
    ValueError
        If the estimator has no cross layers, or ``energy`` is not such a share.
    """
    is_number = isinstance(energy, Real) and not isinstance(energy, bool)
    if not is_number or not 0 < energy <= 1:
        raise ValueError(f"energy is {energy!r}, want a number in (0, 1]")
    return least_rank(singular_values(estimator), float(energy))


def to_low_rank(estimator: E, rank: int | None = None, *, energy: float = 0.99) -> E:
    """Return a copy of a fitted estimator whose cross layers have W = U V of a low rank.

    U and V are those that come nearest to W; nothing is trained, and the estimator stays as it is.
    The copy has ``cross=crosses.LowRank(rank=...)`` with the options of before. Score both on
    held-out rows before you use it; a ``fit`` of the copy with ``warm_start`` trains on from there.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Fitted, with cross layers of the matrix or the low-rank form.
    rank : int or None, default=None
        Rank R, at most the width D; None is :func:`effective_rank` with ``energy``.
    energy : float, default=0.99
        Of ``effective_rank``; beside a rank it is not looked at.

    Returns
    -------
    copy : DCNRegressor or DCNClassifier

    Raises
    ------
    ValueError
        If the cross has another form, no layers, or pairs of columns that are to stay 0 or
        several heads, which factors cannot keep; or ``rank`` is no integer from 1 to D.
    """
    fit = one_fit(estimator)
    _want_layers(fit)
    refuse_compressed(fit)
    config = fit._model.config
    if config.cross not in FACTORED:
        raise ValueError(f"cross is {config.cross!r}, want one of {list(FACTORED)!r}")
    if config.cross_forbidden:
        raise ValueError(
            "cross has forbidden pairs of columns, whose weights a low rank would not keep at 0, "
            "want one without"
        )
    if config.cross_heads > 1:
        raise ValueError(
            f"cross has {config.cross_heads} heads, which a low rank would connect, want one"
        )
    if rank is None:
        rank = effective_rank(fit, energy)
    is_whole = isinstance(rank, Integral) and not isinstance(rank, bool)
    if not is_whole or not 1 <= rank <= config.width:
        raise ValueError(f"rank is {rank!r}, want an integer from 1 to {config.width}, or None")
    model = low_rank_model(fit._model, int(rank))
    before = kind_of(CROSSES, fit).get_params()
    kept = {name: before[name] for name in LowRank.defaults() if name in before}
    small: Any = private_copy(fit)
    for option, flat in LowRank.shorthands.items():
        setattr(small, flat, LowRank.defaults()[option])
    small.cross = LowRank(**kept | {"rank": int(rank)})
    target = uncalibrated(fit._target)
    fitted = replace(fit._fitted_before(), model=model, target=target, training=None)
    vars(small).update(attributes_of(fitted))
    copy: E = small
    return copy


def _want_layers(fit: Any) -> None:
    if fit._model.config.cross_layers == 0:
        raise ValueError("estimator has no cross layers, want cross_layers of at least 1")
