"""One row at a time, for servers: no table is made, nothing is allocated but the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import RLock
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dcnfast import _core
from dcnfast.cpu import effective_threads
from dcnfast.encode.encoded import Encoded, Field, Items
from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.lists import encode_lists
from dcnfast.encode.scaling import NumericScaler, logarithm
from dcnfast.encode.vocabulary import MISSING, Buckets, Vocabulary, refuse_other_kinds
from dcnfast.network.model import Model
from dcnfast.table.dates import Dates
from dcnfast.table.factor import factor_objects
from dcnfast.table.lists import NO_LISTS, ListColumns, lists_of_row
from dcnfast.table.objects import is_missing_type

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

FEW_ROWS = 64  # one tile at most, so one thread
_WORDS_AND_NUMBERS = {str, int, float}  # and nothing that is derived from them


class RowTarget(Protocol):
    """What was predicted for: knows what logits say of it."""

    def answer(self, logits: list[float]) -> Any:
        """Return what the logits of one row say."""


class RowPredictor:
    """What a fitted estimator predicts for one row, in microseconds.

    Made by ``estimator.row_predictor()``. It keeps the model of that moment, also when the
    estimator is fitted anew, and may be pickled and copied. Several threads may call it at the same
    time, and one does not wait for another: the engine computes without Python's lock, each call in
    memory of its own.

    Parameters
    ----------
    encoder : TableEncoder
    model : Model
    columns : tuple of (sequence of str, sequence of bool, Dates, ListColumns)
        Names of all columns but those of lists, which of them are categorical, and which are made
        of dates; and the columns of lists.
    target : Target
    missing_columns : {"error", "allow"}, default="error"
        Whether a dict must have all columns.
    """

    _lists = NO_LISTS  # of a pickle that does not say it

    def __init__(
        self,
        encoder: TableEncoder,
        model: Model,
        columns: tuple[Sequence[str], Sequence[bool], Dates, ListColumns],
        target: RowTarget,
        *,
        missing_columns: str = "error",
    ) -> None:
        if missing_columns not in ("error", "allow"):
            raise ValueError(f"missing_columns is {missing_columns!r}, want 'error' or 'allow'")
        self._encoder, self._model, self._target = encoder, model, target
        self._may_lack_columns = missing_columns == "allow"
        names, mask, dates, lists = columns
        self._dates = dates if dates or lists else None
        self._lists = lists
        given = dates.given(names, lists.taken)
        self._places = {name: place for place, name in enumerate(given)}
        self._numeric = [(name, j) for j, name in enumerate(names) if not mask[j]]
        self._categorical = [j for j in range(len(names)) if mask[j]]
        self._unknown = dict.fromkeys((field.name for field in encoder.fields), 0)
        self._prepare()

    def _prepare(self) -> None:
        """Make what a pickle does not hold."""
        encoder, F = self._encoder, len(self._categorical)
        self._fields = list(
            zip(
                encoder.fields[:F], encoder.columns, map(_rows_by_value, encoder.columns),
                self._categorical, strict=False,
            )
        )  # fmt: skip
        fields = zip(encoder.fields[F:], encoder.columns[F:], self._lists.columns, strict=True)
        self._list_fields = list(fields)
        self._no_ids = np.empty(0, np.int32)
        self._lock = RLock()  # a finalizer that runs meanwhile may call this predictor
        self._logits = _compiled(self._model, encoder.scaler, encoder.numeric_names)

    def __getstate__(self) -> dict[str, Any]:
        made_anew = ("_fields", "_list_fields", "_no_ids", "_lock", "_logits")
        state = {name: value for name, value in vars(self).items() if name not in made_anew}
        return state | {"_unknown": self.n_unknown_}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()

    @property
    def n_unknown_(self) -> dict[str, int]:
        """How many values of each categorical column were new to training, in all calls so far.

        Missing values do not count. Of a column with ``hash_buckets`` only values in buckets that
        training left empty are known to be new.
        """
        with self._lock:
            return dict(self._unknown)

    def __call__(self, row: Mapping[str, Any] | Sequence[Any] | Array) -> Any:
        """Predict one row.

        Parameters
        ----------
        row : dict, sequence or ndarray of shape (n_features,)
            The columns by name, or in the order of ``fit``; dates as datetime, date or datetime64.
            None and NaN are missing; so is, with ``missing_columns="allow"``, a column that a dict
            does not have.

        Returns
        -------
        float or ndarray
            As ``predict`` of a regressor: a number, or one for each target, shape (n_outputs,). Of
            a classifier the probabilities, as ``predict_proba``, shape (n_classes,).

        Raises
        ------
        ValueError
            If the row has another length or other names, or a number is infinite.
        TypeError
            If the row is something else, a value neither a number nor a category, or a category of
            a type that ``fit`` did not see in its column.
        """
        ids, numbers, lists = self.read(row)
        scaler = self._encoder.scaler
        scaled = logarithm(numbers) if scaler.scaling == "log" else numbers
        logits = self._logits(ids, scaled, lists)
        total = sum(logits)
        if total - total != 0:  # a polynomial of far-away numbers: ask as predict does
            dense = scaler.transform(numbers[None], self._model.config.dtype)
            rows = Encoded(ids[None], dense, lists)
            logits = finite_logits(self._encoder, self._model, rows, 1)[0].tolist()
        return self._target.answer(logits)

    def read(
        self, row: Mapping[str, Any] | Sequence[Any] | Array
    ) -> tuple[npt.NDArray[np.int32], Floats, tuple[Items, ...]]:
        """Return rows of the fields' tables (F), what is scaled (M), and lists of one row.

        Statistics of categories stand behind the numbers.
        """
        if isinstance(row, Mapping):
            row = self._by_name(row)
        elif not isinstance(row, list | tuple | np.ndarray):
            refuse_unless_sequence("row", row)
        lists = self._read_lists(row) if self._list_fields else ()
        if not self._fields:
            return self._no_ids, self._read_numbers(row), lists
        ids, numbers = self._read(_values(row) if isinstance(row, np.ndarray) else row)
        if (statistics := self._encoder.statistics) is not None:
            numbers = np.concatenate([numbers, statistics.columns(ids[None])[0]])
        return ids, numbers, lists

    def _by_name(self, row: Mapping[str, Any]) -> list[Any]:
        if type(row) is dict and len(row) == len(self._places):
            with suppress(KeyError):
                return [row[name] for name in self._places]
        values: list[Any] = [None] * len(self._places)
        for name, value in row.items():
            place = self._places.get(name)
            if place is None:
                raise ValueError(f"row has {name!r}, want columns of fit: {list(self._places)!r}")
            values[place] = value
        if not self._may_lack_columns and (lacking := [n for n in self._places if n not in row]):
            raise ValueError(
                f"row lacks the columns {lacking!r}, want all columns of fit; "
                "row_predictor(missing_columns='allow') takes them as missing"
            )
        return values

    def _check_length(self, n: int) -> None:
        if n != len(self._places):
            raise ValueError(f"row has {n} values, want {len(self._places)}, the columns of fit")

    def _read_numbers(self, row: Any) -> Floats:
        if (
            not isinstance(row, np.ndarray)
            or row.dtype.kind not in "fiub"
            or self._dates is not None
        ):
            made = self._dates is not None and isinstance(row, np.ndarray)
            return self._read(_values(row) if made else row)[1]
        if row.ndim != 1:
            raise ValueError(f"row has shape {row.shape}, want (n_features,)")
        self._check_length(len(row))
        return np.ascontiguousarray(row, np.float64)

    def _read(self, row: Sequence[Any]) -> tuple[npt.NDArray[np.int32], Floats]:
        self._check_length(len(row))
        if self._dates is not None:
            row = self._dates.of_row(row, self._lists.taken)
        return np.array(self._ids(row), np.int32), self._numbers(row)

    def _read_lists(self, row: Any) -> tuple[Items, ...]:
        """Return the lists of a row, and count those with an item that training has not seen."""
        self._check_length(len(row))
        read = []
        for field, column, how in self._list_fields:
            factor = lists_of_row(row, how)
            refuse_other_kinds(column, factor.values, f"row: {field.name!r}")
            pooling, dtype = how.rule.pooling, self._model.config.dtype
            items = encode_lists(factor, column.rows(factor.values), pooling, dtype)
            if field.is_unknown()[items.ids].any():
                with self._lock:
                    self._unknown[field.name] += 1
            read.append(items)
        return tuple(read)

    def _ids(self, row: Sequence[Any]) -> list[int]:
        """Return the rows of the fields' tables: most are found at once, in dictionaries."""
        return [
            (rows.get(row[j]) if type(row[j]) in _WORDS_AND_NUMBERS else None)
            or self._id(field, column, row[j])
            for field, column, rows, j in self._fields
        ]

    def _id(self, field: Field, column: Vocabulary | Buckets, value: Any) -> int:
        """Return the row of the field's table, and count it if training has not seen the value."""
        if value is None or (isinstance(value, float) and value != value):
            return MISSING
        if isinstance(value, str | int | float) and isinstance(column, Vocabulary):
            row = column.row_of(value)
            if row is not None:
                return row
        values = factor_objects([value], field.name, of_row=True).values
        refuse_other_kinds(column, values, f"row: {field.name!r}")
        row = int(column.rows(values)[0])
        if row != MISSING and not field.counts[row]:
            with self._lock:
                self._unknown[field.name] += 1
        return row

    def _numbers(self, row: Sequence[Any]) -> Floats:
        numbers = [row[j] for _, j in self._numeric]
        if set(map(type, numbers)) != {float}:
            numbers = [_number(name, row[j]) for name, j in self._numeric]
        return np.array(numbers, np.float64)


