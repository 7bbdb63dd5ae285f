"""From the values of a categorical field to the rows of its table.

Row 0 is for what training has not seen, row 1 for missing. The categories follow from row 2:
numbers by value, then strings by code point. The rare ones, if they are put together, share the
last row. Those that come later (growth.py) follow behind, as they came.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import chain, compress, repeat
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.table.factor import Factor
from dcnfast.table.objects import texts_of_interval

UNKNOWN, MISSING, FIRST = 0, 1, 2
FEW = 1000  # values that are copied sooner than they are put to the others
INDEX = ("rows_by_value", "recent")
Ids = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]


class Vocabulary:
    """A row for each value seen.

    Parameters
    ----------
    min_frequency : int, float or None
        Values in fewer rows, or in a smaller share of the rows, are infrequent.
    max_categories : int or None
        Most rows for values, that of the infrequent ones included; the most frequent ones keep
        theirs, of equally frequent ones the first in order.

    Attributes
    ----------
    values : list
        The values that have a row of their own, in order: the first has row 2.
    infrequent : list
        The values that share the row behind these.
    later : list
        The values that came after the first rows, from the next row on.
    rows_by_value, recent : dict
        The row of each value, of the infrequent ones too, and of the other way to write an
        interval: "(0.0, 30.0]" is "(0, 30]". What came last is in the second, so that growth copies
        few of them.
    counts : ndarray of shape (size,)
        Training rows of each row of the table.
    kinds : frozenset of str
        "strings", "numbers" or both, bools being numbers: what ``fit`` saw.
    """

    kinds: frozenset[str] = frozenset()  # of a pickle that does not say it
    rows_by_value: dict[Any, int]
    recent: dict[Any, int]
    _later: tuple[Sequence[Any], ...] = ()  # as they came

    def __init__(
        self, min_frequency: float | None = None, max_categories: int | None = None
    ) -> None:
        self.min_frequency = min_frequency
        self.max_categories = max_categories

    def fit(self, column: Factor) -> Vocabulary:
        """Learn the values from the training rows."""
        self.kinds = kinds_of(column.values)
        counts = column.counts()
        totals: dict[Any, int] = {}
        for value, count in zip(column.values.tolist(), counts.tolist(), strict=False):
            if count:  # equal values may come twice, as 0.0 and -0.0 do
                totals[value] = totals.get(value, 0) + count
        ordered = in_order(totals)
        found = np.fromiter(map(totals.__getitem__, ordered), np.int64, len(ordered))
        kept = self._choose(found, len(column.codes))
        self.set_values(list(compress(ordered, kept)), list(compress(ordered, ~kept)))
        rare = [found[~kept].sum()] if self.infrequent else []
        self.counts = np.array([0, counts[-1], *found[kept].tolist(), *rare], np.int64)
        return self

    def set_values(
        self, values: list[Any], infrequent: list[Any], later: Sequence[Any] = ()
    ) -> None:
        """Give values their rows: those that have one of their own, in order, and the others."""
        self.values, self.infrequent = values, infrequent
        self._later = (later,) if later else ()
        self._index_values()

    @property
    def later(self) -> list[Any]:
        """The values that came after the first rows."""
        return list(chain(*self._later))

    def row_of(self, value: Any) -> int | None:
        """Return the row of a value, None if it has none."""
        row = self.rows_by_value.get(value)
        return self.recent.get(value) if row is None else row

    @property
    def first_size(self) -> int:
        """How many rows the table had before any value came later."""
        return FIRST + len(self.values) + bool(self.infrequent)

    def append(self, values: Sequence[Any]) -> None:
        """Give new values rows behind the others; what others hold of this vocabulary stays."""
        self.recent = dict(self.recent)
        for row, value in enumerate(values, self.size):
            self.recent[value] = row
            for text in _other_texts(value):
                if self.row_of(text) is None:
                    self.recent[text] = row
        if len(self.recent) > FEW + len(self.rows_by_value) // 8:
            self.rows_by_value, self.recent = self.rows_by_value | self.recent, {}
        self._later = (*self._later, list(values))
        self.counts = np.append(self.counts, np.zeros(len(values), np.int64))

    def rows(self, values: npt.NDArray[Any]) -> Ids:
        """Return the row of the table for each value, and at the end that for missing."""
        listed = values.tolist()
        found = map(self.rows_by_value.get, listed, repeat(UNKNOWN))
        rows = np.fromiter(chain(found, [MISSING]), np.int32, len(values) + 1)
        if self.recent:
            for place in np.flatnonzero(rows == UNKNOWN).tolist():
                rows[place] = self.recent.get(listed[place], UNKNOWN)
        return rows

    @property
    def size(self) -> int:
        """How many rows the table has."""
        return len(self.counts)

    def _choose(self, counts: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.bool_]:
        """Return which values get a row of their own."""
        least = self.min_frequency or 0
        kept = counts >= (least if isinstance(least, Integral) else least * n)
        room = self.max_categories
        if room is not None and kept.sum() + (not kept.all()) > room:
            frequent = np.argsort(-np.where(kept, counts, 0), kind="stable")
            kept[frequent[room - 1 :]] = False
        return kept

    def _index_values(self) -> None:
        rare = dict.fromkeys(self.infrequent, FIRST + len(self.values))
        self.rows_by_value, self.recent = dict(rare), {}
        self._index(self.values, FIRST)
        self._index(self.later, self.first_size)
        self._index_intervals(rare)

    def _index(self, values: Iterable[Any], first: int) -> None:
        found = {value: row for row, value in enumerate(values, first)}
        self.rows_by_value |= found
        self._index_intervals(found)

    def _index_intervals(self, rows: Mapping[Any, int]) -> None:
        for value, row in rows.items():
            for text in _other_texts(value):
                self.rows_by_value.setdefault(text, row)

    def __copy__(self) -> Vocabulary:
        other = object.__new__(type(self))
        vars(other).update(vars(self))  # nothing in it is ever written to
        return other

    def __getstate__(self) -> dict[str, Any]:
        state = {key: value for key, value in vars(self).items() if key not in INDEX}
        return state | {"kinds": sorted(self.kinds)}  # whose order is the same in every process

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, kinds=frozenset(state.get("kinds", ())))
        if "values" in state:
            self._index_values()


class Buckets:
    """A fixed number of rows, shared by the values whose hash says so.

    Of ``n`` values, about ``n ** 2 / (2 * n_buckets)`` pairs share a row. See :func:`hash_values`.

    Parameters
    ----------
    n_buckets : int

    Attributes
    ----------
    counts : ndarray of shape (2 + n_buckets,)
        Training rows of each row of the table.
    kinds : frozenset of str
        As those of a vocabulary.
    """

    kinds: frozenset[str] = frozenset()

    def __init__(self, n_buckets: int) -> None:
        self.n_buckets = n_buckets

    def fit(self, column: Factor) -> Buckets:
        """Count the training rows."""
        self.kinds = kinds_of(column.values)
        self.counts = np.bincount(self.rows(column.values)[column.codes], minlength=self.size)
        return self

    def rows(self, values: npt.NDArray[Any]) -> Ids:
        """Return the row of the table for each value, and at the end that for missing."""
        buckets = hash_values(values) % np.uint64(self.n_buckets)
        return np.append(FIRST + buckets.astype(np.int32), np.int32(MISSING))

    @property
    def size(self) -> int:
        """How many rows the table has."""
        return FIRST + self.n_buckets

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"kinds": sorted(self.kinds)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, kinds=frozenset(state.get("kinds", ())))


def kinds_of(values: npt.NDArray[Any]) -> frozenset[str]:
    """Return whether there are strings, numbers or both; bools are numbers."""
    if values.dtype.kind in "biuf":
        return frozenset(["numbers"] if len(values) else [])
    kinds = set(map(type, values.tolist()))
    return frozenset("strings" if issubclass(kind, str) else "numbers" for kind in kinds)


def refuse_other_kinds(column: Vocabulary | Buckets, values: npt.NDArray[Any], what: str) -> None:
    """Raise TypeError if no value has a type that ``fit`` saw: all would be unknown."""
    kinds = kinds_of(values)
    if kinds and column.kinds and not kinds & column.kinds:
        (got,), (seen,) = kinds, column.kinds
        raise TypeError(
            f"{what} has {got} such as {values.tolist()[0]!r}, want {seen}: fit saw no {got} "
            "there, all of them would be unknown"
        )


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


def _other_texts(value: Any) -> Iterable[str]:
    """Return other ways to write a value, if it is an interval."""
    interval = isinstance(value, str) and value.startswith(("(", "["))
    return texts_of_interval(value) if interval else ()


def in_order(values: Iterable[Any]) -> list[Any]:
    """Return numbers by value, then strings by code point."""
    strings = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if not isinstance(value, str)]
    return [*sorted(numbers), *sorted(strings)]


def _bits(value: float) -> int:
    if -(2**63) <= value < 2**64 and value == int(value):
        return int(value) & 0xFFFFFFFFFFFFFFFF
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def _mix(z: npt.NDArray[Any]) -> Words:
    z = z.view(np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
