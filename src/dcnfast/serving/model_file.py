"""Model files: arrays and a document in a file of safetensors, with a digest over everything.

    8 bytes      n, length of the header, little-endian
    n bytes      the header: JSON, padded with spaces so that the data begin at a multiple of 64
    data         the network's parameters as the engine lays them out, tables last; other arrays

The header is that of safetensors, and any of its readers opens the file. What comes first in it is
fixed to the byte: ``{"__metadata__":{"format":"dcnfast-1","digest":"<64 digits>","tables":"<begin>
-<end> <64 digits>",``. "tables" has the bytes of the data that are tables and their digest, which
is that of the digests of blocks of 4 MiB; "digest" is that of all other bytes of the file but its
own digits. Digests are BLAKE2b of 32 bytes. "model" is the document, a text of JSON, in which
``{"array": name}`` stands for an array.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.parallel import each
from dcnfast.plain import parse, short
from dcnfast.serving.whole_file import replace_file

Array = npt.NDArray[Any]
FilePath = str | os.PathLike[str]

FORMAT = 1
MOST_HEADER = 100_000_000  # bytes, as in safetensors itself
LINE = 64  # bytes of a cache line
BLOCK = 2**22  # bytes that have a digest of their own
PIECE = 2**20  # bytes that are read at a time
MAPPED_FROM = 2**25  # bytes of parameters; fewer are sooner copied
PADDING = "padding"  # names of bytes between the tables
START = re.compile(
    rb'\{"__metadata__":\{"format":"dcnfast-(\d{1,9})","digest":"([0-9a-f]{64})",'
    rb'"tables":"(\d{1,19})-(\d{1,19}) ([0-9a-f]{64})",'
)
DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


@dataclass(frozen=True, eq=False)
class Contents:
    """What a model file has.

    Parameters
    ----------
    about : dict of str to str
        Such as the version of the library and the class of the estimator.
    document : str
    arrays : dict of str to ndarray
        Of the byte order of files, which is little-endian.
    lent : ndarray of bytes or None
        The parameters as one piece of memory, where the file is mapped into it.
    """

    about: dict[str, str]
    document: str
    arrays: dict[str, Array]
    lent: npt.NDArray[np.uint8] | None = None


# ---- writing


def write_model_file(
    path: FilePath,
    about: dict[str, str],
    document: str,
    arrays: dict[str, Array],
    offsets: dict[str, int],
    tables: list[str],
) -> None:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    path : str or path
    about : dict of str to str
    document : str
    arrays : dict of str to ndarray
    offsets : dict of str to int
        Where some of the arrays begin, in bytes from the first: the parameters, in order.
    tables : list of str
        Those of them that are tables, the last ones.
    """
    placed = _place(arrays, offsets)
    ends = [begin + a.nbytes for name, begin, a in placed if name in offsets]
    begin = min((begin for name, begin, _ in placed if name in tables), default=ends[-1])
    digest_of_tables = _digest_of_blocks(_Pieces(placed).read, begin, ends[-1])
    of_arrays = {
        name: {"dtype": NAMES[a.dtype], "shape": a.shape, "data_offsets": [at, at + a.nbytes]}
        for name, at, a in placed
    }
    start = f'{{"__metadata__":{{"format":"dcnfast-{FORMAT}","digest":"'.encode()
    rest = f'","tables":"{begin}-{ends[-1]} {digest_of_tables}",'.encode()
    metadata = about | {"model": document}
    rest += _json(metadata)[1:] + b"," + _json(of_arrays)[1:]
    rest += b" " * (-(8 + len(start) + LINE + len(rest)) % LINE)
    n = len(start) + LINE + len(rest)
    if n > MOST_HEADER:
        raise ValueError(
            f"the header of the file would have {n} bytes, want at most {MOST_HEADER}: the names "
            "of the columns and the parameters of the estimator are in it"
        )
    first = n.to_bytes(8, "little") + start
    digest = blake2b(first + rest, digest_size=32)
    for name, at, a in placed:
        if name not in tables and not (name.startswith(PADDING) and begin <= at < ends[-1]):
            digest.update(_bytes(a))
    header = first + digest.hexdigest().encode() + rest
    replace_file(path, _all(header, placed))


def _all(header: bytes, placed: list[tuple[str, int, Array]]) -> Iterator[Any]:
    yield header
    for _, _, array in placed:
        yield _bytes(array)


