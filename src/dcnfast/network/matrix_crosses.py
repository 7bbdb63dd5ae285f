"""The matrix form of the cross layers, and the low-rank form of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from dcnfast.network.activations import ACTIVATIONS
from dcnfast.network.cross_records import OPTIONS_OF_ALL, Array, Cross, Tensor
from dcnfast.network.kinds import BOOLEAN, COUNT, COUNT_OR_NONE, NOT_NEGATIVE, Option, one_of

Pairs = Sequence[Sequence[str]]

_GATED = {"diag_scale": NOT_NEGATIVE, "preactivation": one_of(ACTIVATIONS)}


def _has_pairs(given: Any) -> bool:
    return given is None or (
        isinstance(given, list | tuple)
        and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given)
        and all(isinstance(name, str) for pair in given for name in pair)
    )


PAIRS_OR_NONE = Option("a list of pairs of names of columns, or None", _has_pairs)


class Preactivated(Cross):
    """Base class of what is x0 * (act(W x + b) + diag_scale x) + x."""

    reference_options: ClassVar[Mapping[str, str]] = {name: name for name in _GATED}
    options = _GATED | OPTIONS_OF_ALL
    shorthands: ClassVar[Mapping[str, str]] = {
        **Cross.shorthands,
        **{name: name for name in _GATED},
    }

    def __init__(
        self,
        *,
        diag_scale: float = 0.0,
        bias: bool = True,
        preactivation: str = "identity",
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        self.diag_scale = diag_scale
        self.bias = bias
        self.preactivation = preactivation
        self.initializer = initializer
        self.initial_scale = initial_scale

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them."""
        return super().engine_options(width) | {
            "diag_scale": self.diag_scale,
            "preactivation": self.preactivation,
        }


class Matrix(Preactivated):
    """x0 * (W x + b) + x with a full W, of Wang et al. (2021).

    Parameters
    ----------
    diag_scale : float, default=0.0
        Added to the diagonal of every W.
    bias : bool, default=True
        Whether layers have a bias.
    preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, default="identity"
        Applied to W x + b, before ``diag_scale`` and the product with x0.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How W is drawn.
    initial_scale : float, default=0.1
        What W is then multiplied by: with less the cross begins nearer to the identity.
    symmetric : bool, default=False
        Whether W is symmetric, so that a pair of columns has one weight and not two.
    forbidden_pairs : list of (str, str) or None, default=None
        Pairs of columns of the table, in either order, whose weights in every W are and stay 0. A
        column with itself is a pair, too. What is made of a column, such as its embedding, its
        indicator of missing values or its target statistics, has its pairs; a date has none by its
        own name, its parts have, as "when_hour". Two categorical columns that are such a pair have
        no target statistics of the pair. ``diag_scale`` has to be 0 where a column with itself is
        forbidden.
    allowed_pairs : list of (str, str) or None, default=None
        In the place of ``forbidden_pairs``: the pairs that may have other weights than 0, all
        others being forbidden. At least one has to be left.
    heads : int, default=1
        Into how many slices embeddings are split, those of categories and of numbers whose width
        it divides, as DCNv3 (Li et al., 2024) does: each slice has a cross of its own, since W is
        and stays 0 between two of them. What is not split, such as a number without an embedding,
        is in every one of them.
    shared_heads : bool, default=False
        Whether the heads have the same W and bias, of the width of one of them, as in DCNv3. What
        is not split then gets the mean of the heads' results.
    """

    name = "matrix"
    summary = "x0 * (W x + b) + x, with a full W."
    formula = "x_{l+1} = x0 * (W_l x_l + b_l + diag_scale x_l) + x_l"
    source = 'Wang et al., "DCN V2", 2021, eq. 1.'
    reference = ("cross_matrix", "cross_matrix_backward")
    weights = (Tensor("cross_W", "cross_weight", "LDD"),)
    first_product = "D"
    options = Preactivated.options | {
        "symmetric": BOOLEAN,
        "forbidden_pairs": PAIRS_OR_NONE,
        "allowed_pairs": PAIRS_OR_NONE,
        "heads": COUNT,
        "shared_heads": BOOLEAN,
    }
    # of objects in pickles that do not say it
    symmetric: bool = False
    forbidden_pairs: Pairs | None = None
    allowed_pairs: Pairs | None = None
    heads: int = 1
    shared_heads: bool = False

    def __init__(
        self,
        *,
        diag_scale: float = 0.0,
        bias: bool = True,
        preactivation: str = "identity",
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
        symmetric: bool = False,
        forbidden_pairs: Pairs | None = None,
        allowed_pairs: Pairs | None = None,
        heads: int = 1,
        shared_heads: bool = False,
    ) -> None:
        super().__init__(
            diag_scale=diag_scale,
            bias=bias,
            preactivation=preactivation,
            initializer=initializer,
            initial_scale=initial_scale,
        )
        self.symmetric = symmetric
        self.forbidden_pairs = forbidden_pairs
        self.allowed_pairs = allowed_pairs
        self.heads = heads
        self.shared_heads = shared_heads

    def check(self, argument: str) -> None:
        """Raise TypeError or ValueError, naming ``argument``, if an option is not as described."""
        super().check(argument)
        if self.allowed_pairs is None:
            return
        if self.forbidden_pairs is not None:
            raise ValueError(
                f"{argument}: Matrix has forbidden_pairs and allowed_pairs, want one of the two"
            )
        if len(self.allowed_pairs) == 0:
            raise ValueError(
                f"{argument}: allowed_pairs of Matrix is {self.allowed_pairs!r}, want at least one "
                "pair; cross_layers=0 is a network without products of columns"
            )

    def forbids(self, a: str, b: str) -> bool:
        """Return whether two columns of the table are not to be multiplied."""
        pairs = self.forbidden_pairs if self.allowed_pairs is None else self.allowed_pairs
        listed = any({a, b} == set(pair) for pair in pairs or ())
        return listed if self.allowed_pairs is None else not listed

    def forbidden_columns(self, sources: Sequence[tuple[str, ...]]) -> tuple[int, ...]:
        """Return pairs of columns that are not to be multiplied, one behind the other.

        Parameters
        ----------
        sources : sequence of tuple of str
            For each column that the network reads, which columns of the table it is made of.

        Raises
        ------
        ValueError
            If a pair names a column that there is not, no pair is left, or a column that must not
        be multiplied with itself is, by ``diag_scale``.
        """
        which = "forbidden_pairs" if self.allowed_pairs is None else "allowed_pairs"
        pairs = self.forbidden_pairs if self.allowed_pairs is None else self.allowed_pairs
        if pairs is None:
            return ()
        names = {name: i for i, name in enumerate(dict.fromkeys(chain(*sources)))}
        if unknown := sorted({name for pair in pairs for name in pair} - names.keys()):
            raise ValueError(
                f"cross: {which} names {unknown!r}, want columns that the network reads: "
                f"{list(names)!r}"
            )
        listed = np.zeros((len(names), len(names)), np.float32)
        for a, b in pairs:
            listed[names[a], names[b]] = listed[names[b], names[a]] = 1
        bad = listed if self.allowed_pairs is None else 1 - listed
        made_of = np.zeros((len(sources), len(names)), np.float32)
        for i, source in enumerate(sources):
            made_of[i, [names[name] for name in source]] = 1
        forbidden = np.triu(made_of @ bad @ made_of.T) > 0
        n = len(sources)
        if forbidden.sum() == n * (n + 1) // 2:
            raise ValueError(
                f"cross: {which} is {pairs!r}, which leaves no pair of columns to multiply, want "
                "at least one; cross_layers=0 is a network without such products"
            )
        alone = [name for name in names if bad[names[name], names[name]]]
        if self.diag_scale and alone:
            raise ValueError(
                f"cross: {which} is {pairs!r}, which keeps {alone[0]!r} from being multiplied with "
                f"itself, and diag_scale is {self.diag_scale!r}, want 0"
            )
        return tuple(np.argwhere(forbidden).ravel().tolist())

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count x and z of each layer, and what the preactivation makes of z."""
        return (3 if preactivated else 2) * n_layers * strides["D"]

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int, config: Any = None) -> Array:
        """Return a copy of W."""
        del config
        return np.array(weights["cross_W"][layer])

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them."""
        return super().engine_options(width) | {
            "cross_symmetric": bool(self.symmetric),
            "cross_heads": int(self.heads),
            "shared_heads": bool(self.shared_heads) and self.heads > 1,
        }


