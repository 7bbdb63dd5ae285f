"""Embeddings of numeric columns: what is learned for each, and where its bins are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from math import prod
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from dcnfast.encode.bins import Rule
from dcnfast.network.kinds import POSITIVE, Family, Kind, Option, one_of

__all__ = ["NumericEmbedding", "Periodic", "PeriodicRelu", "Piecewise"]

Array = npt.NDArray[Any]
NumericEmbeddingName = Literal["piecewise", "periodic", "periodic_relu"]

MOST_BINS = 4096  # of either kind, so that float32 tells places in a bin apart

Tensors = dict[str, tuple[str, tuple[int, ...]]]  # role and shape by name


def _is_whole_number(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool | np.bool_)


def _between(least: int, most: int) -> Option:
    wanted = f"an integer from {least} to {most}"
    return Option(wanted, _is_whole_number, lambda given: least <= given <= most)


class NumericEmbedding(Kind):
    """Base class of the embeddings of numbers.

    Each numeric column in which training saw two distinct numbers or more gets so many columns of
    x0 as the embedding is wide. Others stay one column.

    Sizes have letters: J numbers, N bins of all of them, K the width, F frequencies of each.

    Attributes
    ----------
    formula, source : str
        What a number becomes, and the paper that has it.
    width : int
        Columns of x0 for each column of the table.
    frequencies : int
        Of each number, of the kinds that have any.
    """

    formula: ClassVar[str]
    source: ClassVar[str]
    width: int
    frequencies: int = 0

    @abstractmethod
    def rule(self) -> Rule:
        """Return what the encoder needs to know."""

    @staticmethod
    @abstractmethod
    def tensors(sizes: Mapping[str, int]) -> Tensors:
        """Return role and shape of what is learned, by name and in order."""

    @abstractmethod
    def draw(
        self, name: str, sizes: Mapping[str, int], random_state: np.random.RandomState
    ) -> Array:
        """Return the initial values of one of the tensors; not called for those of missing ones."""

    @staticmethod
    @abstractmethod
    def copies(sizes: Mapping[str, int], lanes: int) -> tuple[int, int]:
        """Count the numbers that the engine keeps of the tensors, and those of a thread's sums.

        Parameters
        ----------
        sizes : dict of str to int
        lanes : int
            Numbers of a vector.
        """

    def engine_options(self) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them."""
        return {
            "numeric_embedding": self.name, "numeric_width": int(self.width),
            "numeric_frequencies": int(self.frequencies),
        }  # fmt: skip


