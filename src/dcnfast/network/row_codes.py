"""Numbers in fewer bytes, row by row: bfloat16, or int8 with one scale a row.

bfloat16   (..., K) uint16: the upper half of each float32
int8       (..., 4 + K) bytes: a float32, little-endian, and K int8 that it is multiplied by
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Code = Literal["bfloat16", "int8"]

CODES: tuple[Code, ...] = ("bfloat16", "int8")
SCALE = 4  # bytes
MOST = 127
BLOCK = 2**20  # numbers that are float64 at a time
TYPES: dict[Code, np.dtype[Any]] = {"bfloat16": np.dtype(np.uint16), "int8": np.dtype(np.uint8)}

_EXPONENT = 0x7F80  # of bfloat16; all ones are infinity and NaN


def stored_shape(shape: tuple[int, ...], code: Code) -> tuple[int, ...]:
    """Return the shape of what stands for numbers of a shape."""
    return shape if code == "bfloat16" else (*shape[:-1], SCALE + shape[-1])


def encode(numbers: Array, code: Code) -> Array:
    """Return what stands for numbers (..., K), the nearest there is.

    Raises
    ------
    ValueError
        If a number is too large for it.
    """
    rows = numbers.reshape(-1, numbers.shape[-1])
    stored: Array = np.empty(stored_shape(rows.shape, code), TYPES[code])
    step = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        to = stored[start : start + step]
        to[:] = _bfloat16(some) if code == "bfloat16" else _int8(some)
    if not is_finite(stored, code):
        raise ValueError(
            f"there are numbers that {code} cannot hold, the largest is of "
            f"{np.abs(numbers).max():g}"
        )
    return stored.reshape(stored_shape(numbers.shape, code))


def decode(stored: Array, code: Code, dtype: npt.DTypeLike) -> Array:
    """Return the numbers (..., K) that are stored, as the engine expands them."""
    dtype = np.dtype(dtype)
    if code == "bfloat16":
        bits = stored.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32).astype(dtype, copy=False)
    numbers = stored[..., SCALE:].view(np.int8).astype(dtype)
    numbers *= _scales(stored).astype(dtype)[..., None]
    return numbers


def is_finite(stored: Array, code: Code) -> bool:
    """Return whether all numbers are that are stored."""
    rows = stored.reshape(-1, stored.shape[-1])
    step = max(1, BLOCK // rows.shape[1])
    blocks = (rows[start : start + step] for start in range(0, len(rows), step))
    if code == "bfloat16":
        return all(((some & _EXPONENT) != _EXPONENT).all() for some in blocks)
    most = np.finfo(np.float32).max / (MOST + 1)
    # of NaN this is false
    return all((np.abs(_scales(some)) <= most).all() for some in blocks)


def code_of(stored: Array) -> Code | None:
    """Return how numbers are stored, None where they are as they are."""
    return next((code for code in CODES if stored.dtype == TYPES[code]), None)


def _scales(stored: Array) -> npt.NDArray[np.float32]:
    scales: Array = np.ascontiguousarray(stored[..., :SCALE]).view("<f4")[..., 0]
    return scales.astype(np.float32, copy=False)


def _bfloat16(numbers: Array) -> npt.NDArray[np.uint16]:
    with np.errstate(over="ignore", under="ignore"):  # infinite ones are found afterwards
        bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
    upper = bits >> 16
    rounded = (bits + np.uint32(0x7FFF) + (upper & 1)) >> 16  # the nearest, of two the even one
    rounded[(rounded & _EXPONENT) == 0] = 0  # the engine has no denormal numbers
    return rounded.astype(np.uint16)


def _int8(numbers: Array) -> npt.NDArray[np.uint8]:
    wide = numbers.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        scale = (np.abs(wide).max(axis=1) / MOST).astype("<f4")
    scale[scale < np.finfo(np.float32).tiny] = 0
    stored = np.empty((len(wide), SCALE + wide.shape[1]), np.uint8)
    stored[:, :SCALE] = scale[:, None].view(np.uint8)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.rint(wide / scale[:, None].astype(np.float64))
    steps[scale == 0] = 0
    stored[:, SCALE:] = np.clip(steps, -MOST, MOST).astype(np.int8).view(np.uint8)
    return stored
