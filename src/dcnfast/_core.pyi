"""The compiled part. Letters as in kernel_table.hpp: B rows, D width, L layers, R rank, C outputs.

Every array is C-contiguous and of the module's or network's one scalar type.
"""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypedDict, TypeVar, overload

import numpy as np
import numpy.typing as npt

_T = TypeVar("_T", np.float32, np.float64)
_Ids = npt.NDArray[np.int32]
_Rows = npt.NDArray[np.int64]
# of each column of lists: offsets (N+1), ids of the items (n_items), their weights or None
_Lists = Sequence[tuple[_Rows, _Ids, npt.NDArray[_T] | None]]

version: str

# ---- instruction sets, threads, ceilings

class _Isa(TypedDict):
    name: str
    description: str
    tile_rows: int
    tile_vectors: int

class _BuildInfo(TypedDict):
    version: str
    compiler: str
    build_type: str

def active_isa() -> _Isa: ...
def available_isas() -> list[_Isa]: ...
def compiled_isas() -> list[_Isa]: ...
def force_isa(name: str) -> None: ...
def build_info() -> _BuildInfo: ...
def measure_fma_peak(double_precision: bool, n_threads: int, seconds: float) -> float: ...
def measure_bandwidth(n_threads: int, seconds: float) -> float: ...
def measure_read_bandwidth(bytes: int, n_threads: int, seconds: float) -> float: ...

# ---- kernels on whole arrays, forward above its backward

class _Ops(Protocol[_T]):
    # kind as in crosses.CROSSES; x0 (B,D), weights in the order of the kind, (0,) for one that the
    # options leave out, b (L,D) -> xL (B,D)
    def cross(
        self,
        kind: str,
        x0: npt.NDArray[_T],
        weights: Sequence[npt.NDArray[_T]],
        b: npt.NDArray[_T],
        diag_scale: float,
        preactivation: str,
        n_threads: int,
        gating: str = "softmax",
        linear: bool = False,
        scale: float = 1.0,
        /,
    ) -> npt.NDArray[_T]: ...
    # -> dx0 (B,D), the gradients of the weights, db (L,D)
    def cross_backward(
        self,
        kind: str,
        dxL: npt.NDArray[_T],
        x0: npt.NDArray[_T],
        weights: Sequence[npt.NDArray[_T]],
        b: npt.NDArray[_T],
        diag_scale: float,
        preactivation: str,
        n_threads: int,
        gating: str = "softmax",
        linear: bool = False,
        scale: float = 1.0,
        /,
    ) -> tuple[npt.NDArray[_T], ...]: ...
    # ids (B,F), tables F times (V,K) -> x0 (B,D)
    def embedding(
        self,
        ids: _Ids,
        tables: Sequence[npt.NDArray[_T]],
        /,
    ) -> npt.NDArray[_T]: ...
    # -> F times dE (V,K)
    def embedding_backward(
        self,
        dx0: npt.NDArray[_T],
        ids: _Ids,
        tables: Sequence[npt.NDArray[_T]],
        /,
    ) -> list[npt.NDArray[_T]]: ...
    # h (B,I), W (O,I), b (O) -> hn (B,O)
    def dense(
        self,
        h: npt.NDArray[_T],
        W: npt.NDArray[_T],
        b: npt.NDArray[_T],
        activation: str,
        /,
    ) -> npt.NDArray[_T]: ...
    # -> dh (B,I), dW (O,I), db (O)
    def dense_backward(
        self,
        dhn: npt.NDArray[_T],
        h: npt.NDArray[_T],
        W: npt.NDArray[_T],
        b: npt.NDArray[_T],
        activation: str,
        /,
    ) -> tuple[npt.NDArray[_T], npt.NDArray[_T], npt.NDArray[_T]]: ...
    # z (B,O), scale, shift (O) -> y (B,O)
    def layer_norm(
        self,
        z: npt.NDArray[_T],
        scale: npt.NDArray[_T],
        shift: npt.NDArray[_T],
        /,
    ) -> npt.NDArray[_T]: ...
    # -> dz (B,O), dscale, dshift (O)
    def layer_norm_backward(
        self,
        dy: npt.NDArray[_T],
        z: npt.NDArray[_T],
        scale: npt.NDArray[_T],
        shift: npt.NDArray[_T],
        /,
    ) -> tuple[npt.NDArray[_T], npt.NDArray[_T], npt.NDArray[_T]]: ...
    # x (B,D), h (B,H), W (C,D+H), b (C) -> logits (B,C)
    def combine(
        self,
        x: npt.NDArray[_T],
        h: npt.NDArray[_T],
        W: npt.NDArray[_T],
        b: npt.NDArray[_T],
        /,
    ) -> npt.NDArray[_T]: ...
    # -> dx (B,D), dh (B,H), dW (C,D+H), db (C)
    def combine_backward(
        self,
        dlogits: npt.NDArray[_T],
        x: npt.NDArray[_T],
        h: npt.NDArray[_T],
        W: npt.NDArray[_T],
        b: npt.NDArray[_T],
        /,
    ) -> tuple[npt.NDArray[_T], npt.NDArray[_T], npt.NDArray[_T], npt.NDArray[_T]]: ...
    # kind as in losses.LOSSES; logits (B,C); target (B,Y), or (B,1) of class numbers; weight (B) or
    # None; constants of the kind -> sum of the rows' losses, dlogits (B,C)
    def loss(
        self,
        kind: str,
        logits: npt.NDArray[_T],
        target: npt.NDArray[_T],
        weight: npt.NDArray[_T] | None,
        smoothing: float,
        constants: Sequence[float],
        /,
    ) -> tuple[float, npt.NDArray[_T]]: ...
    # all (n); the first three are changed in place; returns the sum of squared parameters before
    def optimizer_update(
        self,
        parameters: npt.NDArray[_T],
        m: npt.NDArray[_T],
        v: npt.NDArray[_T],
        g: npt.NDArray[_T],
        options: OptimizerOptions,
        step: int,
        l2: float,
        /,
    ) -> float: ...

