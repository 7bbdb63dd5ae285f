"""Reading what was learned. Needs matplotlib, the extra ``plot``, when something is drawn."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted


def cross_weights(estimator: Any, layer: int = 0) -> npt.NDArray[Any]:
    """Return W of one cross layer: how strongly column j, in standardised units, drives column i.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Fitted, with at least one cross layer.
    layer : int, default=0
        From 0 to ``cross_layers - 1``.

    Returns
    -------
    W : ndarray of shape (D, D)
        ``W[i, j]`` multiplies x0_i x_j. The low-rank form gives U V; the vector form gives 1 w^T,
        whose rows are all the same.

    Raises
    ------
    ValueError
        If the estimator has no such layer.
    """
    check_is_fitted(estimator)
    parameters = estimator.parameters_
    n_layers = max(
        (len(p) for name, p in parameters.items() if name.startswith("cross_")), default=0
    )
    if n_layers == 0:
        raise ValueError("estimator has no cross layers, want cross_layers of at least 1")
    if not isinstance(layer, Integral) or not 0 <= layer < n_layers:
        raise ValueError(f"layer is {layer!r}, want 0 to cross_layers - 1, which is {n_layers - 1}")
    if "cross_W" in parameters:
        return np.array(parameters["cross_W"][layer])
    if "cross_U" in parameters:
        return np.asarray(parameters["cross_U"][layer] @ parameters["cross_V"][layer])
    w = parameters["cross_w"][layer]
    return np.tile(w, (len(w), 1))


def _input_names(estimator: Any) -> list[str]:
    """Return a name for each column of x0."""
    names: list[str] = estimator.encoder_.get_feature_names_out().tolist()
    widths = list(estimator.embedding_dims_.values())
    fields = zip(names, widths, strict=False)  # fields come first
    return [f"{name}_{k}" for name, width in fields for k in range(width)] + names[len(widths) :]


class CrossWeightsDisplay:
    """Heat map of the absolute weights of one cross layer.

    Parameters
    ----------
    weights : ndarray of shape (D, D)
        As from :func:`cross_weights`.
    feature_names : sequence of str
        D names.

    Attributes
    ----------
    figure_, ax_, im_
        matplotlib's figure, axes and image, after :meth:`plot`.
    """

    def __init__(self, weights: npt.NDArray[Any], feature_names: Any) -> None:
        self.weights = weights
        self.feature_names = list(feature_names)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, layer: int = 0, feature_names: Any = None, ax: Any = None
    ) -> Self:
        """Draw a fitted estimator's layer.

        Parameters
        ----------
        estimator : DCNRegressor or DCNClassifier
        layer : int, default=0
        feature_names : sequence of str or None, default=None
            None takes the columns' names, or x0, x1, ... where there are none; a category's numbers
            are counted, as in city_0, city_1.
        ax : matplotlib axes or None, default=None

        Returns
        -------
        display : CrossWeightsDisplay
        """
        weights = cross_weights(estimator, layer)
        if feature_names is None:
            feature_names = _input_names(estimator)
        if len(feature_names) != len(weights):
            raise ValueError(
                f"feature_names has {len(feature_names)} names, want {len(weights)}, one a column"
            )
        return cls(weights, feature_names).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw into ``ax``, or into a new figure.

        Parameters
        ----------
        ax : matplotlib axes or None, default=None

        Returns
        -------
        self : CrossWeightsDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError(
                "drawing needs matplotlib, the extra 'plot': pip install matplotlib"
            ) from error
        if ax is None:
            size = 2.5 + 0.6 * len(self.weights)
            ax = Figure(figsize=(size, 0.85 * size), layout="constrained").add_subplot()
        size = np.abs(self.weights)
        self.im_ = ax.imshow(size, cmap="Blues", vmin=0)
        ticks = range(len(size))
        ax.set_xticks(ticks, self.feature_names, rotation=45, ha="right")
        ax.set_yticks(ticks, self.feature_names)
        ax.set(
            xlabel="column j, which drives",
            ylabel="column i, which is driven",
            title="Cross weights |W|, columns standardised",
        )
        if len(size) <= 12:
            for i, j in np.ndindex(size.shape):
                dark = size[i, j] > 0.6 * size.max()
                ax.text(j, i, f"{size[i, j]:.2f}", ha="center", va="center",
                        color="white" if dark else "black", fontsize=9)  # fmt: skip
        ax.figure.colorbar(self.im_, ax=ax, shrink=0.8)
        self.ax_, self.figure_ = ax, ax.figure
        return self
