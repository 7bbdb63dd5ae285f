"""Estimators whose weights take fewer bytes, and that only predict."""

from __future__ import annotations

from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from dcnfast.estimators.published import private_copy, reads_one_fit
from dcnfast.estimators.saved import trimmed
from dcnfast.network.collision import without_factors
from dcnfast.network.compressed import CompressedModel, compressed
from dcnfast.network.row_codes import CODES


class Compresses:
    """A method that makes a smaller estimator of a fitted one."""

    @reads_one_fit
    def compress(self, dtype: str = "bfloat16") -> Self:
        """Return a copy with rounded weights, which takes half the memory or less, and predicts.

        Tables of embeddings and weights are rounded; tables stay as they are stored, in memory and
        in a file, and each row is expanded when it is read. Biases and scales are as they were.
        What the copy computes is what its ``parameters_`` say, with the arithmetic of the model.

        Parameters
        ----------
        dtype : {"bfloat16", "int8"}, default="bfloat16"
            "bfloat16" keeps 8 bits of each number, in 2 bytes. "int8" takes the numbers of a row of
            a table, and the weights of a unit, as multiples of 1 / 127 of the largest, in a byte
            each and 4 for the row; it leaves in bfloat16 what would not be smaller, or has more
            effect: rows of up to 4 numbers, the last layer, and embeddings of numbers.

        Returns
        -------
        copy : DCNRegressor or DCNClassifier
            ``fit`` trains it anew. What goes on from its weights is an error: ``partial_fit``, a
            fit with ``warm_start``, ``prune_members`` and ``inspection.to_low_rank``.

        Raises
        ------
        ValueError
            If ``dtype`` is something else, the model is compressed already, or a number is too
            large.
        """
        check_is_fitted(self)
        if not isinstance(dtype, str) or dtype not in CODES:
            raise ValueError(f"compress: dtype is {dtype!r}, want one of {list(CODES)!r}")
        attributes = trimmed(vars(self))
        model = attributes["_model"]
        if isinstance(model, CompressedModel):
            raise ValueError(
                f"compress: the model is compressed to {model.code!r} already, want the one that "
                "it was made of"
            )
        try:
            small = compressed(without_factors(model), dtype)
        except ValueError as error:
            raise ValueError(f"compress: {error}") from error
        copy = private_copy(self)
        own = {"_model": small, "_training": None, "_spare": None}
        vars(copy).update({**attributes, **own, "n_parameters_": small.n_parameters})
        return copy


def refuse_compressed(estimator: Any) -> None:
    """Raise ValueError if a fitted estimator only predicts."""
    model = estimator._model
    if isinstance(model, CompressedModel):
        raise ValueError(
            f"the model is compressed to {model.code!r} and only predicts, want to go on from the "
            "one that it was made of; fit without warm_start trains it anew"
        )
