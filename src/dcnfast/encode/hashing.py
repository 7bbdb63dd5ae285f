"""A hash of categories that is the same everywhere, for a fixed number of rows."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]


def hash_values(values: npt.NDArray[Any]) -> Words:
    """Hash each value to 64 bits; the same in every process, on every machine, from every backend.

    Strings: the first 8 bytes, little-endian, of BLAKE2b with a digest of 8 bytes over UTF-8.
    Numbers: splitmix64's finalizer of the integer's 64 bits (two's complement); what is no integer
    of 64 bits gives the bits of its float64. Equal numbers have equal hashes, whatever their type.
    """
    if values.dtype.kind in "biu":
        return _mix(values.astype(np.int64 if values.dtype.kind != "u" else np.uint64))
    listed = values.tolist()
    text = np.fromiter((isinstance(value, str) for value in listed), bool, len(listed))
    digests = (
        blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for value in listed
        if isinstance(value, str)
    )
    hashes = np.empty(len(listed), np.uint64)
    hashes[text] = np.frombuffer(b"".join(digests), "<u8")
    numbers = (_bits(value) for value in listed if not isinstance(value, str))
    hashes[~text] = _mix(np.fromiter(numbers, np.uint64, int((~text).sum())))
    return hashes


def is_integer(value: float) -> bool:
    """Return whether a number is an integer of 64 bits, with a sign or without."""
    return -(2**63) <= value < 2**64 and value == int(value)


def _bits(value: float) -> int:
    if is_integer(value):
        return int(value) & 0xFFFFFFFFFFFFFFFF
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def _mix(z: npt.NDArray[Any]) -> Words:
    z = z.view(np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
