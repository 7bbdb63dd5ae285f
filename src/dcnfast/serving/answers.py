"""What logits become, in numbers and names: for programs that answer without Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Answer:
    """What is made of the logits of a row.

    Parameters
    ----------
    loss : str
        Whose inverse link makes numbers of logits.
    n_logits : int
    logits_of_a_target : int, default=1
        Of several quantiles of a target more.
    labels : tuple
        Of classes, whose probabilities are wanted; () where the answers are numbers.
    scaled : tuple of (scale, mean, factor), each an ndarray of shape (n_logits,), or None
        Behind the link a number z becomes (z * scale + mean) / factor.
    bounds : tuple of ndarray of shape (n_logits,) or None, default=None
        The least and the largest answers.
    several_labels : bool, default=False
        Whether the answers are probabilities of labels of 0 and 1, one for each logit.
    """

    loss: str
    n_logits: int
    logits_of_a_target: int = 1
    labels: tuple[Any, ...] = ()
    scaled: tuple[Array, Array, Array] | None = None
    bounds: tuple[Array, Array] | None = None
    several_labels: bool = False

    @property
    def size(self) -> int:
        """How many numbers an answer has."""
        return len(self.labels) or self.n_logits


class Answers(Protocol):
    """What was predicted for: describes its answers."""

    def described(self) -> Answer:
        """Return what is made of logits."""
