"""Text files of one row a line, read by columns; a malformed line is named by its number.

Lines are read in blocks. The columns of a block are converted whole; only where that fails its
lines are looked at one by one.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from numbers import Integral
from pathlib import Path
from sys import intern
from typing import Any, Literal, TextIO

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

Values = Any  # an array, or a list of objects
OnBadLines = Literal["error", "skip"]
Backend = Literal["pandas", "polars", "pyarrow"]

BLOCK = 10_000  # lines
BACKENDS = ("pandas", "polars", "pyarrow")
_INTEGERS = re.compile(r"[-0-9]*")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]*")


@dataclass(frozen=True)
class Column:
    """What stands in one place of each line.

    Parameters
    ----------
    name : str
    convert : callable
        From the texts of some lines to an array or a list; raises ValueError if one is malformed.
    wanted : str
        What a text has to be, for messages.
    """

    name: str
    convert: Callable[[Sequence[str]], Values]
    wanted: str


def integer(name: str) -> Column:
    """Return a column of integers."""

    def convert(texts: Sequence[str]) -> Values:
        _all_match(_INTEGERS, texts)
        return _array(list(map(int, texts)), np.int64)

    return Column(name, convert, "an integer")


def large_integer(name: str) -> Column:
    """Return a column of integers from 0 to 2 ** 64 - 1."""

    def convert(texts: Sequence[str]) -> Values:
        _all_match(_INTEGERS, texts)
        return _array(list(map(int, texts)), np.uint64)

    return Column(name, convert, "an integer of at least 0")


def integer_or_blank(name: str) -> Column:
    """Return a column of integers as floats, NaN where there is none."""

    def convert(texts: Sequence[str]) -> Values:
        _all_match(_INTEGERS, texts)
        return _array([int(text) if text else np.nan for text in texts], np.float64)

    return Column(name, convert, "an integer or nothing")


def one_of(name: str, choices: Sequence[int]) -> Column:
    """Return a column of some integers."""
    known = {str(choice): choice for choice in choices}

    def convert(texts: Sequence[str]) -> Values:
        try:
            return _array([known[text] for text in texts], np.int64)
        except KeyError:
            raise ValueError from None

    return Column(name, convert, " or ".join(known))


def hexadecimal(name: str) -> Column:
    """Return a column of hexadecimal strings, None where there is none."""

    def convert(texts: Sequence[str]) -> Values:
        _all_match(_HEXADECIMAL, texts)
        return _shared(texts)

    return Column(name, convert, "a hexadecimal string or nothing")


def text(name: str) -> Column:
    """Return a column of strings, None where there is none."""

    def convert(texts: Sequence[str]) -> Values:
        "".join(texts).encode()  # what is not in the encoding of the file is not in this one
        return _shared(texts)

    return Column(name, convert, "text in the encoding of the file")


def moment(name: str, parse: Callable[[str], Any], wanted: str) -> Column:
    """Return a column of dates and times, in microseconds; ``parse`` reads one text."""

    def convert(texts: Sequence[str]) -> Values:
        known = {text: parse(text) for text in set(texts)}
        return np.array([known[text] for text in texts], "M8[us]")

    return Column(name, convert, wanted)


@dataclass(frozen=True)
class Rows:
    """What a file had.

    Parameters
    ----------
    columns : dict of str to ndarray or list
    lines : ndarray of shape (n,)
        The number of each row's line, from 1.
    n_skipped : int
        Malformed lines.
    """

    columns: dict[str, Values]
    lines: npt.NDArray[np.int64]
    n_skipped: int


class BadLines:
    """What happens to malformed lines of a file.

    Parameters
    ----------
    path : Path
    on_bad_lines : {"error", "skip"}
    """

    def __init__(self, path: Path, on_bad_lines: OnBadLines) -> None:
        if on_bad_lines not in ("error", "skip"):
            raise ValueError(f"on_bad_lines is {on_bad_lines!r}, want 'error' or 'skip'")
        self.path, self.skips, self.n_skipped = path, on_bad_lines == "skip", 0

    def found(self, line: int, what: str) -> None:
        """Count a line, or raise ValueError."""
        if not self.skips:
            raise ValueError(f"{self.path}, line {line}: {what}")
        self.n_skipped += 1


def read_delimited(
    path: str | Path,
    columns: Sequence[Column],
    *,
    separator: str,
    on_bad_lines: OnBadLines,
    encoding: str = "utf-8",
    n_rows: int | None = None,
    header: bool = False,
) -> Rows:
    """Read a file, or one that gzip has packed.

    Parameters
    ----------
    path : str or Path
    columns : sequence of Column
        All that a line has.
    separator : str
        What stands between two columns; nothing is quoted.
    on_bad_lines : {"error", "skip"}
        Whether a malformed line is a ValueError that names it, or is left out and counted.
    encoding : str, default="utf-8"
    n_rows : int or None, default=None
        Most rows to read; None is all.
    header : bool, default=False
        Whether the first line has the names of the columns, and is passed over.
    """
    path = Path(path)
    bad = BadLines(path, on_bad_lines)
    left = check_n_rows(n_rows)
    parts: list[list[Values]] = []
    numbers: list[npt.NDArray[np.int64]] = []
    with open_text(path, encoding) as file:
        line = 1
        if header:
            file.readline()
            line = 2
        while lines := list(islice(file, BLOCK if left is None else min(BLOCK, left))):
            part, kept = _convert(lines, columns, separator, line, bad)
            line += len(lines)
            left = None if left is None else left - len(kept)
            parts.append(part)
            numbers.append(kept)
    if not sum(map(len, numbers)):
        raise ValueError(f"{path} has no well-formed row, want at least one")
    joined = {
        column.name: _join(found)
        for column, found in zip(columns, zip(*parts, strict=True), strict=True)
    }
    return Rows(joined, np.concatenate(numbers), bad.n_skipped)


def _convert(
    lines: list[str], columns: Sequence[Column], separator: str, first: int, bad: BadLines
) -> tuple[list[Values], npt.NDArray[np.int64]]:
    """Return the columns of some lines, and the numbers of those that are not malformed."""
    numbers = np.arange(first, first + len(lines))
    if all(line.count(separator) == len(columns) - 1 for line in lines):
        try:
            return _columns(lines, columns, separator), numbers
        except ValueError:
            pass
    good = []
    for place, line in enumerate(lines):
        if what := _what_is_wrong(strip(line).split(separator), columns):
            bad.found(first + place, what)
        else:
            good.append(place)
    return _columns([lines[place] for place in good], columns, separator), numbers[good]


def _columns(lines: list[str], columns: Sequence[Column], separator: str) -> list[Values]:
    """Return the columns of lines that all have as many; one split for all of them."""
    whole = strip("".join(lines).replace("\r\n", "\n")).replace("\n", separator)
    texts = whole.split(separator) if lines else []
    return [column.convert(texts[j :: len(columns)]) for j, column in enumerate(columns)]


def _what_is_wrong(row: list[str], columns: Sequence[Column]) -> str | None:
    if len(row) != len(columns):
        return f"{len(row)} columns, want {len(columns)}"
    for column, found in zip(columns, row, strict=True):
        try:
            column.convert([found])
        except ValueError:
            return f"{column.name} is {found!r}, want {column.wanted}"
    return None


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file for reading by lines; what is not in the encoding becomes lone surrogates."""
    opener: Any = gzip.open if path.suffix == ".gz" else Path.open
    with opener(path, "rt", encoding=encoding, errors="surrogateescape", newline="\n") as file:
        yield file


