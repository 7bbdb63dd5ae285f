"""A network as plain state, and back; see :mod:`dcnfast.plain`."""

from __future__ import annotations

from dataclasses import asdict, fields
from math import prod
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from dcnfast.network.compressed import CompressedModel
from dcnfast.network.config import NetworkConfig, Structure
from dcnfast.network.crosses import CROSSES
from dcnfast.network.model import Model
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS
from dcnfast.network.row_codes import CODES
from dcnfast.plain import State, Tree

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

MOST = 2**31 - 1


def config_state(config: NetworkConfig) -> Tree:
    """Return the description of a network."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}


def read_config(state: State) -> NetworkConfig:
    """Return such a description; whether its numbers fit together the engine will say."""
    known: Tree = {}
    for field in fields(NetworkConfig):
        name, default = field.name, field.default
        if not state.names(name):  # a file of a version that did not know it
            known[name] = default
        elif name == "fields":
            known[name] = tuple(_read_field(state, found) for found in state.lists(name))
        elif name == "poolings":
            known[name] = tuple(state.texts(name))
        elif name in ("numeric_scales", "loss_constants"):
            known[name] = tuple(state.numbers(name))
        elif isinstance(default, tuple):
            known[name] = tuple(state.integers(name, 0, MOST))
        elif isinstance(default, bool):
            known[name] = state.flag(name)
        elif isinstance(default, int):
            known[name] = state.integer(name, 0, MOST)
        elif isinstance(default, float):
            known[name] = state.number(name)
        else:
            known[name] = state.text(name)
    state.done()
    names = {
        "cross": tuple(CROSSES),
        "numeric_embedding": tuple(NUMERIC_EMBEDDINGS),
        "structure": get_args(Structure),
        "dtype": ("float32", "float64"),
    }
    for name, wanted in names.items():
        State({name: known[name]}, state.where).text(name, wanted)
    return NetworkConfig(**known)


def _read_field(state: State, found: list[Any]) -> tuple[str, int, int]:
    if len(found) != 3:
        raise state.refuse("fields of a name, rows and width")
    of_field = State(dict(zip(("name", "rows", "width"), found, strict=True)), state.where)
    width = of_field.integer("width", 1, MOST)
    return of_field.text("name"), of_field.integer("rows", 1, 2**32 - 1), width


def tensors_of(model: Model, flat: Array) -> dict[str, Array]:
    """Return views of a flat buffer of a model, by name."""
    return {
        name: flat[offset : offset + prod(shape)].reshape(shape)
        for name, shape, offset in model.network.tensors
    }


def offsets_of(model: Model) -> dict[str, int]:
    """Return where the tensors begin in a flat buffer, in bytes."""
    if isinstance(model, CompressedModel):
        return model.offsets()
    size = np.dtype(model.config.dtype).itemsize
    return {name: offset * size for name, _, offset in model.network.tensors}


def tables_of(model: Model) -> list[str]:
    """Return the names of the tensors that are tables, which come last."""
    parts = model.network.parts
    return [name for name, _, _ in model.network.tensors if parts[name] == "tables"]


def read_model(state: State, lent: Bytes | None = None, *, check_tables: bool = True) -> Model:
    """Return the model of a state with "config" and "parameters", perhaps "compressed".

    Parameters
    ----------
    state : State
    lent : ndarray or None, default=None
        The memory that begins with all parameters, in the order of the engine if it is of the
        engine's kind: the model then reads them where they are.
    check_tables : bool, default=True
        Whether to read the tables, and see that they are finite.
    """
    config = read_config(state.part("config"))
    tensors = state.take("parameters")
    if state.names("compressed"):
        return _compressed_model(config, tensors, state, check_tables)
    if not isinstance(tensors, dict) or not all(
        isinstance(t, np.ndarray) and t.dtype.newbyteorder("=") == config.dtype
        for t in tensors.values()
    ):
        raise state.refuse(f"parameters as arrays of {config.dtype}")
    # before anything is allocated for them
    found, wanted = sum(t.size for t in tensors.values()), config.count_parameters()
    if found != wanted:
        raise state.refuse(f"{wanted} parameters, as its config says, not {found}")
    model = None if lent is None else _lent_model(config, tensors, lent)
    model = model or _own_model(config, tensors, state)
    flat = model.network.flat_parameters
    if not check_tables and (tables := tables_of(model)):
        flat = flat[: offsets_of(model)[tables[0]] // flat.itemsize]
    with np.errstate(invalid="ignore"):  # of NaN
        if flat.size and not (np.isfinite(flat.min()) and np.isfinite(flat.max())):
            raise state.refuse("finite parameters")
    return model


def _compressed_model(
    config: NetworkConfig, tensors: Any, state: State, check_tables: bool
) -> CompressedModel:
    code = state.text("compressed", CODES)
    if not isinstance(tensors, dict):
        raise state.refuse("parameters as arrays by name")
    try:
        return CompressedModel(config, code, tensors, check_tables=check_tables)
    except ValueError as error:
        raise state.refuse(f"parameters of its config: {error}") from error


def read_flat(state: State, name: str, model: Model) -> Array:
    """Return one flat buffer of tensors by name, finite."""
    tensors = state.take(name)
    if not isinstance(tensors, dict):
        raise state.refuse(f"{name} as arrays by name")
    flat = _flat(model.network.tensors, tensors, model.config.dtype, state)
    if not np.isfinite(flat).all():
        raise state.refuse(f"finite {name}")
    return flat


def _own_model(config: NetworkConfig, tensors: dict[str, Array], state: State) -> Model:
    network = config.compile(trains=False)
    network.set_parameters(_flat(network.tensors, tensors, config.dtype, state))
    return Model.of(config, network)


def _lent_model(config: NetworkConfig, tensors: dict[str, Array], lent: Bytes) -> Model | None:
    """Return None unless the tensors lie in memory as the engine lays them out."""
    size = np.dtype(config.dtype).itemsize
    flat = lent[: len(lent) // size * size].view(config.dtype)
    if any(not t.dtype.isnative or not t.flags.c_contiguous for t in tensors.values()):
        return None
    try:
        network = config.compile(flat)
    except ValueError:  # as many bytes as another layout has
        return None
    places = {n: (s, flat.ctypes.data + offset * size) for n, s, offset in network.tensors}
    if places != {name: (t.shape, t.ctypes.data) for name, t in tensors.items()}:
        return None
    return Model.of(config, network)


def _flat(
    layout: list[tuple[str, tuple[int, ...], int]],
    tensors: dict[str, Array],
    dtype: str,
    state: State,
) -> Array:
    for name, shape, _ in layout:
        tensor = tensors.get(name)
        if not isinstance(tensor, np.ndarray) or (
            (tensor.shape, tensor.dtype.newbyteorder("=")) != (shape, np.dtype(dtype))
        ):
            raise state.refuse(f"an array {name!r} of {dtype} and shape {shape}")
    if len(layout) != len(tensors):
        raise state.refuse(f"the arrays {[name for name, _, _ in layout]!r} and no others")
    name, shape, offset = layout[-1]
    flat: Array = np.zeros(offset + prod(shape), dtype)
    for name, shape, offset in layout:
        flat[offset : offset + prod(shape)] = tensors[name].ravel()
    return flat