def threads_for(n_rows: int, n_jobs: int | None) -> int:
    """Return how many threads share rows: to ask the system takes longer than a few rows."""
    return effective_threads(n_jobs) if n_rows > FEW_ROWS else 1


def finite_logits(
    encoder: TableEncoder,
    model: Model,
    rows: Encoded,
    n_threads: int,
    *,
    of_members: bool = False,
    context: npt.NDArray[np.bool_] | None = None,
) -> Array:
    """Return logits (N, C); of rows where they overflow those at the border of the known.

    Parameters
    ----------
    encoder : TableEncoder
    model : Model
    rows : Encoded
    n_threads : int
    of_members : bool, default=False
        Whether those of each member, (N, E, C).
    context : ndarray of shape (D,) or None, default=None
        Which columns of x0 are the same in all rows, if that is to be made use of.
    """
    logits_of = model.logits_of_members if of_members else model.logits
    if context is not None:
        logits_of = partial(model.logits_of_candidates, context)
    logits = logits_of(rows.ids, rows.dense, n_threads, rows.lists)
    wild = ~np.isfinite(logits).all(axis=tuple(range(1, logits.ndim)))
    if wild.any():  # a polynomial of far-away numbers
        far = rows.take(wild)
        logits[wild] = logits_of(far.ids, encoder.clip(far.dense), n_threads, far.lists)
        logits = np.nan_to_num(logits, nan=0.0)
    return logits


