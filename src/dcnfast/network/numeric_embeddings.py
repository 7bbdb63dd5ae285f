"""Embeddings of numeric columns: what is learned for each, and where its bins are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np

from dcnfast.encode.bins import Rule
from dcnfast.network.kinds import Family, Kind, Option

__all__ = ["NumericEmbedding", "Piecewise"]

NumericEmbeddingName = Literal["piecewise"]

MOST_BINS = 4096  # of either kind, so that float32 tells places in a bin apart


def _is_whole_number(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool | np.bool_)


def _between(least: int, most: int) -> Option:
    wanted = f"an integer from {least} to {most}"
    return Option(wanted, _is_whole_number, lambda given: least <= given <= most)


class NumericEmbedding(Kind):
    """Base class of the embeddings of numbers.

    Each numeric column in which training saw two distinct numbers or more gets so many columns of
    x0 as the embedding is wide. Others stay one column.

    Attributes
    ----------
    formula, source : str
        What a number becomes, and the paper that has it.
    width : int
        Columns of x0 for each column of the table.
    """

    formula: ClassVar[str]
    source: ClassVar[str]
    width: int

    @abstractmethod
    def rule(self) -> Rule:
        """Return what the encoder needs to know."""


class Piecewise(NumericEmbedding):
    r"""A piecewise linear function of the number, of Gorishniy et al. (2022).

    With the edges :math:`b_0 < ... < b_n` of a column's bins a number x becomes

    .. math:: \sum_{t=1}^{n} e_t W_t + z v + b, \quad
              e_t = \mathrm{clip}\left(\frac{x - b_{t-1}}{b_t - b_{t-1}}, 0, 1\right),

    with vectors :math:`W_t`, v and b of length ``width`` for each column, and z the number as
    ``numeric_scaling`` makes it. W begins at 0, so that training begins with a line. A missing
    number becomes a vector of its own. With ``numeric_clip=False`` the first and the last piece go
    on beyond the edges.

    An edge lies at each distinct value of the training rows where there are at most
    ``max_distinct``. Otherwise there are ``max_bins`` bins of as many rows each, and ``max_bins``
    bins of as many distinct values each, and their edges are taken together: the latter are what
    is left of a column of which most rows have the same value. Time does not depend on the number
    of bins.

    Parameters
    ----------
    width : int, default=8
    max_bins : int, default=48
    max_distinct : int, default=128

    References
    ----------
    Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical Features in Tabular Deep
    Learning", NeurIPS 2022, equation 1.
    """

    name = "piecewise"
    summary = "sum_t e_t W_t + z v + b: linear between the edges of bins."
    formula = "sum_t e_t W_t + z v + b, e_t = clip((x - b_{t-1}) / (b_t - b_{t-1}), 0, 1)"
    source = (
        'Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning", 2022, '
        "eq. 1."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "width": _between(1, MOST_BINS),
        "max_bins": _between(1, MOST_BINS),
        "max_distinct": _between(0, MOST_BINS),
    }

    def __init__(self, *, width: int = 8, max_bins: int = 48, max_distinct: int = 128) -> None:
        self.width = width
        self.max_bins = max_bins
        self.max_distinct = max_distinct

    def rule(self) -> Rule:
        """Return what the encoder needs to know."""
        return Rule(max_bins=int(self.max_bins), max_distinct=int(self.max_distinct))


AUTOMATIC_COLUMNS = 128  # numbers; more have no embeddings by default


def automatic_numeric(n_columns: int) -> NumericEmbedding | None:
    """Resolve ``numeric_embedding="auto"``: x0 should not be much wider than 512 columns."""
    if n_columns > AUTOMATIC_COLUMNS:
        return None
    return Piecewise(width=8 if n_columns <= 64 else 4)


NUMERIC_EMBEDDINGS: Family[NumericEmbedding] = Family("numeric_embedding", Piecewise)
"""Embeddings of numbers, with options: ``numeric_embedding=Piecewise(width=16)``."""