class Piecewise(NumericEmbedding):
    r"""A piecewise linear function of the number, of Gorishniy et al. (2022).

    With the edges :math:`b_0 < ... < b_n` of a column's bins a number x becomes

    .. math:: s \sum_{t=1}^{n} e_t W_t + z v + b, \quad
              e_t = \mathrm{clip}\left(\frac{x - b_{t-1}}{b_t - b_{t-1}}, 0, 1\right),

    with vectors :math:`W_t`, v and b of length ``width`` for each column, and z the number as
    ``numeric_scaling`` makes it. W begins at 0, so that training begins with a line. s is
    :math:`1 / \sqrt{n'}`, n' the effective number of bins: exp of the entropy of the rows' shares.
    Without it many bins learn the noise of the first batches. A missing number becomes a vector of
    its own. With ``numeric_clip=False`` the first and the last piece go
    on beyond the edges.

    An edge lies at each distinct value of the training rows where there are at most
    ``max_distinct``. Otherwise there are ``max_bins`` bins of as many rows each, and ``max_bins``
    bins of as many distinct values each, and their edges are taken together: the latter are what
    is left of a column of which most rows have the same value. Time does not depend on the number
    of bins.

    With ``edges="tree"`` they lie where a decision tree of at most ``max_bins`` leaves, which sees
    this column of the training rows and their targets, splits it, as in section 3.2.2 of the paper.

    Parameters
    ----------
    width : int, default=8
    max_bins : int, default=48
    max_distinct : int, default=128
        Of no effect with ``edges="tree"``.
    edges : {"quantile", "tree"}, default="quantile"
    min_samples_leaf : int, default=64
        Training rows of a leaf of the tree.

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
        "edges": one_of(("quantile", "tree")),
        "min_samples_leaf": Option(
            "an integer of at least 1", _is_whole_number, lambda given: given >= 1
        ),
    }

    def __init__(
        self,
        *,
        width: int = 8,
        max_bins: int = 48,
        max_distinct: int = 128,
        edges: str = "quantile",
        min_samples_leaf: int = 64,
    ) -> None:
        self.width = width
        self.max_bins = max_bins
        self.max_distinct = max_distinct
        self.edges = edges
        self.min_samples_leaf = min_samples_leaf

    def rule(self) -> Rule:
        """Return what the encoder needs to know."""
        bins = int(self.max_bins), int(self.max_distinct)
        if self.edges == "tree":
            return Rule(*bins, tree=True, min_rows=int(self.min_samples_leaf))
        return Rule(*bins)

    @staticmethod
    def tensors(sizes: Mapping[str, int]) -> Tensors:
        """Return W_t of all bins, b, v and the vectors for missing numbers."""
        of_each = sizes["J"], sizes["K"]
        return {
            "numeric_W": ("numeric_weight", (sizes["N"], sizes["K"])),
            "numeric_b": ("numeric_bias", of_each),
            "numeric_v": ("numeric_linear", of_each),
            "numeric_missing": ("numeric_missing", of_each),
        }

    def draw(
        self, name: str, sizes: Mapping[str, int], random_state: np.random.RandomState
    ) -> Array:
        """Return 0 for W, normal v and uniform b."""
        _, shape = self.tensors(sizes)[name]
        if name == "numeric_W":
            return np.zeros(shape)
        draw = random_state.normal if name == "numeric_v" else partial(random_state.uniform, -1, 1)
        return np.asarray(draw(size=shape) / np.sqrt(sizes["K"]))

    @staticmethod
    def copies(sizes: Mapping[str, int], lanes: int) -> tuple[int, int]:
        """Count the vectors at the edges of the bins, and three for each number."""
        numbers = (sizes["N"] + 3 * sizes["J"]) * -(-sizes["K"] // lanes) * lanes
        return numbers, numbers


class _Waves(NumericEmbedding):
    """What the periodic kinds share: tensors, and how they begin."""

    outputs_beside: ClassVar[int]  # columns that are not learned
    waves: ClassVar[int]  # of each frequency
    has_phase: ClassVar[bool]
    sigma: float

    def rule(self) -> Rule:
        """Return what the encoder needs to know: bins are of no use, a place tells what is missing.

        The one bin is the range of the column.
        """
        return Rule(max_bins=1, max_distinct=0)

    @classmethod
    def tensors(cls, sizes: Mapping[str, int]) -> Tensors:
        """Return the frequencies, their phases, W, b and the vectors for missing numbers."""
        J, K, F = sizes["J"], sizes["K"], sizes["F"]
        outputs = K - cls.outputs_beside
        phase: Tensors = {"numeric_phase": ("numeric_bias", (J, F))} if cls.has_phase else {}
        return {
            "numeric_w": ("numeric_linear", (J, F)),
            **phase,
            "numeric_W": ("numeric_weight", (J, cls.waves * F, outputs)),
            "numeric_b": ("numeric_bias", (J, outputs)),
            "numeric_missing": ("numeric_missing", (J, K)),
        }

    def draw(
        self, name: str, sizes: Mapping[str, int], random_state: np.random.RandomState
    ) -> Array:
        """Return normal frequencies, phases within +-pi, W and b as PyTorch's linear layers."""
        _, shape = self.tensors(sizes)[name]
        if name == "numeric_w":
            return np.asarray(self.sigma * random_state.normal(size=shape))
        limit = np.pi if name == "numeric_phase" else 1 / np.sqrt(self.waves * sizes["F"])
        return np.asarray(random_state.uniform(-limit, limit, size=shape))

    @classmethod
    def copies(cls, sizes: Mapping[str, int], lanes: int) -> tuple[int, int]:
        """Count the parameters, and a vector for each."""
        numbers = sum(prod(shape) for _, shape in cls.tensors(sizes).values())
        return numbers, numbers * lanes


