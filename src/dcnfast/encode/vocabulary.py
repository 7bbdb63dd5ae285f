"""From the values of a categorical field to the rows of its table.

Row 0 is for what training has not seen, row 1 for missing. The categories follow from row 2:
numbers by value, then strings by code point. The rare ones, if they are put together, share the
last row. Those that come later (growth.py) follow behind, as they came, or take the rows of others
(recycling.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain, compress, repeat
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.hashing import hash_values, is_integer
from dcnfast.encode.recycling import Uses, uses_of
from dcnfast.table.factor import Factor
from dcnfast.table.objects import texts_of_interval

UNKNOWN, MISSING, FIRST = 0, 1, 2
FEW = 1000  # values that are copied sooner than they are put to the others
Ids = npt.NDArray[np.int32]
NO_ROWS: Ids = np.empty(0, np.int32)
INDEX = ("rows_by_value", "recent", "replaced", "recycled", "_rare")


class Vocabulary:
    """A row for each value seen.

    Parameters
    ----------
    min_frequency : int, float or None
        Values in fewer rows, or in a smaller share of the rows, are infrequent.
    max_categories : int or None
        Most rows for values, that of the infrequent ones included; the most frequent ones keep
        theirs, of equally frequent ones the first in order.
    recycles : bool, default=False
        Whether values that come later may take rows of others, where there is room for no more.

    Attributes
    ----------
    values : list
        The values that have a row of their own, in order: the first has row 2. A row that was
        recycled has another value, in the place of the first one.
    infrequent : list
        The values that share the row behind these, unless they have found one of their own since.
    later : list
        The values that came after the first rows, from the next row on.
    rows_by_value, recent : dict
        The row of each value, of the infrequent ones too, and of the other way to write an
        interval: "(0.0, 30.0]" is "(0, 30]". The second has what changed last, so that growth
        copies few of them; there UNKNOWN is a value that lost its row.
    replaced : dict
        The values of rows that were recycled of late.
    recycled : ndarray of int32
        Rows that the last growth gave to other values.
    counts : ndarray of shape (size,)
        Training rows of each row of the table.
    uses : ndarray of shape (size,) or None
        How much each row is used; None if none are recycled.
    kinds : frozenset of str
        "strings", "numbers" or both, bools being numbers: what ``fit`` saw.
    """

    kinds: frozenset[str] = frozenset()  # of a pickle that does not say it
    recycles: bool = False
    uses: Uses | None = None
    rows_by_value: dict[Any, int]
    recent: dict[Any, int]
    replaced: dict[int, Any]
    recycled: Ids = NO_ROWS
    _values: list[Any]
    _rare: Set[Any] = frozenset()  # the infrequent ones, if rows are recycled
    _later: tuple[Sequence[Any], ...] = ()  # as they came

    def __init__(
        self,
        min_frequency: float | None = None,
        max_categories: int | None = None,
        *,
        recycles: bool = False,
    ) -> None:
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        if recycles:
            self.recycles = True

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
        if self.recycles:
            self.uses = uses_of(self.counts)
        return self

    def set_values(
        self, values: list[Any], infrequent: list[Any], later: Sequence[Any] = ()
    ) -> None:
        """Give values their rows: those that have one of their own, in order, and the others."""
        self._values, self.infrequent = values, infrequent
        self._later = (later,) if later else ()
        self._index_values()

    @property
    def values(self) -> list[Any]:
        """The values of the rows from 2 on, in order."""
        return self._as_of_now(self._values, FIRST)

    @property
    def later(self) -> list[Any]:
        """The values that came after the first rows."""
        return self._as_of_now(list(chain(*self._later)), self.first_size)

    def _as_of_now(self, values: list[Any], first: int) -> list[Any]:
        values = list(values) if self.replaced else values
        for row, value in self.replaced.items():
            if first <= row < first + len(values):
                values[row - first] = value
        return values

    def row_of(self, value: Any) -> int | None:
        """Return the row of a value, None if it has none."""
        row = self.recent.get(value)
        return (self.rows_by_value.get(value) if row is None else row) or None

    def known(self) -> dict[Any, int]:
        """Return the row of each value that has one."""
        rows = self.rows_by_value | self.recent
        return {value: row for value, row in rows.items() if row} if self.recycles else rows

    @property
    def first_size(self) -> int:
        """How many rows the table had before any value came later."""
        return FIRST + len(self._values) + bool(self.infrequent)

    @property
    def row_of_infrequent(self) -> int | None:
        """The row that the infrequent values share, None if there are none."""
        return FIRST + len(self._values) if self.infrequent else None

    def append(self, values: Sequence[Any]) -> None:
        """Give new values rows behind the others; what others hold of this vocabulary stays."""
        if not values:
            return
        self.recent = dict(self.recent)
        for row, value in enumerate(values, self.size):
            self._enter(value, row)
        self._later = (*self._later, list(values))
        self.counts = np.append(self.counts, np.zeros(len(values), np.int64))
        if self.uses is not None:
            self.uses = np.append(self.uses, np.zeros(len(values), np.float32))
        self._put_together()

    def replace(self, rows: Ids, values: Sequence[Any]) -> None:
        """Give new values the rows of others, which are unknown from now on, or infrequent again.

        As for ``append``, what others hold of this vocabulary stays.
        """
        if len(self._later) > 1:
            self._later = (list(chain(*self._later)),)
        gone = list(map(self._value_of, rows.tolist()))
        self.recent, self.replaced = dict(self.recent), dict(self.replaced)
        for value in gone:
            is_rare = value in self._rare
            self.recent[value] = (self.row_of_infrequent or UNKNOWN) if is_rare else UNKNOWN
        for row, value in zip(rows.tolist(), values, strict=True):
            self.recent[value], self.replaced[row] = row, value
        self.recycled, self.counts = rows, self.counts.copy()
        self.counts[rows] = 0
        if self.uses is not None:
            self.uses = self.uses.copy()
            self.uses[rows] = 0
        if any(_other_texts(value) for value in (*gone, *values)):
            self._fold_replaced()
            self._index_values()  # other texts of intervals may belong to others now
        else:
            self._put_together()

    def _enter(self, value: Any, row: int) -> None:
        self.recent[value] = row
        for text in _other_texts(value):
            if self.is_new(text) and text not in self._rare:
                self.recent[text] = row

    def is_new(self, value: Any) -> bool:
        """Return whether a value has no row, or where rows are recycled none of its own."""
        row = self.row_of(value)
        return row is None or (self.recycles and row == self.row_of_infrequent)

    def _value_of(self, row: int) -> Any:
        if row in self.replaced:
            return self.replaced[row]
        first = self.first_size
        return self._values[row - FIRST] if row < first else self._later[0][row - first]

    def _put_together(self) -> None:
        """Put what changed last to the others, if it is no longer little beside them."""
        if len(self.recent) <= FEW + len(self.rows_by_value) // 8:
            return
        self.rows_by_value, self.recent = self.known(), {}
        self._fold_replaced()

    def _fold_replaced(self) -> None:
        if self.replaced:
            later = self.later
            self._values, self._later = self.values, (later,) if later else ()
            self.replaced = {}

    def rows(self, values: npt.NDArray[Any]) -> Ids:
        """Return the row of the table for each value, and at the end that for missing."""
        listed = values.tolist()
        found = map(self.rows_by_value.get, listed, repeat(UNKNOWN))
        rows = np.fromiter(chain(found, [MISSING]), np.int32, len(values) + 1)
        if self.recent and self.recycles:
            newer = np.fromiter(map(self.recent.get, listed, repeat(-1)), np.int32, len(listed))
            np.copyto(rows[:-1], newer, where=newer >= 0)
        elif self.recent:
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
        rare = dict.fromkeys(self.infrequent, FIRST + len(self._values))
        self.rows_by_value, self.recent, self.replaced = dict(rare), {}, {}
        self._index(self._values, FIRST)
        self._index(self.later, self.first_size)
        self._index_intervals(rare)
        if self.recycles:
            self._rare = frozenset(self.infrequent)

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
        if "_values" in state:  # as it has always been named
            later = self.later
            del state["_values"]
            state |= {"values": self.values, "_later": (later,) if later else ()}
        return state | {"kinds": sorted(self.kinds)}  # whose order is the same in every process

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, kinds=frozenset(state.get("kinds", ())))
        if "values" in state:
            self._values = vars(self).pop("values")
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
    fractions : bool
        Whether there were numbers that are no integers of 64 bits.
    """

    kinds: frozenset[str] = frozenset()
    fractions = False  # of a pickle or a file that does not say it

    def __init__(self, n_buckets: int) -> None:
        self.n_buckets = n_buckets

    def fit(self, column: Factor) -> Buckets:
        """Count the training rows."""
        self.kinds, self.fractions = kinds_of(column.values), has_fractions(column.values)
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


def has_fractions(values: npt.NDArray[Any]) -> bool:
    """Return whether there are numbers that are no integers of 64 bits."""
    if values.dtype.kind in "biu":
        return False
    return any(not isinstance(value, str) and not is_integer(value) for value in values.tolist())


def refuse_other_kinds(column: Vocabulary | Buckets, values: npt.NDArray[Any], what: str) -> None:
    """Raise TypeError if no value has a type that ``fit`` saw: all would be unknown."""
    kinds = kinds_of(values)
    if kinds and column.kinds and not kinds & column.kinds:
        (got,), (seen,) = kinds, column.kinds
        raise TypeError(
            f"{what} has {got} such as {values.tolist()[0]!r}, want {seen}: fit saw no {got} "
            "there, all of them would be unknown"
        )


def _other_texts(value: Any) -> Iterable[str]:
    """Return other ways to write a value, if it is an interval."""
    interval = isinstance(value, str) and value.startswith(("(", "["))
    return texts_of_interval(value) if interval else ()


def in_order(values: Iterable[Any]) -> list[Any]:
    """Return numbers by value, then strings by code point."""
    strings = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if not isinstance(value, str)]
    return [*sorted(numbers), *sorted(strings)]
