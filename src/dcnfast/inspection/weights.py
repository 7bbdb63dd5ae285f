"""What the cross layers learned, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from dcnfast.estimators.published import view
from dcnfast.network.structure import dense_weight

Array = npt.NDArray[Any]


def cross_weights(estimator: Any, layer: int = 0, *, member: int | None = None) -> Array:
    """Return W of one cross layer: how strongly column j, in scaled units, drives column i.

    With ``numeric_embedding=None`` and ``n_members=1`` a cross over columns of numbers is a
    polynomial of them, and W has one row and one column for each. By default numbers are embedded,
    as categories are: a number has a block of W, and products are those of embeddings. Several
    members share W; each first multiplies every column of the table, all that was made of it, by a
    number of its own, so that its products have other weights. With ``learned_scale`` x0 is what
    ``parameters_["input_scale"]`` has multiplied.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Fitted, with at least one cross layer.
    layer : int, default=0
        From 0 to ``cross_layers - 1``.
    member : int or None, default=None
        Of which member, from 0 to ``n_members_ - 1``: ``r[i] * W[i, j] * r[j]`` with its row r of
        ``parameters_["member_r"]``, a number for each column of the table. None is W itself.

    Returns
    -------
    W : ndarray of shape (D, D)
        ``W[i, j]`` multiplies x0_i x_j. The columns of x0 are the embeddings of categories, the
        numbers without embeddings, and the embeddings of numbers. The low-rank form gives U V; the
        vector form gives 1 w^T, whose rows are all the same.

    Raises
    ------
    ValueError
        If the estimator has no such layer, or no such member.
    """
    fit = one_fit(estimator)
    config = fit._model.config
    n_layers = config.cross_layers
    if n_layers == 0:
        raise ValueError("estimator has no cross layers, want cross_layers of at least 1")
    if isinstance(layer, bool) or not isinstance(layer, Integral) or not 0 <= layer < n_layers:
        raise ValueError(f"layer is {layer!r}, want 0 to cross_layers - 1, which is {n_layers - 1}")
    weights = dense_weight(config, fit.parameters_, int(layer))
    if member is None:
        return weights
    E = config.n_members
    if isinstance(member, bool) or not isinstance(member, Integral) or not 0 <= member < E:
        raise ValueError(
            f"member is {member!r}, want 0 to n_members_ - 1, which is {E - 1}, or None"
        )
    r = _factors(fit)[int(member)]
    return np.asarray(r[:, None] * weights * r)


def _factors(fit: Any) -> Array:
    """Return what each member multiplies the columns of x0 with, shape (E, D)."""
    config = fit._model.config
    if config.n_members == 1:
        return np.ones((1, config.width), config.dtype)
    return np.repeat(fit.parameters_["member_r"], config.column_widths, axis=1)


def typical_weights(fit: Any, layer: int) -> Array:
    """Return W of one member, or of several the root of the mean of the squares of theirs."""
    weights = cross_weights(fit, layer)
    if fit._model.config.n_members == 1:
        return weights
    squares = np.square(_factors(fit), dtype=np.float64)
    return np.abs(weights) * np.sqrt(squares.T @ squares / len(squares))


def one_fit(estimator: Any) -> Any:
    """Return an estimator that stays as fitted as it is now, whatever another thread fits."""
    check_is_fitted(estimator)
    return view(estimator)


def fields_of_input(estimator: Any) -> tuple[list[str], list[int]]:
    """Return a name and the number of columns of x0 for each column that the network reads.

    Categories come first, then plain numbers and indicators, then embedded numbers.
    """
    names: list[str] = estimator.encoder_.get_feature_names_out().tolist()
    return names, estimator._model.config.column_widths


def columns_of_input(estimator: Any) -> list[str]:
    """Return a name for each column of x0; those of an embedding are counted, as in city_0."""
    names, widths = fields_of_input(estimator)
    config = estimator._model.config
    n_fields = len(config.fields)
    plain = range(n_fields, n_fields + config.n_dense)
    return [
        name if place in plain else f"{name}_{k}"
        for place, (name, width) in enumerate(zip(names, widths, strict=True))
        for k in range(width)
    ]


def block_norms(weights: Array, widths: Sequence[int]) -> Array:
    """Return the Frobenius norm of each block; a block of one number keeps it, to the bit."""
    if all(width == 1 for width in widths):
        return np.abs(weights)
    starts = np.cumsum([0, *widths[:-1]])
    squares = np.square(weights, dtype=np.float64)
    sums = np.add.reduceat(np.add.reduceat(squares, starts, axis=0), starts, axis=1)
    return np.asarray(np.sqrt(sums))