class Periodic(_Waves):
    r"""Waves of learned frequencies, of Holzmüller et al. (2024), there "PBLD".

    The scaled number z becomes

    .. math:: (z, W \cos(2 \pi w z + \phi) + b),

    with ``frequencies`` w and phases :math:`\phi` of each column, and W and b of ``width`` - 1
    rows. All are learned; w begins normal with the standard deviation ``sigma``, :math:`\phi`
    uniform within +-pi, W and b uniform within +-1 / sqrt(``frequencies``). A missing number
    becomes a vector of its own. Angles are exact up to 10 thousand in float32 and a million in
    float64, and stay there beyond: numbers should be scaled.

    Parameters
    ----------
    width : int, default=4
        At least 2: one column is z.
    frequencies : int, default=16
    sigma : float, default=0.1

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
    Boosted Trees on Tabular Data", NeurIPS 2024.
    """

    name = "periodic"
    summary = "(z, W cos(2 pi w z + phase) + b): z and waves of learned frequencies."
    formula = "(z, W cos(2 pi w z + phase) + b)"
    source = (
        'Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular '
        'Data", 2024.'
    )
    options: ClassVar[Mapping[str, Option]] = {
        "width": _between(2, MOST_BINS),
        "frequencies": _between(1, MOST_BINS),
        "sigma": POSITIVE,
    }
    outputs_beside = 1
    waves = 1
    has_phase = True

    def __init__(self, *, width: int = 4, frequencies: int = 16, sigma: float = 0.1) -> None:
        self.width = width
        self.frequencies = frequencies
        self.sigma = sigma


class PeriodicRelu(_Waves):
    r"""The positive part of waves of learned frequencies, of Gorishniy et al. (2022), there "PLR".

    The scaled number z becomes

    .. math:: \max(0, W \, [\sin(2 \pi w z), \cos(2 \pi w z)] + b),

    with ``frequencies`` w of each column, and W and b of ``width`` rows. All are learned; w begins
    normal with the standard deviation ``sigma``, W and b uniform within +-1 / sqrt(2
    ``frequencies``). A missing number becomes a vector of its own. As to large angles see
    :class:`Periodic`.

    Parameters
    ----------
    width : int, default=8
    frequencies : int, default=16
    sigma : float, default=0.1

    References
    ----------
    Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical Features in Tabular Deep
    Learning", NeurIPS 2022, section 3.3.
    """

    name = "periodic_relu"
    summary = "max(0, W [sin(2 pi w z), cos(2 pi w z)] + b): the positive part of waves."
    formula = "max(0, W [sin(2 pi w z), cos(2 pi w z)] + b)"
    source = (
        'Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning", 2022, '
        "section 3.3."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "width": _between(1, MOST_BINS),
        "frequencies": _between(1, MOST_BINS),
        "sigma": POSITIVE,
    }
    outputs_beside = 0
    waves = 2
    has_phase = False

    def __init__(self, *, width: int = 8, frequencies: int = 16, sigma: float = 0.1) -> None:
        self.width = width
        self.frequencies = frequencies
        self.sigma = sigma


AUTOMATIC_COLUMNS = 2048  # numbers; more have no embeddings by default
WIDTHS = ((32, 8), (128, 4), (256, 2), (AUTOMATIC_COLUMNS, 1))  # of each of so many numbers
TRIED_COLUMNS = 128  # numbers; of more, waves take long to be tried


def automatic_numeric(n_columns: int) -> tuple[NumericEmbedding, ...]:
    """Resolve ``numeric_embedding="auto"``: what may be best, the usual one first.

    A cross layer's time grows with the square of x0's width. Tables of 33 to 64 columns were
    predicted about as well with half of it. One number for each of many is no wider than the
    column itself, and bends where the target has a step or most rows are 0.
    """
    if n_columns > AUTOMATIC_COLUMNS:
        return ()
    width = next(width for most, width in WIDTHS if n_columns <= most)
    return Piecewise(width=width), Periodic()


NUMERIC_EMBEDDINGS: Family[NumericEmbedding] = Family(
    "numeric_embedding", Piecewise, Periodic, PeriodicRelu
)
"""Embeddings of numbers, with options: ``numeric_embedding=Piecewise(width=16)``."""
