"""What a fit is to do, and what comes out: plain records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.target_statistics import Rule
from dcnfast.estimators.label_targets import Target
from dcnfast.estimators.rare import as_unknown
from dcnfast.estimators.splits import Part
from dcnfast.network.model import Model
from dcnfast.network.numeric_embeddings import NumericEmbedding
from dcnfast.table.dates import Dates
from dcnfast.table.lists import ListColumns
from dcnfast.training.batches import Rows, mean_one
from dcnfast.training.settings import History
from dcnfast.training.state import Training
from dcnfast.training.timing import Timing

Array = npt.NDArray[Any]
# names, which are categorical, or of dates; columns of lists, which are not among the names
Columns = tuple[tuple[str, ...], list[bool], Dates, ListColumns]


@dataclass(frozen=True)
class Fitted:
    """All that a prediction needs; published together.

    Parameters
    ----------
    columns : tuple of (tuple of str, list of bool, Dates, ListColumns)
        Names of all columns but those of lists, which of them are categorical, and which are made
        of dates; and the columns of lists.
    encoder : TableEncoder
    target : NumericTarget, ClassTarget or LabelsTarget
    model : Model
    seen : list of ndarray of shape (V_f,)
        For each field how often training saw each row of its table.
    training : Training or None
        Of the model, where it goes on.
    rare : tuple of ndarray of shape (V_f,), bool, default=()
        Categories that are unknown ones in training, see :func:`rare_categories`.
    """

    columns: Columns
    encoder: TableEncoder
    target: Target
    model: Model
    seen: list[npt.NDArray[np.int64]]
    training: Training | None
    rare: tuple[npt.NDArray[np.bool_], ...] = ()

    @property
    def n_parameters(self) -> int:
        """How many numbers are learned, without room for categories that there are not yet."""
        config, fields = self.model.config, self.encoder.fields
        sizes = tuple(
            (name, field.size, width)
            for (name, _, width), field in zip(config.fields, fields, strict=True)
        )
        return replace(config, fields=sizes).count_parameters()

    def rows(
        self, part: Part, n_jobs: int | None, weight_of: Callable[..., Any] = mean_one
    ) -> Rows:
        """Return rows as the engine reads them to train, or to be watched."""
        dtype = self.model.config.dtype
        encoded = self.encoder.transform(part.table, dtype, n_jobs, part.own)
        target = self.target.scaled(part.target, dtype)
        weight = weight_of(part.loss_weight, dtype, part.group)
        ids = as_unknown(encoded.ids, self.rare)
        return Rows(self.model, ids, encoded.dense, target, weight, encoded.lists, part.group)


@dataclass(frozen=True)
class Task:
    """What a fit is to do.

    Parameters
    ----------
    whole : Part
        The rows to train on.
    given : Part or None
        The rows to watch, if ``fit`` got some.
    labels : ndarray of shape (n,) or None
        Class numbers whose proportions the held-out rows keep.
    target : NumericTarget, ClassTarget or LabelsTarget
        As yet without scales.
    last : Fitted or None
        What it goes on from.
    shown : dict
        What callbacks may see of the data.
    history : History
        Of the fits it goes on from.
    numeric : NumericEmbedding or None
        How numbers are embedded, if they are.
    begins_linear : bool, default=False
        Whether the network begins as a linear model.
    statistics : Rule or None, default=None
        How statistics of targets are made, if they are: of a part of the rows as of all.
    shares_rare : bool, default=False
        Whether rare categories have one embedding beside them.
    """

    whole: Part
    given: Part | None
    labels: Array | None
    target: Target
    last: Fitted | None
    shown: dict[str, Any]
    history: History
    numeric: NumericEmbedding | None
    begins_linear: bool = False
    statistics: Rule | None = None
    shares_rare: bool = False

    @property
    def last_encoder(self) -> TableEncoder | None:
        """The encoder of the fit it goes on from."""
        return None if self.last is None else self.last.encoder

    @property
    def timing(self) -> Timing:
        """Time by what it is spent on."""
        return self.history.timing


@dataclass(frozen=True)
class Result:
    """The result of a fit.

    Parameters
    ----------
    loss_curve : list of float
    validation_scores : list of float or None
        None where no rows were held out.
    shrinkage : ndarray of shape (C,)
    epochs : list of (float, float)
        Learning rate at the end of each epoch, and its seconds.
    unwatched : int, default=0
        Epochs after the last that has a validation score.
    """

    loss_curve: list[float]
    validation_scores: list[float] | None
    shrinkage: Array
    epochs: list[tuple[float, float]]
    unwatched: int = 0

    def attributes(self) -> dict[str, Any]:
        """Return the estimator's attributes that show it."""
        return {
            "shrinkage_": self.shrinkage,
            "validation_scores_": self.validation_scores,
            "loss_curve_": self.loss_curve,
            "n_iter_": len(self.loss_curve),
            "_epochs": self.epochs,
            "_unwatched": self.unwatched,
        }


def result_of(history: History, scores: list[float] | None, shrinkage: Array) -> Result:
    """Return the result of a fit of which this happened, and these scores were watched."""
    epochs = list(zip(history.rates, history.seconds, strict=True))
    watched = None if scores is None else list(scores)
    return Result(list(history.loss_curve), watched, shrinkage, epochs)