def strip(line: str) -> str:
    """Return a line without its end."""
    return line.removesuffix("\n").removesuffix("\r")


def check_n_rows(n_rows: Any) -> int | None:
    """Return n_rows, or raise ValueError."""
    if n_rows is None:
        return None
    if isinstance(n_rows, bool) or not isinstance(n_rows, Integral) or n_rows < 1:
        raise ValueError(f"n_rows is {n_rows!r}, want an integer of at least 1, or None")
    return int(n_rows)


def check_backend(backend: Any) -> None:
    """Raise unless there is such a library: before a file is read."""
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}, want one of {BACKENDS!r}")
    if find_spec(backend) is None:
        others = [name for name in BACKENDS if find_spec(name)]
        hint = f"; backend may be {' or '.join(map(repr, others))} here" if others else ""
        raise ImportError(f"backend is {backend!r}, which is not installed{hint}")


def frame(columns: dict[str, Values], backend: Backend) -> Any:
    """Return a frame of a library."""
    return nw.from_dict(columns, backend=backend).to_native()


def _all_match(pattern: re.Pattern[str], texts: Sequence[str]) -> None:
    if not pattern.fullmatch("".join(texts)):
        raise ValueError


def _array(values: list[Any], dtype: Any) -> Values:
    try:
        return np.array(values, dtype)
    except OverflowError:
        raise ValueError from None


def _shared(texts: Sequence[str]) -> list[str | None]:
    """Return the texts, equal ones as one object."""
    return [intern(found) if found else None for found in texts]


def _join(parts: Sequence[Values]) -> Values:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [value for part in parts for value in part]