class LowRank(Preactivated):
    """x0 * (U V x + b) + x with U V of a low rank, of Wang et al. (2021).

    Parameters
    ----------
    rank : int or None, default=None
        Rank R; None is a quarter of the width, at least 1.
    diag_scale : float, default=0.0
        Added to the diagonal of every U V.
    bias : bool, default=True
        Whether layers have a bias.
    preactivation : {"identity", "relu", "tanh", "sigmoid", "gelu"}, default="identity"
        Applied to U V x + b, before ``diag_scale`` and the product with x0.
    initializer : {"truncated_normal", "glorot_uniform", "he_normal"}, default="truncated_normal"
        How U and V are drawn.
    initial_scale : float, default=0.1
        What U is then multiplied by: with less the cross begins nearer to the identity.
    """

    name = "lowrank"
    summary = 'as "matrix", with W = U V of a low rank R.'
    formula = "x_{l+1} = x0 * (U_l V_l x_l + b_l + diag_scale x_l) + x_l"
    source = 'Wang et al., "DCN V2", 2021, eq. 2.'
    reference = ("cross_lowrank", "cross_lowrank_backward")
    weights = (Tensor("cross_U", "cross_weight", "LDR"), Tensor("cross_V", "cross_weight", "LRD"))
    first_product = "R"
    options = {"rank": COUNT_OR_NONE} | Preactivated.options
    shorthands: ClassVar[Mapping[str, str]] = {**Preactivated.shorthands, "rank": "cross_rank"}

    def __init__(
        self,
        *,
        rank: int | None = None,
        diag_scale: float = 0.0,
        bias: bool = True,
        preactivation: str = "identity",
        initializer: str = "truncated_normal",
        initial_scale: float = 0.1,
    ) -> None:
        super().__init__(
            diag_scale=diag_scale,
            bias=bias,
            preactivation=preactivation,
            initializer=initializer,
            initial_scale=initial_scale,
        )
        self.rank = rank

    @staticmethod
    def activations(strides: Mapping[str, int], n_layers: int, preactivated: bool) -> int:
        """Count those of a matrix, and V x of each layer."""
        D, R = strides["D"], strides["R"]
        return n_layers * ((3 if preactivated else 2) * D + R) + R

    @staticmethod
    def dense_weight(weights: Mapping[str, Array], layer: int, config: Any = None) -> Array:
        """Return U V."""
        del config
        return np.asarray(weights["cross_U"][layer] @ weights["cross_V"][layer])

    def engine_options(self, width: int) -> dict[str, Any]:
        """Return the options as a NetworkConfig has them, the rank as a number."""
        rank = max(1, width // 4) if self.rank is None else int(self.rank)
        return super().engine_options(width) | {"cross_rank": rank}
