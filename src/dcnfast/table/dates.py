"""Columns of dates and times: what of them becomes columns of categories and of numbers.

A column with a time zone is read by the clock of the zone that ``fit`` saw, one without as it is.
All is arithmetic on integers, the same for a column of any library and for a single value.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from dcnfast.table.factor import Column, Factor, factor_array
from dcnfast.table.objects import is_missing_type

Moments = npt.NDArray[np.datetime64]

CATEGORIES = ("hour", "weekday", "month")
DAY_NUMBER = "day_number"
PARTS = (*CATEGORIES, DAY_NUMBER)
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d\d):(\d\d)")
_FIRST_DAY = date(1970, 1, 1).toordinal()
_MONDAY = 3  # days from a Monday to that day, a Thursday


@dataclass(frozen=True)
class DateColumn:
    """A column of dates and times.

    Parameters
    ----------
    place : int
        Among the columns of the table.
    name : str
    zone : str or None
        Name of the time zone, None without one.
    """

    place: int
    name: str
    zone: str | None

    def check_zone(self, has_zone: bool, what: str) -> None:
        """Raise ValueError unless it has a time zone where ``fit`` saw one."""
        if has_zone != (self.zone is not None):
            of_fit = f"the time zone {self.zone}" if self.zone else "no time zone"
            raise ValueError(
                f"{what} has {'a' if has_zone else 'no'} time zone, want it as in fit: {of_fit}"
            )


@dataclass(frozen=True)
class Dates:
    """What of which columns becomes columns.

    Parameters
    ----------
    parts : tuple of str
        Of ``PARTS``, in their order.
    columns : tuple of DateColumn
    """

    parts: tuple[str, ...] = ()
    columns: tuple[DateColumn, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns)

    @property
    def places(self) -> list[int]:
        """Where the columns stand in the table."""
        return [column.place for column in self.columns]

    @property
    def made(self) -> list[tuple[str, bool]]:
        """Return name of each column that is made, and whether it is categorical."""
        return [
            (f"{column.name}_{part}", part != DAY_NUMBER)
            for column in self.columns
            for part in self.parts
        ]

    def given(self, names: Sequence[str], others: Mapping[int, str] | None = None) -> list[str]:
        """Return the columns of the table, of the names with those that are made of dates.

        Parameters
        ----------
        names : sequence of str
        others : dict of int to str or None, default=None
            Further columns of the table, by place, which are not among the names.
        """
        before = list(names[: len(names) - len(self.made)])
        inserted = {column.place: column.name for column in self.columns} | dict(others or {})
        for place in sorted(inserted):
            before.insert(place, inserted[place])
        return before

    def of_row(self, row: Sequence[Any], without: Iterable[int] = ()) -> list[Any]:
        """Return the values of a row with the parts of dates behind the others.

        Parameters
        ----------
        row : sequence
        without : iterable of int
            Places of values to leave out.
        """
        places = {*self.places, *without}
        values = [value for place, value in enumerate(row) if place not in places]
        for column in self.columns:
            moment = _moment(row[column.place], column, f"row: {column.name!r}")
            for part in self.parts:
                values.append(None if moment is None else _OF_VALUE[part](moment))
        return values


NO_DATES = Dates()


def read_parts(datetime_features: Any) -> tuple[str, ...]:
    """Return what of dates is wanted, nothing for None and False.

    Parameters
    ----------
    datetime_features : bool, sequence of str, or None
    """
    if datetime_features is None or isinstance(datetime_features, bool | np.bool_):
        return PARTS if datetime_features else ()
    named = [datetime_features] if isinstance(datetime_features, str) else list(datetime_features)
    bad = [name for name in named if not isinstance(name, str) or name not in PARTS]
    if bad or not named or isinstance(datetime_features, str) or len(set(named)) < len(named):
        raise ValueError(
            f"datetime_features is {datetime_features!r}, want True, None, or a list of some of "
            f"{list(PARTS)!r}"
        )
    return tuple(part for part in PARTS if part in named)


def find_dates(
    parts: tuple[str, ...], zones: Mapping[int, str | None], names: Sequence[str]
) -> Dates:
    """Return the columns of dates of a training table; their time zones have to be known ones.

    Parameters
    ----------
    parts : tuple of str
    zones : dict of int to str or None
        Time zones of the columns of dates, by their place in the table.
    names : sequence of str
        Of all columns.
    """
    if not zones:
        return NO_DATES
    dates = Dates(parts, tuple(DateColumn(j, names[j], zone) for j, zone in zones.items()))
    for column in dates.columns:
        if column.zone is not None and find_zone(column.zone) is None:
            raise ValueError(
                f"X: column {column.name!r} has the time zone {column.zone!r}, want one with a "
                "known name, such as 'Europe/Rome', or an offset such as '+02:00'"
            )
    if twice := [name for name, _ in dates.made if name in names]:
        raise ValueError(
            f"X has columns {twice!r}, names that datetime_features gives to what it makes, want "
            "other names"
        )
    return dates


def warn_of_texts(names: Sequence[str], factors: Sequence[Factor]) -> None:
    """Warn of columns of categories that are texts of dates, which nothing is made of.

    Parameters
    ----------
    names : sequence of str
    factors : sequence of Factor
    """
    firsts = (
        (name, factor.values[:10].tolist()) for name, factor in zip(names, factors, strict=False)
    )
    found = [name for name, values in firsts if _are_texts_of_dates(values)]
    if found:
        warnings.warn(
            f"datetime_features makes nothing of the texts in {found!r}, which look like dates and "
            "are categories: pandas.to_datetime makes dates of them",
            stacklevel=2,
        )


def _are_texts_of_dates(values: Sequence[Any]) -> bool:
    if not len(values) or not all(isinstance(value, str) and "-" in value for value in values):
        return False
    try:
        return all(datetime.fromisoformat(value) for value in values)
    except ValueError:
        return False


def zone_of_objects(values: list[Any]) -> tuple[bool, str | None]:
    """Return whether the first value that is not missing is a date, and the name of its zone."""
    first = next((value for value in values if not _is_missing(value)), None)
    if isinstance(first, np.datetime64):
        return True, None
    if not isinstance(first, date):
        return False, None
    zone = first.tzinfo if isinstance(first, datetime) else None
    return True, None if zone is None else str(zone)


def moments_of_objects(values: list[Any], column: DateColumn) -> Moments:
    """Return a column of Python objects as the clock shows it, NaT for missing."""
    found = [_moment(value, column, f"X: column {column.name!r}") for value in values]
    naive = [moment and moment.replace(tzinfo=None) for moment in found]
    return np.array(naive, "M8[us]")


def moments(series: Column, column: DateColumn) -> Moments:
    """Return a column as the clock shows it, NaT for missing.

    Parameters
    ----------
    series : Series of narwhals
    column : DateColumn
        What ``fit`` saw.
    """
    dtype = series.dtype
    if series.null_count() == len(series):
        return np.full(len(series), "NaT", "M8[us]")
    if dtype in (nw.Date, nw.Unknown):  # date32, date64 of Arrow
        column.check_zone(False, f"X: column {column.name!r}")
        series = series if dtype == nw.Unknown else series.cast(nw.Datetime("us"))
    else:
        column.check_zone(dtype.time_zone is not None, f"X: column {column.name!r}")
    if column.zone is not None:
        if dtype.time_zone != column.zone:
            series = series.dt.convert_time_zone(column.zone)
        series = series.dt.replace_time_zone(None)
    found = np.asarray(series.to_numpy())
    return moments_of_objects(found.tolist(), column) if found.dtype.kind == "O" else found


def factors_and_days(
    found: Moments, column: DateColumn, parts: tuple[str, ...]
) -> tuple[list[Factor], list[npt.NDArray[np.float64]]]:
    """Return what a column of dates becomes: categories, and numbers."""
    missing = np.isnat(found)
    made = {part: _OF_ARRAY[part](found) for part in parts}
    factors = [
        factor_array(numbers, f"{column.name}_{part}", missing)
        for part, numbers in made.items()
        if part != DAY_NUMBER
    ]
    days = [
        np.where(missing, np.nan, numbers) for part, numbers in made.items() if part == DAY_NUMBER
    ]
    return factors, days


def _days(found: Moments) -> npt.NDArray[np.int64]:
    return found.astype("M8[D]").astype(np.int64)


_OF_ARRAY = {
    "hour": lambda found: found.astype("M8[h]").astype(np.int64) % 24,
    "weekday": lambda found: (_days(found) % 7 + _MONDAY) % 7,
    "month": lambda found: found.astype("M8[M]").astype(np.int64) % 12 + 1,
    DAY_NUMBER: _days,
}
_OF_VALUE = {
    "hour": lambda moment: moment.hour,
    "weekday": lambda moment: moment.weekday(),
    "month": lambda moment: moment.month,
    DAY_NUMBER: lambda moment: moment.toordinal() - _FIRST_DAY,
}


def _is_missing(value: Any) -> bool:
    if value is None or is_missing_type(type(value)):
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return isinstance(value, float) and value != value


def _moment(value: Any, column: DateColumn, what: str) -> datetime | None:
    """Return a value as the clock shows it, None for missing."""
    if _is_missing(value):
        return None
    if isinstance(value, np.datetime64):
        given, value = value, value.astype("M8[us]").item()
        if not isinstance(value, datetime):
            raise ValueError(f"{what} is {given}, want a year from 1 to 9999")
    if not isinstance(value, date):
        raise TypeError(f"{what} is {value!r}, want a date, as in fit")
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    moment: datetime = value
    column.check_zone(moment.tzinfo is not None, what)
    if column.zone is None:
        return moment
    try:
        return moment.astimezone(find_zone(column.zone))
    except OverflowError:
        raise ValueError(
            f"{what} is {value!r}, want a year from 1 to 9999 in {column.zone}"
        ) from None


@cache
def find_zone(name: str) -> tzinfo | None:
    """Return the time zone of that name, None if there is none."""
    if name == "UTC":
        return UTC
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None