def _compiled(model: Model, scaler: NumericScaler, names: list[str]) -> Any:
    """Return the function of the engine: ids (F), numbers (M) -> list of logits."""
    single = model.config.dtype == "float32"
    kind: Any = _core.RowPredictorF32 if single else _core.RowPredictorF64
    return kind(model.network, scaler.scales(model.config.dtype, names))


def refuse_unless_sequence(argument: str, row: Any) -> None:
    """Raise TypeError for what is no sequence of values, or a string."""
    if isinstance(row, str | bytes) or not isinstance(row, Sequence):
        hint = f": give {argument}.to_dict()" if type(row).__name__ == "Series" else ""
        raise TypeError(
            f"{argument} is a {type(row).__name__}, want a dict, or a sequence or array of shape "
            f"(n_features,){hint}"
        )


def _values(row: Array) -> list[Any]:
    """Return the values of a row as Python has them; nanoseconds are none of Python's dates."""
    values: list[Any] = list(row) if row.dtype.kind == "M" else row.tolist()
    return values


def _number(name: str, value: Any) -> float:
    if value is None or is_missing_type(type(value)):
        return math.nan
    if isinstance(value, str | bytes):
        raise TypeError(f"row: {name!r} is {value!r}, want a number")
    try:
        return float(value)
    except TypeError:
        raise TypeError(f"row: {name!r} is {value!r}, want a number") from None
    except OverflowError:
        raise ValueError(f"row: {name!r} is an integer too large for a float64") from None


def _rows_by_value(column: Vocabulary | Buckets) -> dict[Any, int]:
    """Return rows that are right as they are; what is not among them is looked up."""
    if not isinstance(column, Vocabulary) or (column.recycles and column.recent):
        return {}
    return column.rows_by_value
