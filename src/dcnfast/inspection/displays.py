"""Pictures of what was learned. Drawing needs matplotlib, the extra ``plot``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from dcnfast.inspection.weights import (
    block_norms,
    columns_of_input,
    fields_of_input,
    one_fit,
    typical_weights,
)

Array = npt.NDArray[Any]

LARGEST = 14.0  # inches, of a figure
NAME = 0.12  # inches, of a line in the smallest type
LONGEST = 28  # letters of a name in a picture


class CrossWeightsDisplay:
    """Heat map of the weights of one cross layer.

    A cell is a block of W: all that the columns of one field drive in the columns of another. What
    is shown is its Frobenius norm, as in the paper on DCN V2: the root of the sum of the squared
    weights. Where both fields are one column wide, as numbers without embeddings are
    (``numeric_embedding=None``), that is |W|. Of several members, whose weights differ, it is the
    root of the mean of the squares.

    Parameters
    ----------
    weights : array-like of shape (D, D)
        As from :func:`cross_weights`.
    feature_names : sequence of str
        One a cell: as many as there are widths.
    widths : sequence of int or None, default=None
        Columns of each field, in the order of the columns; None takes each column for a field.

    Attributes
    ----------
    figure_, ax_, im_
        matplotlib's figure, axes and image, after :meth:`plot`. The image's array has the norms.

    References
    ----------
    R. Wang et al., "DCN V2: Improved Deep & Cross Network", 2021, section 7.6.
    """

    def __init__(
        self,
        weights: npt.ArrayLike,
        feature_names: Iterable[Any],
        widths: Sequence[int] | None = None,
    ) -> None:
        self.weights = weights
        self.feature_names = list(feature_names)
        self.widths = widths

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        layer: int = 0,
        by: Literal["field", "column"] = "field",
        feature_names: Iterable[Any] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a fitted estimator's layer.

        Parameters
        ----------
        estimator : DCNRegressor or DCNClassifier
        layer : int, default=0
        by : {"field", "column"}, default="field"
            What gets a row and a column of the picture: a column of the table, or every number of
            its embedding.
        feature_names : sequence of str or None, default=None
            One a cell. None takes the columns' names, or x0, x1, ... where there are none; with
            ``by="column"`` the numbers of an embedding are counted, as in city_0, city_1.
        ax : matplotlib axes or None, default=None

        Returns
        -------
        display : CrossWeightsDisplay

        Raises
        ------
        ValueError
            If there is no such layer, or not one name a cell.
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        """
        if by not in ("field", "column"):
            raise ValueError(f"by is {by!r}, want 'field' or 'column'")
        estimator = one_fit(estimator)
        weights = typical_weights(estimator, layer)
        names, widths = fields_of_input(estimator)
        if by == "column":
            names, widths = columns_of_input(estimator), [1] * len(weights)
        given = names if feature_names is None else list(feature_names)
        if len(given) != len(names):
            raise ValueError(f"feature_names has {len(given)} names, want {len(names)}, one a {by}")
        return cls(weights, given, widths).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw into ``ax``, or into a new figure of at most 14 by 12 inches.

        Where there are more names than the axes have room for, every second, third, ... is written,
        and long ones are shortened. Up to twelve fields have their numbers written into the cells.

        Parameters
        ----------
        ax : matplotlib axes or None, default=None

        Returns
        -------
        self : CrossWeightsDisplay

        Raises
        ------
        ValueError
            If weights, names and widths do not fit together.
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        """
        figure_class = need_matplotlib()
        weights = np.asarray(self.weights)
        widths = [1] * len(self.feature_names) if self.widths is None else list(self.widths)
        self._check(weights, widths)
        size = block_norms(weights, widths)
        n = len(size)
        if ax is None:
            side = min(2.5 + 0.6 * n, LARGEST)
            ax = figure_class(figsize=(side, 0.85 * side), layout="constrained").add_subplot()
        self.im_ = ax.imshow(size, cmap="Blues", vmin=0)
        what = "|W|" if max(widths) == 1 else "Frobenius norm of each\nfield's block of W"
        ax.set(
            xlabel="column j, which drives",
            ylabel="column i, which is driven",
        )
        ax.set_title(f"Cross weights: {what}", fontsize="medium")
        self._write_names(ax)
        if n <= 12:
            for i, j in np.ndindex(size.shape):
                dark = size[i, j] > 0.6 * size.max()
                ax.text(j, i, f"{size[i, j]:.2f}", ha="center", va="center",
                        color="white" if dark else "black", fontsize=9)  # fmt: skip
        ax.figure.colorbar(self.im_, ax=ax, shrink=0.8)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _check(self, weights: Array, widths: list[int]) -> None:
        """Raise ValueError unless there is a name and a width for each field, and they add up."""
        if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or not weights.size:
            raise ValueError(f"weights has shape {weights.shape}, want (D, D)")
        if len(widths) != len(self.feature_names):
            n = len(self.feature_names)
            raise ValueError(f"feature_names has {n} names, want {len(widths)}, one a width")
        if min(widths, default=0) < 1 or sum(widths) != len(weights):
            got = f"feature_names has {len(widths)} names"
            if self.widths is not None:
                got = f"widths is {widths!r}"
            raise ValueError(f"{got}, want {len(weights)} columns in all, those of weights")

    def _write_names(self, ax: Any) -> None:
        """Write as many of the names as can be read."""
        names = [_shortened(str(name)) for name in self.feature_names]
        box, figure = ax.get_position(), ax.figure
        inches = min(box.width * figure.get_figwidth(), box.height * figure.get_figheight())
        room = max(1.0, inches / NAME)
        every = math.ceil(len(names) / room)
        ticks = range(0, len(names), every)
        # a name is no formula, whatever dollars it has
        style: dict[str, Any] = {"parse_math": False}
        turned: dict[str, Any] = {"rotation": 45, "ha": "right"}
        if len(names) > room / 2:
            style["fontsize"] = min(10.0, max(7.0, 50 * inches / len(ticks)))
            turned = {"rotation": 90}
        ax.set_xticks(ticks, names[::every], **turned, **style)
        ax.set_yticks(ticks, names[::every], **style)


def need_matplotlib() -> Any:
    """Return matplotlib's ``Figure``, or raise ImportError that says how to get it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "drawing needs matplotlib, the extra 'plot': pip install matplotlib"
        ) from error
    return Figure


def _shortened(name: str) -> str:
    """Return a name in one line, its middle left out where it is long: ends tell names apart."""
    name = " ".join(name.split())
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 11]}…{name[-10:]}"
