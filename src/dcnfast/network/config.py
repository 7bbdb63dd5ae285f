"""What a network is, in numbers and names: the one description that all stages share."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dcnfast import _core
from dcnfast.network.branches import topology
from dcnfast.network.crosses import CROSSES, CrossName
from dcnfast.network.losses import Loss, LossName, loss_of
from dcnfast.network.memory import check_memory
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS, NumericEmbedding

Activation = Literal["identity", "relu", "tanh", "sigmoid", "gelu"]
Gating = Literal["softmax", "sigmoid", "constant"]
Structure = Literal["parallel", "stacked", "stacked_parallel"]
SparseAdam = Literal["lazy", "exact"]
EmbeddingPenalty = Literal["batch", "table"]
Deterministic = Literal["threads", "isa"]
Pooling = Literal["sum", "max"]
DType = Literal["float32", "float64"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Shape and mathematics of a network.

    Parameters
    ----------
    fields : tuple of (str, int, int)
        Name, rows V_f and width K_f of each categorical field's embedding, in the order of ids;
        behind them those of columns of lists.
    poolings : tuple of {"sum", "max"}
        Of the last fields, which are lists: the sum of the items' rows, each times its weight, or
        the greatest number of each column. An empty list gives 0.
    table_of : tuple of int
        For each field the number of the field whose rows it has: its own, or that of one before it
        of the same rows and width. () is their own for all.
    frozen : tuple of int
        Fields, by number, whose embeddings training leaves as they are; each has rows of its own.
        Their weights of the linear part learn.
    collision_weights : bool
        Whether each row of the tables of embeddings is multiplied by a learned number, its own.
    n_dense : int
        Dense columns that are columns of x0 as they come, M.
    numeric_embedding : str
        How numbers are embedded.
    numeric_bins : tuple of int
        Bins of each of the J numbers that are embedded. Each comes as two dense columns behind the
        others: itself, and its place among the bins.
    numeric_scales : tuple of float
        What the pieces of each of them are multiplied by, s in (0, 1]; only of the piecewise kind.
    numeric_width : int
        K of their embeddings, 0 without such numbers.
    numeric_frequencies : int
        F of each of them, of the embeddings that have any.
    n_members : int
        E. Each member multiplies the columns by numbers of its own and has its own head.
    learned_scale : bool
        Whether each column of x0 is multiplied by a learned number, the same for all members.
    wide : bool
        Whether a linear part, on ids and dense columns, is added to the logits.
    wide_numeric : bool
        Whether it reads the dense columns that are embedded as well, as they are scaled.
    cross : str
        Form of the cross layers.
    cross_layers : int
        L; 0 leaves the cross part out.
    cross_rank : int
        R of the low-rank form and of each expert of a mixture, else 0.
    cross_experts : int
        How many experts a mixture has, else 0.
    gating : {"softmax", "sigmoid", "constant"}
        What makes gates of the experts of a mixture.
    shared_gate : bool
        Whether all layers of a mixture have the same logits of the gates.
    cross_linear : bool
        Whether exponential layers multiply by x0 in the place of x.
    cross_factor : float
        What every layer of onlydense is multiplied by.
    cross_symmetric : bool
        Whether the W of the matrix form are symmetric.
    cross_forbidden : tuple of int
        Pairs of columns of the table, as the network reads them, one behind the other: W of the
        matrix form is and stays 0 where they meet.
    cross_heads : int
        Into how many slices embeddings are split, those whose width it divides; each has a cross
        of its own, and what is not split is in all of them. W of the matrix form does not connect
        two heads.
    shared_heads : bool
        Whether the heads have the same weights, those of one; any form may have such heads.
    diag_scale : float
        Added to the diagonal of W_l.
    cross_bias : bool
        Whether cross layers learn a bias.
    preactivation : str
        Activation of W_l x + b_l, before ``diag_scale`` and the product with x0; of a mixture, that
        of its experts.
    hidden : tuple of int
        Widths of the deep part; () leaves it out.
    activation, structure, loss : str
        See :class:`dcnfast.DCNRegressor`.
    loss_constants : tuple of float
        Of the loss: its options as numbers, see :meth:`dcnfast.losses.Loss.constants`.
    dropout, cross_dropout : float
        Share of hidden units, and of the numbers of xL, left out in training.
    parametric_activation : bool
        Whether each hidden unit has (1 - a) z + a act(z) for act(z), with a learned.
    layer_norm : bool
        Whether the deep part normalises before its activations.
    n_outputs : int
        C.
    label_smoothing : float
        Share of the targets that goes to all classes alike, in training alone; losses without
        classes have no use for it.
    branch_loss : bool
        Whether the cross part and the deep part beside it have losses of their own in training.
    alpha_embedding, alpha_cross, alpha_deep : float
        The objective has alpha / 2 times the sum of squared weights, biases excepted.
    embedding_penalty : {"batch", "table"}
        Whether this sum has, of tables, only the rows that a batch names, in the mean over its
        rows, or all. With all and ``alpha_embedding > 0`` each row takes every step, whatever
        ``sparse_adam`` says: a row that no batch names makes up for what it missed, step by step,
        when one does and at the end of an epoch.
    ema_decay : float
        Of the running averages that predictions use; 0 keeps none.
    sparse_adam : {"lazy", "exact"}
        Whether rows of a table that a batch does not name stand still or move as dense Adam moves
        them.
    deterministic : {"threads", "isa"}
        Whether the same bits come out for every number of threads, or on every CPU as well.
    dtype : {"float32", "float64"}
        Of parameters and arithmetic.
    """

    fields: tuple[tuple[str, int, int], ...] = ()
    poolings: tuple[Pooling, ...] = ()
    table_of: tuple[int, ...] = ()
    frozen: tuple[int, ...] = ()
    collision_weights: bool = False
    n_dense: int = 0
    numeric_embedding: str = "piecewise"
    numeric_bins: tuple[int, ...] = ()
    numeric_scales: tuple[float, ...] = ()
    numeric_width: int = 0
    numeric_frequencies: int = 0
    n_members: int = 1
    learned_scale: bool = False
    wide: bool = False
    wide_numeric: bool = False
    cross: CrossName = "matrix"
    cross_layers: int = 0
    cross_rank: int = 0
    cross_experts: int = 0
    gating: Gating = "softmax"
    shared_gate: bool = False
    cross_linear: bool = False
    cross_factor: float = 1.0
    cross_symmetric: bool = False
    cross_forbidden: tuple[int, ...] = ()
    cross_heads: int = 1
    shared_heads: bool = False
    diag_scale: float = 0.0
    cross_bias: bool = True
    preactivation: Activation = "identity"
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    structure: Structure = "parallel"
    dropout: float = 0.0
    cross_dropout: float = 0.0
    parametric_activation: bool = False
    layer_norm: bool = False
    n_outputs: int = 1
    loss: LossName = "squared_error"
    loss_constants: tuple[float, ...] = ()
    label_smoothing: float = 0.0
    branch_loss: bool = False
    alpha_embedding: float = 0.0
    alpha_cross: float = 0.0
    alpha_deep: float = 0.0
    embedding_penalty: EmbeddingPenalty = "batch"
    ema_decay: float = 0.0
    sparse_adam: SparseAdam = "lazy"
    deterministic: Deterministic = "threads"
    dtype: DType = "float32"

    @property
    def owners(self) -> tuple[int, ...]:
        """The number of the field whose rows each field has."""
        return self.table_of or tuple(range(len(self.fields)))

    @property
    def own_fields(self) -> list[tuple[str, int, int]]:
        """The fields with rows of their own."""
        return [self.fields[f] for f, owner in enumerate(self.owners) if f == owner]

    @property
    def rows_of_linear(self) -> list[int]:
        """The first row of each field in the table of the linear part."""
        first, found = 0, list[int]()
        for field, owner in enumerate(self.owners):
            found.append(first if owner == field else found[owner])
            first += self.fields[field][1] if owner == field else 0
        return found

    @property
    def embedding_width(self) -> int:
        """Width of all embeddings side by side."""
        return sum(width for _, _, width in self.fields)

    @property
    def beside_embeddings(self) -> int:
        """How many numbers a row of a field has beside its embedding."""
        return int(self.collision_weights) + (self.n_outputs if self.wide else 0)

    @property
    def width(self) -> int:
        """Width of the stacked input, D."""
        return self.embedding_width + self.n_dense + self.numeric_width * len(self.numeric_bins)

    @property
    def n_columns(self) -> int:
        """Columns of the table that the network reads: the fields and the numbers."""
        return len(self.fields) + self.n_dense + len(self.numeric_bins)

    @property
    def column_widths(self) -> list[int]:
        """How many columns of x0 each column of the table is: the fields, then the numbers."""
        fields = [width for _, _, width in self.fields]
        return fields + [1] * self.n_dense + [self.numeric_width] * len(self.numeric_bins)

    @property
    def dense_columns(self) -> int:
        """Columns of the dense array: two for a number that is embedded."""
        return self.n_dense + 2 * len(self.numeric_bins)

    @property
    def wide_columns(self) -> int:
        """Numbers that the linear part reads."""
        return self.wide * (self.n_dense + self.wide_numeric * len(self.numeric_bins))

    @property
    def cross_sizes(self) -> dict[str, int]:
        """What the letters in the shapes of the cross's tensors stand for."""
        D, R = self.of_head().width, self.cross_rank
        return {"L": self.cross_layers, "D": D, "H": (D + 1) // 2, "R": R, "E": self.cross_experts}

    @property
    def has_shared_heads(self) -> bool:
        """Whether the cross has several heads, with the same weights."""
        return self.shared_heads and self.cross_heads > 1 and self.cross_layers > 0

    def of_head(self) -> NetworkConfig:
        """Describe what one of the heads sees that share their weights; else the whole."""
        if not self.has_shared_heads:
            return self
        widths = [width for _, _, width in self.fields] + [self.numeric_width]
        *slices, numeric = [w if w % self.cross_heads else w // self.cross_heads for w in widths]
        fields = tuple((*f[:2], w) for f, w in zip(self.fields, slices, strict=True))
        return replace(self, fields=fields, numeric_width=numeric, cross_heads=1)

    @property
    def moves_all_rows(self) -> bool:
        """Whether rows of tables that a batch does not name take its step as well."""
        penalized = self.embedding_penalty == "table" and self.alpha_embedding > 0
        return penalized or self.sparse_adam == "exact"

    @property
    def loss_kind(self) -> Loss:
        """The loss with its options."""
        return loss_of(self.loss, self.loss_constants)

    @property
    def numeric_kind(self) -> type[NumericEmbedding]:
        """How numbers are embedded, if any are."""
        return NUMERIC_EMBEDDINGS[self.numeric_embedding]

    @property
    def numeric_sizes(self) -> dict[str, int]:
        """What the letters of :class:`NumericEmbedding` stand for."""
        J, N = len(self.numeric_bins), sum(self.numeric_bins)
        return {"J": J, "N": N, "K": self.numeric_width, "F": self.numeric_frequencies}

    def count_parameters(self) -> int:
        """Count without allocating; Python integers do not overflow."""
        D, L = self.width, self.cross_layers
        rows = sum(V * (K + self.beside_embeddings) for _, V, K in self.own_fields)
        cross = CROSSES[self.cross].count_weights(self.cross_sizes, self) if L else 0
        parts = topology(self)
        vectors = 1 + 2 * self.layer_norm + self.parametric_activation
        layers = [layer for branch in parts.branches for layer in branch.layers(D)]
        deep = sum((inputs + vectors) * outputs for inputs, outputs in layers)
        wide = self.wide_columns
        learned = self.numeric_kind.tensors(self.numeric_sizes) if self.numeric_bins else {}
        numeric = sum(prod(shape) for _, shape in learned.values())
        E = self.n_members
        return (
            rows
            + numeric
            + (E * self.n_columns if E > 1 else 0)
            + (D if self.learned_scale else 0)
            + cross
            + (L * self.cross_sizes["D"] if self.cross_bias else 0)
            + deep
            + self.n_outputs * (E * (parts.head_width(D) + 1) + wide)
        )

    def multiply_adds(self) -> int:
        """Count the products of the weight matrices for one row, forward."""
        D, L = self.width, self.cross_layers
        cross = CROSSES[self.cross].multiply_adds(self.cross_sizes, self)
        cross *= self.cross_heads if self.has_shared_heads else 1
        parts = topology(self)
        layers = [layer for branch in parts.branches for layer in branch.layers(D)]
        deep = sum(inputs * outputs for inputs, outputs in layers)
        return self.n_members * (L * cross + deep + self.n_outputs * parts.head_width(D))

    def compile(
        self,
        lent: npt.NDArray[Any] | None = None,
        *,
        trains: bool = True,
        tables: list[tuple[str, npt.NDArray[Any]]] | None = None,
    ) -> _core.NetworkF32 | _core.NetworkF64:
        """Build the compiled network, all parameters zero.

        Parameters
        ----------
        lent : ndarray of shape (n,) or None, default=None
            Flat parameters that it reads where they are, and only predicts with.
        trains : bool, default=True
            Whether what training takes has to fit into memory, too.
        tables : list of (str, ndarray of shape (V, bytes), uint8) or None, default=None
            How the rows of each table are stored, and these, which it reads where they are: it
            only predicts, and its parameters are those before the tables.

        Raises
        ------
        ValueError
            If a number is not what its description says, or the network would not fit into the
            memory that this process may use: see :func:`dcnfast.network.memory.check_memory`.
        TypeError
            If something is no number.
        """
        fields = asdict(self)
        if (dtype := fields.pop("dtype")) not in ("float32", "float64"):
            raise ValueError(f"dtype is {dtype!r}, want 'float32' or 'float64'")
        network = _core.NetworkF64 if dtype == "float64" else _core.NetworkF32
        if trains and lent is None and tables is None:
            with suppress(KeyError, TypeError):  # of what is no number: that is told below
                check_memory(self)
        config = _core.NetworkConfig(**fields)
        if tables is not None:
            return network(config, tables)
        return network(config) if lent is None else network(config, lent)


def automatic_embedding_dim(n_rows: int, alone: bool = False) -> int:
    """Resolve ``embedding_dim="auto"``: the power of two next to the root of the rows, 2 to 16.

    Equal widths share a table, and so a kernel call; powers of two fill vectors.

    Parameters
    ----------
    n_rows : int
        Of the table, one for each category and a few more.
    alone : bool, default=False
        Whether categories are all there is: next to the number of rows itself then, so that what
        few categories say in common is not lost.
    """
    wanted = n_rows if alone else np.sqrt(n_rows)
    return int(2 ** np.clip(np.round(np.log2(wanted)), 1, 4))