ops_f32: _Ops[np.float32]
ops_f64: _Ops[np.float64]

# ---- the whole network

# what a tensor may be for
ROLES: tuple[str, ...]

class OptimizerOptions:
    def __init__(
        self,
        *,
        kind: str,
        learning_rate: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
        weight_decay: float,
        gradient_clip: float,
        nesterov: bool,
        # by role, see ROLES
        rate_factors: Mapping[str, float],
        # of the prior, see _TrainingState.set_prior
        prior_strength: float = 0.0,
    ) -> None: ...

class NetworkConfig:
    def __init__(
        self,
        *,
        fields: Sequence[tuple[str, int, int]],  # name, rows, width
        poolings: Sequence[str] = ...,  # of the last fields, which are lists: "sum" or "max"
        table_of: Sequence[int] = ...,  # whose rows each field has, () for its own
        frozen: Sequence[int] = ...,  # fields whose embeddings do not learn
        n_dense: int,
        numeric_embedding: str,
        numeric_bins: Sequence[int],
        numeric_scales: Sequence[float],
        numeric_width: int,
        numeric_frequencies: int,
        n_members: int,
        learned_scale: bool,
        wide: bool,
        cross: str,
        cross_layers: int,
        cross_rank: int,
        cross_experts: int,
        gating: str,
        shared_gate: bool,
        cross_linear: bool,
        cross_factor: float,
        cross_symmetric: bool,
        cross_forbidden: Sequence[int],
        cross_heads: int,
        shared_heads: bool,
        diag_scale: float,
        cross_bias: bool,
        preactivation: str,
        hidden: Sequence[int],
        activation: str,
        structure: str,
        dropout: float,
        cross_dropout: float,
        parametric_activation: bool,
        layer_norm: bool,
        n_outputs: int,
        loss: str,
        loss_constants: Sequence[float],
        label_smoothing: float,
        alpha_embedding: float,
        alpha_cross: float,
        alpha_deep: float,
        embedding_penalty: str,
        ema_decay: float,
        sparse_adam: str,
        deterministic: str,
        collision_weights: bool = ...,  # whether each row of an embedding has a learned factor
        wide_numeric: bool = ...,
        branch_loss: bool = ...,  # whether cross and deep part have losses of their own
    ) -> None: ...

