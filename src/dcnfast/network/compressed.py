"""A network that only predicts, with weights and tables in fewer bytes; see ``row_codes``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model, config_of
from dcnfast.network.row_codes import (
    CODES,
    SCALE,
    TYPES,
    Code,
    code_of,
    decode,
    encode,
    is_finite,
    stored_shape,
)

Array = npt.NDArray[Any]

TABLES = ("embedding", "linear_embedding")  # roles
WEIGHTS = ("cross_weight", "weight", "numeric_weight")
FEW_BYTES = ("cross_weight", "weight", *TABLES)  # roles of what may be int8, but of the head
LINE = 64  # bytes of a cache line


class CompressedModel(Model):
    """A network whose weights and tables are rounded, and take half the memory or less.

    Tables stay as they are stored, and the engine expands the rows that it reads. All else is
    small, and expanded once; of many weights in bfloat16 the engine keeps these as well, for one
    row alone, which takes as long as it takes to read them.

    Parameters
    ----------
    config : NetworkConfig
    code : {"bfloat16", "int8"}
        What was asked for.
    stored : dict of str to ndarray
        Of each tensor, by name: what stands for its numbers, whose type says how.
    check_tables : bool, default=True
        Whether to read the tables, and see that they are finite.

    Raises
    ------
    ValueError
        If ``stored`` has other tensors or shapes than the network, or numbers that are not finite.
    """

    def __init__(
        self,
        config: NetworkConfig,
        code: str,
        stored: Mapping[str, Array],
        *,
        check_tables: bool = True,
    ) -> None:
        if code not in CODES:
            raise ValueError(f"compressed is {code!r}, want one of {list(CODES)!r}")
        own = {name: _own(name, array) for name, array in stored.items()}
        _check_count(config, own)
        tables = [(str(code_of(own[name])), own[name].view(np.uint8)) for name in _tables(config)]
        self.config, self.code, self.stored = config, code, own
        self.network = config.compile(tables=tables)
        _check(self, check_tables)
        flat: Array = np.zeros(self.network.flat_parameters.shape, config.dtype)
        for name, shape, offset in self.network.tensors:
            if self.network.roles[name] not in TABLES:
                flat[offset : offset + prod(shape)] = self.averages[name].ravel()
        self.network.set_parameters(flat)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The expanded numbers by name, each made when it is asked for."""
        return Expanded(self.stored, self.config.dtype)

    @property
    def averages(self) -> Mapping[str, Array]:
        """The same: there are no others."""
        return self.parameters

    def is_finite(self) -> bool:
        """Return True: it was seen when the model was made."""
        return True

    def offsets(self) -> dict[str, int]:
        """Return where the tensors begin if they lie one behind the other, in bytes."""
        at, offsets, roles = 0, dict[str, int](), self.network.roles
        for name, _, _ in self.network.tensors:
            step = LINE if roles[name] in TABLES else 8
            offsets[name] = at = -(-at // step) * step
            at += self.stored[name].nbytes
        return offsets

    def copy(self) -> CompressedModel:
        """Return another of the same numbers, which nobody writes to."""
        return CompressedModel(self.config, self.code, self.stored, check_tables=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "code": self.code, "stored": dict(self.stored)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        config, stored = config_of(state), state.get("stored")
        if not isinstance(stored, dict):
            raise ValueError("the state of a CompressedModel has no dict of what is stored")
        self.__init__(config, state.get("code"), stored)  # type: ignore[misc]


class Expanded(Mapping[str, Array]):
    """The numbers of stored tensors by name, read-only; each is expanded when it is asked for.

    Parameters
    ----------
    stored : dict of str to ndarray
    dtype : str
    """

    def __init__(self, stored: Mapping[str, Array], dtype: str) -> None:
        self._stored, self._dtype = stored, dtype

    def __getitem__(self, name: str) -> Array:
        stored = self._stored[name]
        code = code_of(stored)
        if code is None:
            return stored
        numbers = decode(stored, code, self._dtype)
        numbers.flags.writeable = False
        return numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def compressed(model: Model, code: Code) -> CompressedModel:
    """Return a network of rounded weights and tables.

    bfloat16 and int8 say what most are; where int8 would not be smaller or not exact enough, it is
    bfloat16: in rows of 4 numbers at most, since they have a scale of 4 bytes, in the head, which
    makes the logits, and in embeddings of numbers, which are added up. Biases, scales and all that
    is not multiplied with a vector stay as they are.

    Parameters
    ----------
    model : Model
    code : {"bfloat16", "int8"}

    Raises
    ------
    ValueError
        If a number is beyond the range of float32.
    """
    roles, parts, numbers = model.network.roles, model.network.parts, model.averages
    stored = {}
    for name, shape, _ in model.network.tensors:
        role = roles[name]
        if role not in WEIGHTS + TABLES or (prod(shape) <= shape[-1] and role not in TABLES):
            stored[name] = np.array(numbers[name])
            continue
        few = code == "int8" and role in FEW_BYTES and parts[name] != "head" and shape[-1] > SCALE
        try:
            stored[name] = encode(numbers[name], "int8" if few else "bfloat16")
        except ValueError as error:
            raise ValueError(f"the parameters {name!r}: {error}") from None
    return CompressedModel(model.config, code, stored, check_tables=False)


def _tables(config: NetworkConfig) -> list[str]:
    """Return the names of the tables, in the order of the engine."""
    names = [f"embedding_{K}" for K in sorted({K for _, _, K in config.fields})]
    return [*names, "wide"] if config.wide and config.fields else names


def _own(name: str, array: Any) -> Array:
    """Return a view that nobody writes to, as the engine reads arrays."""
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise ValueError(f"{name!r} is {type(array).__name__}, want an array with dimensions")
    own = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).view()
    own.flags.writeable = False
    return own


def _check_count(config: NetworkConfig, stored: Mapping[str, Array]) -> None:
    """Raise ValueError unless there are as many numbers as the network has, before it is made."""
    found = sum(
        array.size - (SCALE * prod(array.shape[:-1]) if code_of(array) == "int8" else 0)
        for array in stored.values()
    )
    if found != (wanted := config.count_parameters()):
        raise ValueError(f"there are {found} numbers, want {wanted}, as the config says")
    for name in _tables(config):
        if name not in stored or code_of(stored[name]) is None:
            raise ValueError(f"there is no table {name!r} of one of {list(CODES)!r}")


def _check(model: CompressedModel, check_tables: bool) -> None:
    """Raise ValueError unless the tensors are the network's, and finite."""
    network, dtype = model.network, model.config.dtype
    for name, shape, _ in network.tensors:
        array, role = model.stored.get(name), network.roles[name]
        if array is None:
            raise ValueError(f"there is no tensor {name!r}")
        code = code_of(array) if role in WEIGHTS + TABLES else None
        wanted = shape, np.dtype(dtype)
        if code is not None:
            wanted = stored_shape(shape, code), TYPES[code]
        if (array.shape, array.dtype) != wanted:
            raise ValueError(
                f"{name!r} has type {array.dtype} and shape {array.shape}, want numbers of shape "
                f"{shape} and type {dtype}, or what stands for them"
            )
        if role in TABLES and not check_tables:
            continue
        if not (np.isfinite(array).all() if code is None else is_finite(array, code)):
            raise ValueError(f"{name!r} has numbers that are not finite")
    if len(network.tensors) != len(model.stored):
        raise ValueError(f"there are {list(model.stored)!r}, want no others than the network's")
