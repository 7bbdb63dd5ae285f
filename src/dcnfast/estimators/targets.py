"""What the logits of one row say: numbers, rates, or the probabilities of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from dcnfast.encode.scaling import Standardizer

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class NumericTarget:
    """Numbers, one or several.

    Parameters
    ----------
    scaler : Standardizer or None
        That training saw them through; None for rates, whose logits are log-odds.
    one_column : bool
        Whether there is one number, and no array of them.
    """

    scaler: Standardizer | None
    one_column: bool

    def answer(self, logits: list[float]) -> Any:
        """Return what the logits of one row say."""
        row = np.array(logits)
        y = expit(row) if self.scaler is None else self.scaler.inverse(row[None])[0]
        return float(y[0]) if self.one_column else y


@dataclass(frozen=True)
class ClassTarget:
    """One of several classes.

    Parameters
    ----------
    n_classes : int
        Two may have one logit, the log-odds of the second, or one each.
    """

    n_classes: int

    def answer(self, logits: list[float]) -> Array:
        """Return the probabilities that the logits of one row say."""
        if self.n_classes > 2:
            raised = np.exp(np.array(logits) - max(logits))
            return np.asarray(raised / raised.sum())
        z = logits[0] if len(logits) == 1 else logits[1] - logits[0]
        return np.asarray(expit(np.array([-z, z])))