def _json(tree: Any) -> bytes:
    return json.dumps(tree, allow_nan=False, separators=(",", ":")).encode()


def _bytes(array: Array) -> Any:
    return array.reshape(-1).view(np.uint8).data


def _place(arrays: dict[str, Array], offsets: dict[str, int]) -> list[tuple[str, int, Array]]:
    """Return names, places and arrays without a gap: parameters, then wide types before narrow."""
    placed, at = [], 0

    def add(name: str, array: Array) -> None:
        nonlocal at
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        placed.append((name, at, little))
        at += little.nbytes

    for name, offset in offsets.items():
        if offset > at:
            add(f"{PADDING}.{len(placed)}", np.zeros(offset - at, np.uint8))
        add(name, arrays[name])
    if at % LINE:
        add(f"{PADDING}.{len(placed)}", np.zeros(-at % LINE, np.uint8))
    rest = [name for name in arrays if name not in offsets]
    for name in sorted(rest, key=lambda name: -arrays[name].itemsize):
        add(name, arrays[name])
    return placed


class _Pieces:
    """Arrays that lie side by side, read as bytes."""

    def __init__(self, placed: list[tuple[str, int, Array]]) -> None:
        self._placed = placed

    def read(self, start: int, n: int) -> bytes:
        found = []
        for _, at, array in self._placed:
            first, last = max(start - at, 0), min(start + n - at, array.nbytes)
            if first < last:
                found.append(_bytes(array)[first:last])
        return b"".join(found)


def _digest_of_blocks(read: Callable[[int, int], Any], begin: int, end: int) -> str:
    def of_block(start: int) -> bytes:
        return blake2b(read(start, min(BLOCK, end - start)), digest_size=32).digest()

    blocks = each(of_block, range(begin, end, BLOCK), end - begin, None)
    return blake2b(b"".join(blocks), digest_size=32).hexdigest()


# ---- reading


def read_model_file(path: FilePath, *, verify: bool = True) -> Contents:
    """Read a model file; nothing of it is run, and nothing is allocated but what it has bytes for.

    Parameters
    ----------
    path : str or path
    verify : bool, default=True
        Whether to read the tables and compare their digest; all else is compared in any case.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such file, of a later version, damaged or cut off.
    """
    with _File(path) as file:
        header, start = _read_header(file)
        begin, end = int(start[3]), int(start[4])
        data = 8 + len(header)
        if not begin <= end <= file.size - data:
            raise ValueError("the file is damaged or cut off")
        _check_digest(file, header, start, data, begin, end)
        if verify:
            found = _digest_of_blocks(lambda at, n: file.read(data + at, n), begin, end)
            if found != start[5].decode():
                raise ValueError("the file is damaged: the digest of its tables is another")
        tree = parse(header)
        about = _read_about(tree.pop("__metadata__"))
        region = file.map(data, end) if _may_map(end) else file.read_array(data, end)
        arrays = {}
        for name, dtype, shape, at, n in _read_places(tree, file.size - data):
            raw = region[at : at + n] if at + n <= end else file.read_array(data + at, n)
            if not name.startswith(f"{PADDING}."):
                arrays[name] = raw.view(dtype).reshape(shape)
    document = about.pop("model")
    return Contents(about, document, arrays, region if _may_map(end) else None)


def _may_map(n: int) -> bool:
    return n >= MAPPED_FROM and sys.byteorder == "little"