# rows of a network of that shape, checked: ids and class numbers are copied, the other arrays are
# referred to
class _Table(Generic[_T]):
    # ids (N,F), dense (N,M), target (N,C), for softmax (N,1) with class numbers, weight (N)
    def __init__(
        self,
        network: _Network[_T],
        ids: _Ids,
        dense: npt.NDArray[_T],
        target: npt.NDArray[_T],
        weight: npt.NDArray[_T] | None,
        lists: _Lists[_T] = ...,
        # (N) of losses that rank, else None
        group: npt.NDArray[np.int64] | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
    # read-only views of what it reads
    @property
    def ids(self) -> _Ids: ...
    @property
    def target(self) -> npt.NDArray[_T]: ...

class TableF32(_Table[np.float32]): ...
class TableF64(_Table[np.float64]): ...

class _Network(Generic[_T]):
    # parameters (flat): read where they are, from a cache line on; the network then only predicts
    @overload
    def __init__(self, config: NetworkConfig) -> None: ...
    @overload
    def __init__(self, config: NetworkConfig, parameters: npt.NDArray[_T]) -> None: ...
    # tables: how rows are stored, bfloat16 or int8, and these (V,bytes), read where they are; the
    # network then only predicts, and its flat parameters are those before the tables
    @overload
    def __init__(
        self, config: NetworkConfig, tables: Sequence[tuple[str, npt.NDArray[np.uint8]]]
    ) -> None: ...
    # whether its parameters are lent, or its tables stored
    @property
    def read_only(self) -> bool: ...
    @property
    def n_parameters(self) -> int: ...
    # name, shape, offset in the flat buffer
    @property
    def tensors(self) -> list[tuple[str, tuple[int, ...], int]]: ...
    # of each tensor, by name: cross_weight, weight, bias, scale, shift, linear, embedding or
    # linear_embedding
    @property
    def roles(self) -> dict[str, str]: ...
    # of each tensor, by name: cross, deep, head or tables
    @property
    def parts(self) -> dict[str, str]: ...
    # read-only views of the flat buffers, by name
    @property
    def parameters(self) -> dict[str, npt.NDArray[_T]]: ...
    # what predictions use; the parameters where no averages are kept
    @property
    def averages(self) -> dict[str, npt.NDArray[_T]]: ...
    # the same memory as one array, at least n_parameters long: tables begin at cache lines
    @property
    def flat_parameters(self) -> npt.NDArray[_T]: ...
    @property
    def flat_averages(self) -> npt.NDArray[_T]: ...
    # rows of a tile, tiles, shards
    def tiling(self, batch: int) -> tuple[int, int, int]: ...
    # the averages start anew from the values
    def set_parameters(self, values: npt.NDArray[_T]) -> None: ...
    def set_averages(self, values: npt.NDArray[_T]) -> None: ...
    # ids (N,F), dense (N,M) -> logits (N,C)
    def predict(
        self, ids: _Ids, dense: npt.NDArray[_T], n_threads: int, lists: _Lists[_T] = ...
    ) -> npt.NDArray[_T]: ...
    # (N,E,C)
    def predict_members(
        self, ids: _Ids, dense: npt.NDArray[_T], n_threads: int, lists: _Lists[_T] = ...
    ) -> npt.NDArray[_T]: ...
    # the same up to rounding, of rows that agree in the columns of x0 that context (D) names
    def predict_candidates(
        self,
        ids: _Ids,
        dense: npt.NDArray[_T],
        context: npt.NDArray[np.bool_],
        n_threads: int,
        lists: _Lists[_T] = ...,
    ) -> npt.NDArray[_T]: ...
    # target (N,C), for softmax (N,1) with class numbers; weight (N) -> weighted mean loss
    def evaluate(
        self,
        ids: _Ids,
        dense: npt.NDArray[_T],
        target: npt.NDArray[_T],
        weight: npt.NDArray[_T] | None,
        n_threads: int,
        lists: _Lists[_T] = ...,
        group: npt.NDArray[np.int64] | None = None,
    ) -> float: ...
    def evaluate_table(self, table: _Table[_T], n_threads: int) -> float: ...

class NetworkF32(_Network[np.float32]): ...
class NetworkF64(_Network[np.float64]): ...

# gradients, moments and steps of a network that it trains, and keeps alive
class _TrainingState(Generic[_T]):
    def __init__(self, network: _Network[_T]) -> None: ...
    @property
    def network(self) -> _Network[_T]: ...
    @property
    def step(self) -> int: ...
    # read-only views of the flat buffers, by name
    @property
    def gradients(self) -> dict[str, npt.NDArray[_T]]: ...
    @property
    def first_moments(self) -> dict[str, npt.NDArray[_T]]: ...
    @property
    def second_moments(self) -> dict[str, npt.NDArray[_T]]: ...
    # the same memory as one array, like the network's parameters
    @property
    def flat_gradients(self) -> npt.NDArray[_T]: ...
    @property
    def flat_first_moments(self) -> npt.NDArray[_T]: ...
    @property
    def flat_second_moments(self) -> npt.NDArray[_T]: ...
    # the moments, and the number of steps they come from
    def set_optimizer(self, m: npt.NDArray[_T], v: npt.NDArray[_T], step: int) -> None: ...
    # parameters, averages, moments, step and prior of a network with the same tensors but for the
    # rows of tables; of these all rows that both have, or those given for each field
    def take_over(
        self, other: _TrainingState[_T], rows: Sequence[npt.NDArray[np.int32]] | None = None
    ) -> None: ...
    # rows of a field begin as its row 0 is, without moments
    def begin_rows(self, field: int, rows: npt.NDArray[np.int32]) -> None: ...
    # of the first rows of a field those with count 0 get row 0 if seen, else the others' mean
    def settle(self, field: int, counts: npt.NDArray[np.int64]) -> None: ...
    # what parameters are held at and how much, as flat as they are; None or both
    def set_prior(self, anchor: npt.NDArray[_T], fisher: npt.NDArray[_T]) -> None: ...
    @property
    def prior(self) -> tuple[npt.NDArray[_T], npt.NDArray[_T]] | None: ...
    # of each batch the squares of the gradients of its rows' loss, all over n, flat
    def fisher(
        self,
        table: _Table[_T],
        order: npt.NDArray[np.int64],
        batch_size: int,
        n_threads: int,
        starts: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[_T]: ...
    # when the products of a field's rows with the first layers are shared by equal ids: that often
    # each row occurs, so wide they are, so many multiply-adds are saved in a batch
    def set_sharing(self, least_repeats: int, least_width: int, least_saved: float) -> None: ...
    # fields whose products were shared in the last batch
    @property
    def shared_fields(self) -> int: ...
    # seconds of all threads in each stage of training, since start_timing
    def start_timing(self) -> None: ...
    @property
    def stage_seconds(self) -> dict[str, float]: ...
    # rows (n): numbers of the rows to use; seed is dropout's -> mean loss; fills `gradients`
    def compute_gradients(
        self,
        table: _Table[_T],
        rows: _Rows,
        seed: int,
        n_threads: int,
    ) -> float: ...
    # order (n) -> mean objective, batches applied, whether it went to the end
    def train_epoch(
        self,
        table: _Table[_T],
        order: _Rows,
        batch_size: int,
        optimizer: OptimizerOptions,
        seed: int,
        n_threads: int,
        # what the learning rate, the weight decay and the rates of dropout are multiplied by in
        # each batch; None for 1
        rates: npt.NDArray[np.float64] | None = None,
        decays: npt.NDArray[np.float64] | None = None,
        dropouts: npt.NDArray[np.float64] | None = None,
        # (n_batches + 1) where each batch begins in the order, from 0 to its end; None cuts it into
        # batches of batch_size
        starts: npt.NDArray[np.int64] | None = None,
    ) -> tuple[float, int, bool]: ...

class TrainingStateF32(_TrainingState[np.float32]): ...
class TrainingStateF64(_TrainingState[np.float64]): ...

# ---- numeric columns

# names, knots and arrays (M) of the columns' scales; indicators (I): columns that have one
class ColumnScales:
    def __init__(
        self,
        names: Sequence[str],
        knots: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
        low: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
        factor: npt.NDArray[np.float64],
        mean: npt.NDArray[np.float64],
        scale: npt.NDArray[np.float64],
        missing: npt.NDArray[np.float64],
        constant: npt.NDArray[np.bool_],
        indicators: npt.NDArray[np.int64],
        farthest: float,
        bend: float = 0.0,
        # edges, unit, place of what is missing
        bins: Sequence[tuple[npt.NDArray[np.float64], float, float]] = ...,
        goes_on: bool = False,
    ) -> None: ...
    # X (n,M) in the order of its columns -> out (n,M+I+J), float32 or float64
    def transform(self, X: npt.NDArray[np.float64], out: npt.NDArray[_T]) -> None: ...

# ---- one row

class _RowPredictor(Generic[_T]):
    def __init__(self, network: _Network[_T], scales: ColumnScales) -> None: ...
    # ids (F), numbers (M), lists of one row -> logits (C)
    def __call__(
        self,
        ids: npt.NDArray[np.int32],
        numbers: npt.NDArray[np.float64],
        lists: _Lists[_T] = ...,
    ) -> list[float]: ...

class RowPredictorF32(_RowPredictor[np.float32]): ...
class RowPredictorF64(_RowPredictor[np.float64]): ...
