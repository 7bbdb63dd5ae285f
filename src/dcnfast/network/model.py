"""Stages 2 to 6: the compiled network with its initial values, its copies and its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast import _core
from dcnfast.encode.encoded import Encoded
from dcnfast.encode.vocabulary import UNKNOWN
from dcnfast.network.config import NetworkConfig
from dcnfast.network.crosses import CROSSES
from dcnfast.network.initializers import INITIALIZERS
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS, NumericEmbedding
from dcnfast.network.structure import begin_structured

Array = npt.NDArray[Any]
Lists = Sequence[tuple[Array, Array, Array | None]]  # offsets, ids, weights of the items

BLOCK = 65536  # numbers of a table that are float64 at a time


def _in_blocks(array: Array, size: int) -> Iterator[Array]:
    return (array[start : start + size] for start in range(0, len(array), size))


def _settle_rows(table: Array, counts: npt.NDArray[np.int64], factors: Array | None = None) -> None:
    """Give rows that training never saw the mean of the others, each as often as it was seen.

    Where training saw unknown categories, they get the row of these. Where rows have factors it is
    the mean of the products, and a factor that is 1.
    """
    K, unseen = table.shape[1], counts == 0
    if counts[UNKNOWN]:
        counts = np.where(np.arange(len(counts)) == UNKNOWN, counts, 0)
    total = np.zeros(K)
    for some in _in_blocks(np.flatnonzero(counts), max(1, BLOCK // K)):
        times = counts[some] if factors is None else counts[some] * factors[some].astype(np.float64)
        total += np.sum(times[:, None] * table[some].astype(np.float64), axis=0)
    table[unseen] = total / max(counts.sum(), 1)
    if factors is not None:
        factors[unseen] = 1


class Model:
    """A network and its parameters. Copies and pickles by value.

    Parameters
    ----------
    config : NetworkConfig

    Attributes
    ----------
    config : NetworkConfig
    network : compiled network
        Has ``parameters`` and ``averages``: dicts from name to read-only view of one flat buffer.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self.network = config.compile()

    @classmethod
    def of(cls, config: NetworkConfig, network: _core.NetworkF32 | _core.NetworkF64) -> Model:
        """Return the model of a compiled network."""
        model = cls.__new__(cls)
        model.config, model.network = config, network
        return model

    @property
    def n_parameters(self) -> int:
        """How many numbers are learned."""
        return int(self.network.n_parameters)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Read-only views by name."""
        return dict(self.network.parameters)

    @property
    def averages(self) -> Mapping[str, Array]:
        """What predictions use: the running averages where they are kept, else the parameters."""
        return dict(self.network.averages)

    def initialize(
        self,
        random_state: np.random.RandomState,
        cross: str = "truncated_normal",
        deep: str = "glorot_uniform",
        cross_scale: float = 1.0,
        numeric: NumericEmbedding | None = None,
        embedding_scale: float = 0.05,
    ) -> Model:
        """Draw the weights; biases and the linear part are 0, scales and shares 1.

        Biases of some crosses begin elsewhere, as their records say.

        Embeddings are normal, as is what members multiply the columns with, of the standard
        deviation 1; embeddings of numbers begin as their kind says, those of missing numbers at 0.
        All is drawn in float64 and in the order of the tensors, so that both dtypes start alike.

        Parameters
        ----------
        random_state : RandomState
        cross, deep : {"truncated_normal", "glorot_uniform", "he_normal"}
            How to draw the weights of the cross layers; of hidden layers and head.
        cross_scale : float
            What the weights of the cross layers are then multiplied by; where they are a product,
            or have gates, only the first of the two.
        numeric : NumericEmbedding or None, default=None
            How numbers are embedded, of the kind that the network has; None is its defaults.
        embedding_scale : float
            Standard deviation of embeddings.
        """
        scale, sizes = cross_scale, self.config.numeric_sizes
        numeric = numeric or NUMERIC_EMBEDDINGS[self.config.numeric_embedding]()
        flat = np.zeros(self.network.flat_parameters.shape, self.config.dtype)
        for name, (_, role, to) in zip(self.network.roles, self._tensors(flat), strict=True):
            if role in ("scale", "input_scale", "activation", "collision_weight"):
                to[:] = 1
            elif name == "cross_b":
                to[:] = CROSSES[self.config.cross].initial_bias
            elif role == "embedding":
                # float64 is twice the size of a large table
                for block in _in_blocks(to.reshape(-1), BLOCK):
                    block[:] = embedding_scale * random_state.normal(size=len(block))
            elif role == "member_scale":
                to[:] = random_state.normal(size=to.shape)
            elif role.startswith("numeric_") and role != "numeric_missing":
                to[:] = numeric.draw(name, sizes, random_state)
            elif role in ("cross_weight", "weight"):
                draw = INITIALIZERS[cross if role == "cross_weight" else deep].draw
                to[:] = draw(random_state, to.shape)
            if role == "cross_weight":
                to *= np.asarray(scale, to.dtype)
                scale = 1.0
            if name == "cross_W" and self.config.cross == "matrix":
                begin_structured(self.config, to)
        self.network.set_parameters(flat)
        return self

    def logits(self, ids: Array, dense: Array, n_threads: int, lists: Lists = ()) -> Array:
        """Return logits (N, C) of encoded rows: ids (N, F), dense (N, M), columns of lists."""
        return np.asarray(self.network.predict(ids, dense, n_threads, lists))

    def logits_of_members(
        self, ids: Array, dense: Array, n_threads: int, lists: Lists = ()
    ) -> Array:
        """Return logits (N, E, C) of each member of encoded rows."""
        return np.asarray(self.network.predict_members(ids, dense, n_threads, lists))

    def logits_of(self, rows: Encoded, n_threads: int) -> Array:
        """Return logits (N, C) of encoded rows."""
        return self.logits(rows.ids, rows.dense, n_threads, rows.lists)

    def logits_of_candidates(
        self, context: Array, ids: Array, dense: Array, n_threads: int, lists: Lists = ()
    ) -> Array:
        """Return logits (N, C) of rows that are the same in columns of x0: context (D), bool.

        They equal those of ``logits`` up to rounding.
        """
        return np.asarray(self.network.predict_candidates(ids, dense, context, n_threads, lists))

    def table(
        self,
        ids: Array,
        dense: Array,
        target: Array,
        weight: Array | None,
        lists: Lists = (),
        group: npt.NDArray[np.int64] | None = None,
    ) -> _core.TableF32 | _core.TableF64:
        """Return rows to train on or to evaluate, which are checked here and not again.

        Parameters
        ----------
        ids : ndarray of shape (N, F), int32
        dense : ndarray of shape (N, M)
        target : ndarray of shape (N, C), for softmax (N, 1) with class numbers
        weight : ndarray of shape (N,) or None
        lists : sequence of (offsets, ids, weights), default=()
            Of the fields that are lists: offsets (N + 1), ids and weights of the items, which may
            be None where all are 1.
        group : ndarray of shape (N,) or None, default=None
            Of losses that rank: rows of one group that stand together are a list.
        """
        given = ids, dense, target, weight, lists, group
        if isinstance(self.network, _core.NetworkF64):
            return _core.TableF64(self.network, *given)
        return _core.TableF32(self.network, *given)

    def evaluate(self, table: Any, n_threads: int) -> float:
        """Return the weighted mean loss over the rows of a :meth:`table`, without the penalty."""
        return float(self.network.evaluate_table(table, n_threads))

    def is_finite(self) -> bool:
        """Return whether all parameters are."""
        flat = self.network.flat_parameters
        with np.errstate(invalid="ignore"):  # minimum and maximum of NaN are NaN, without an array
            return bool(np.isfinite(flat.min()) and np.isfinite(flat.max()))

    def settle_unseen(self, seen: list[npt.NDArray[np.int64]]) -> None:
        """Give rows of the tables that training never saw the mean of those that it saw.

        A category that training has not seen is predicted as an average one of its field; where
        training saw unknown categories, as these.

        Parameters
        ----------
        seen : list of ndarray of shape (V_f,)
            For each field how often training saw each row.
        """
        if not self.config.fields:
            return
        averages = self.snapshot() if self.config.ema_decay else None
        flat: Array = np.array(self.network.flat_parameters)
        self._settle(flat, seen)
        self.network.set_parameters(flat)
        if averages is not None:
            self._settle(averages, seen)
            self.network.set_averages(averages)

    def settled_snapshot(self, seen: list[npt.NDArray[np.int64]]) -> Array:
        """Copy the flat parameters that predictions use as :meth:`settle_unseen` would leave them.

        Parameters
        ----------
        seen : list of ndarray of shape (V_f,)
        """
        flat = self.snapshot()
        self._settle(flat, seen)
        return flat

    def _settle(self, flat: Array, seen: list[npt.NDArray[np.int64]]) -> None:
        by_name = dict(zip(self.network.roles, self._tensors(flat), strict=True))
        for _, role, table in by_name.values():
            if role not in ("embedding", "linear_embedding"):
                continue
            at, width, factors = 0, table.shape[1], None
            if role == "embedding" and self.config.collision_weights:
                factors = by_name[f"collision_{width}"][2]
            fields = zip(self.config.fields, self.config.owners, seen, strict=True)
            for f, ((_, rows, K), owner, counts) in enumerate(fields):
                if owner != f or (role == "embedding" and width != K):
                    continue  # its rows are those of another field, or in another table
                known = slice(at, at + len(counts))  # others are room for more
                _settle_rows(table[known], counts, None if factors is None else factors[known])
                at += rows

    def rows_of_field(self, field: int) -> tuple[str, slice]:
        """Return the name of the tensor that has a field's embeddings, and its rows there."""
        config = self.config
        owner = config.owners[field]
        K, first = config.fields[field][2], 0
        for f, (_, rows, width) in enumerate(config.fields):
            if width == K and config.owners[f] == f:
                if f == owner:
                    return f"embedding_{K}", slice(first, first + rows)
                first += rows
        raise AssertionError("a field has rows")

    def _tensors(self, flat: Array) -> Iterator[tuple[str, str, Array]]:
        """Yield the part and the role of each tensor, and a view of it in a flat array."""
        parts, roles = self.network.parts, self.network.roles
        for name, shape, offset in self.network.tensors:
            view = flat[offset : offset + int(np.prod(shape))].reshape(shape)
            yield parts[name], roles[name], view

    def shrink(self, factor: Array, constant: Array) -> None:
        """Move all logits towards a constant: factor * logits + (1 - factor) * constant.

        Parameters
        ----------
        factor, constant : ndarray of shape (C,)
        """
        averages = self.snapshot() if self.config.ema_decay else None
        flat: Array = np.array(self.network.flat_parameters)
        self._shrink(flat, factor, constant)
        self.network.set_parameters(flat)
        if averages is not None:
            self._shrink(averages, factor, constant)
            self.network.set_averages(averages)

    def _shrink(self, flat: Array, factor: Array, constant: Array) -> None:
        to = factor.astype(flat.dtype)
        for part, role, tensor in self._tensors(flat):
            if role == "linear_embedding":  # (V, C)
                tensor *= to
            elif part == "head" and role == "bias":  # (C,)
                tensor[:] = factor * tensor + (1 - factor) * constant
            elif part == "head":  # (C, ...)
                tensor *= to[:, None]

    def snapshot(self, out: Array | None = None) -> Array:
        """Copy the flat parameters that predictions use: the averages where they are kept."""
        if out is None:
            return np.array(self.network.flat_averages)
        np.copyto(out, self.network.flat_averages)
        return out

    def assign(self, tensors: Mapping[str, Array]) -> None:
        """Set the parameters of these names, as far as there are such; the averages follow.

        Parameters
        ----------
        tensors : dict of str to ndarray
            Broadcast to the shapes that the network has.
        """
        flat: Array = np.array(self.network.flat_parameters)
        for name, shape, offset in self.network.tensors:
            if name in tensors:
                view = flat[offset : offset + int(np.prod(shape))].reshape(shape)
                view[:] = tensors[name]
        self.network.set_parameters(flat)

    def restore(self, flat: Array) -> None:
        """Set the flat parameters, and start the averages from them."""
        self.network.set_parameters(flat)

    def adopt_averages(self) -> None:
        """Make the averages the parameters, where they are kept.

        They are what predicts, and training that goes on starts from them.
        """
        if self.config.ema_decay:
            self.network.set_parameters(self.snapshot())

    def copy(self) -> Model:
        """Copy the parameters, and the averages where they are kept."""
        other = Model.__new__(Model)
        other.__setstate__(self.__getstate__())
        return other

    def __getstate__(self) -> dict[str, Any]:
        network = self.network
        parameters: Array = np.array(network.flat_parameters)
        state: dict[str, Any] = {"config": asdict(self.config), "parameters": parameters}
        if self.config.ema_decay:
            averages = np.array(network.flat_averages)
            if not np.array_equal(averages, parameters):  # after adopt_averages they are
                state["averages"] = averages
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        config = config_of(state)
        network = config.compile()
        size = network.flat_parameters.size
        network.set_parameters(flat_of(state, "parameters", size, config.dtype))
        if "averages" in state:
            network.set_averages(flat_of(state, "averages", size, config.dtype))
        self.config, self.network = config, network


def config_of(state: Any) -> NetworkConfig:
    """Read the description of a pickled network."""
    if not isinstance(state, dict) or not isinstance(state.get("config"), dict):
        raise ValueError("the state of a Model is no dict with a config, want one that it pickled")
    try:
        return NetworkConfig(**state["config"])
    except TypeError as error:  # a name that there is not
        raise ValueError(f"the state's config: {error}") from error


def flat_of(state: dict[str, Any], name: str, size: int, dtype: str) -> Array:
    """Return one flat buffer of what was pickled, if it can be computed with."""
    array = state.get(name)
    if not isinstance(array, np.ndarray):
        raise ValueError(f"the state's {name} are {type(array).__name__}, want an array")
    if array.dtype != dtype or array.shape != (size,):
        raise ValueError(
            f"the state's {name} have shape {array.shape} and type {array.dtype}, want ({size},) "
            f"and {dtype}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"the state's {name} are not finite")
    return np.ascontiguousarray(array)