class _File:
    """A file, read from several threads."""

    def __init__(self, path: FilePath) -> None:
        self.path = Path(os.fspath(path))
        if not stat.S_ISREG(self.path.stat().st_mode):  # to open a pipe would wait
            kind = "folder" if self.path.is_dir() else "device or a pipe"
            raise ValueError(f"it is a {kind}, want a model file")
        self._lock = threading.Lock()

    def __enter__(self) -> _File:
        self._file = self.path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, start: int, n: int) -> bytes:
        """Return n bytes."""
        if hasattr(os, "pread"):
            found = os.pread(self._file.fileno(), n, start)
            while len(found) < n and (more := self._more(start + len(found), n - len(found))):
                found += more
        else:
            with self._lock:
                self._file.seek(start)
                found = self._file.read(n)
        if len(found) != n:
            raise ValueError("the file is cut off: it became shorter while it was read")
        return found

    def _more(self, start: int, n: int) -> bytes:
        return os.pread(self._file.fileno(), n, start)

    def read_array(self, start: int, n: int) -> npt.NDArray[np.uint8]:
        """Return n bytes in memory of their own, from a cache line on."""
        memory = np.empty(n + LINE, np.uint8)
        array = memory[-memory.ctypes.data % LINE :][:n]
        for at in range(0, n, PIECE):
            piece = self.read(start + at, min(PIECE, n - at))
            array[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        return array

    def map(self, start: int, n: int) -> npt.NDArray[np.uint8]:
        """Return n bytes of the file in memory that all processes share."""
        mapped = mmap.mmap(self._file.fileno(), start + n, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, np.uint8)[start:]


def _read_header(file: _File) -> tuple[bytes, re.Match[bytes]]:
    """Return the header, and what its fixed beginning says."""
    beginning = file.read(0, min(file.size, 512))
    start = START.match(beginning[8:])
    n = int.from_bytes(beginning[:8], "little")
    if start is None:
        raise ValueError(f"it is no model file of dcnfast: it {_looks_like(beginning)}")
    if (version := int(start[1])) != FORMAT:
        raise ValueError(
            f"the file has version {version} of the format, want at most {FORMAT}: it needs a "
            "later version of dcnfast"
            if version > FORMAT
            else "the file has version 0 of the format, which does not exist: it is damaged"
        )
    if not start.end() <= n <= min(MOST_HEADER, file.size - 8):
        raise ValueError("the file is damaged or cut off: its header has not the length it says")
    header = file.read(8, n)
    start = START.match(header)
    if start is None:
        raise ValueError("the file is damaged: it changed while it was read")
    return header, start


def _looks_like(beginning: bytes) -> str:
    if not beginning:
        return "is empty"
    known = {
        b"\x80": "looks like a pickle, want a file that save() has written",
        b"PK": "looks like a zip archive, such as those of skops or torch",
        b"\x89HDF": "looks like HDF5",
    }
    for first, kind in known.items():
        if beginning.startswith(first):
            return kind
    if beginning[8:9] == b"{":
        return "looks like a file of safetensors that another program has written, or is damaged"
    return f"begins with {beginning[:8]!r}"


def _check_digest(
    file: _File, header: bytes, start: re.Match[bytes], data: int, begin: int, end: int
) -> None:
    """Compare the digest of everything but the tables."""
    digest = blake2b(file.read(0, 8), digest_size=32)
    digest.update(header[: start.start(2)])
    digest.update(header[start.end(2) :])
    for first, last in ((data, data + begin), (data + end, file.size)):
        for at in range(first, last, PIECE):
            digest.update(file.read(at, min(PIECE, last - at)))
    if digest.hexdigest() != start[2].decode():
        raise ValueError("the file is damaged or cut off: its digest is another")


def _read_about(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise ValueError("the file's __metadata__ is no dict of texts")
    if missing := [name for name in ("library", "estimator", "model") if name not in found]:
        raise ValueError(f"the file's __metadata__ has no {missing[0]!r}")
    return dict(found)


def _read_places(
    tree: dict[str, Any], size: int
) -> Iterator[tuple[str, np.dtype[Any], tuple[int, ...], int, int]]:
    """Yield name, type, shape, place and bytes of each array; they lie side by side."""
    at = 0
    for name, entry in tree.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"the file's array {name!r} has no dtype, shape and data_offsets")
        code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or code not in DTYPES:
            raise ValueError(
                f"the file's array {name!r} is of type {short(code)}, want one of {list(DTYPES)!r}"
            )
        dtype, n = np.dtype(DTYPES[code]), 1
        if not _are_sizes(shape) or not _are_sizes(offsets) or len(shape) > 8:
            raise ValueError(f"the file's array {name!r} has no shape of integers")
        for m in shape:
            n *= m
        if offsets != [at, at + n * dtype.itemsize] or offsets[1] > size:
            raise ValueError(f"the file's array {name!r} is not where it should be")
        yield name, dtype, tuple(shape), at, n * dtype.itemsize
        at = offsets[1]
    if at != size:
        raise ValueError(f"the file has {size} bytes of data, want {at} as its header says")


def _are_sizes(found: Any) -> bool:
    return isinstance(found, list) and all(type(n) is int and 0 <= n < 2**62 for n in found)
