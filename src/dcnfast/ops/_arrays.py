"""What every kernel wants of its arguments: arrays of one type, names and numbers that it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast import _core
from dcnfast.network.activations import ACTIVATIONS

Array = npt.NDArray[Any]

_INT32 = np.iinfo(np.int32)


def prepare(function: str, **arguments: npt.ArrayLike) -> tuple[_core._Ops[Any], list[Array]]:
    """Return the kernels of the common type, and C-contiguous arrays of that type."""
    refuse_masked(function, arguments)
    arrays = {name: np.asarray(value) for name, value in arguments.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8 or array.dtype == np.float16:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, want float32, float64 or integers"
            )
    single = all(array.dtype == np.float32 for array in arrays.values())
    kernels: _core._Ops[Any] = _core.ops_f32 if single else _core.ops_f64
    dtype = np.float32 if single else np.float64
    return kernels, [np.asarray(array, dtype, order="C") for array in arrays.values()]


def refuse_masked(function: str, arguments: Mapping[str, Any]) -> None:
    """Raise ValueError if an array has masked values, whose data NumPy would take for real."""
    for name, value in arguments.items():
        if _is_masked(value):
            raise ValueError(f"{function}: {name} has masked values, want an array without")


def _is_masked(value: Any) -> bool:
    if isinstance(value, list | tuple):  # numbers in it are quickly passed by
        return any(_is_masked(v) for v in value if isinstance(v, list | tuple | np.ma.MaskedArray))
    return bool(np.ma.is_masked(value))


def prepare_ids(function: str, ids: npt.ArrayLike, tables: Sequence[Array]) -> npt.NDArray[Any]:
    """Return ids (B,F) as C-contiguous int32; what does not fit is an error, not another id.

    The kernel compares with the vocabularies: here are only the ids that it cannot be given.
    """
    refuse_masked(function, {"ids": ids})
    given = np.asarray(ids)
    if given.dtype.kind not in "iu":
        raise TypeError(f"{function}: ids has dtype {given.dtype}, want integers")
    too_large = (given < _INT32.min) | (given > _INT32.max)
    shapes_fit = given.ndim == 2 and given.shape[1] == len(tables)
    if too_large.any() and shapes_fit and all(table.ndim == 2 for table in tables):
        row, f = np.argwhere(too_large)[0]
        raise IndexError(
            f"{function}: ids has {given[row, f]} in row {row} of field 'tables[{f}]', want less "
            f"than {len(tables[f])}, the rows of its vocabulary, and not negative"
        )
    return np.asarray(given, np.int32, order="C")


def check_scale(function: str, argument: str, scale: float) -> float:
    """Return a scale as the kernel takes it."""
    if not isinstance(scale, int | float | np.number) or not 0 <= scale < np.inf:
        raise ValueError(f"{function}: {argument} is {scale!r}, want a finite number >= 0")
    return float(scale)


def check_activation(function: str, argument: str, name: str) -> str:
    """Return the name of an activation that the kernel knows."""
    if not isinstance(name, str) or name not in ACTIVATIONS:
        names = ", ".join(repr(known) for known in ACTIVATIONS)
        raise ValueError(f"{function}: {argument} is {name!r}, want one of {names}")
    return name
